"""A fold: twice the batch from the comparison on, and only there."""

import pytest
import torch
from hosts import build
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, InputError, SelfContrastiveAuxiliary


def rows(name: str, *modules: str, batch: int = 2) -> list[list[int]]:
    """How many rows each call of these modules gets in a training forward with the task."""
    small = build(name, batch)
    attachment = small.attach()
    seen: list[list[int]] = []
    for module in modules:
        own: list[int] = []
        seen.append(own)

        def note(_: nn.Module, args: tuple[Tensor, ...], own: list[int] = own) -> None:
            own.append(len(args[0]))

        # On a part of it, for a hook on the entry itself comes before ours.
        inner = next(iter(small.model.get_submodule(module).children()), small.model.get_submodule(module))
        inner.register_forward_pre_hook(note)
    small.step(attachment)
    return seen


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_encoder_runs_once_and_the_comparison_on_twice_the_batch(batch: int) -> None:
    backbone, reduction, merge, head, last = rows(
        "pfenet", "layer0", "down_query", "init_merge.3", "inner_cls.0", "cls", batch=batch
    )
    assert (backbone, reduction) == ([batch, batch], [batch])
    assert merge == head == last == [2 * batch]


def test_calls_of_the_support_in_the_same_heads_stay_single() -> None:
    heads, support = rows("scl", "cls", "supp_init_merge.0")
    assert heads == [2, 2, 4] and support == [2, 2]


def test_what_lies_behind_the_exit_is_single_again() -> None:
    learner, ensemble = rows("bam", "learner_base", "gram_merge")
    assert learner == [2] and ensemble == [2]
    (projection,) = rows("cyctr", "transformer")
    assert projection == [4]


def test_a_cut_module_sees_the_first_half() -> None:
    small = build("cyctr")
    attachment, seen = small.attach(), list[int]()
    # Registered while the forward runs, so behind the cut.
    small.model.cls.register_forward_hook(
        lambda *_: (
            small.model.pred_supp_qry_proj.register_forward_pre_hook(lambda _, args: seen.append(len(args[0]))) and None
        )
    )
    small.step(attachment)
    assert seen == [2]


def test_several_prototypes_are_all_entered() -> None:
    (merge,) = rows("pmms", "layer55")
    assert merge == [4, 4, 4]


@pytest.mark.parametrize("name", ["pmms", "asgnet_aspp", "hdmnet"])
def test_live_batchnorm_inside_counts_the_hosts_rows_alone(name: str) -> None:
    several = []
    for _ in range(2):
        torch.manual_seed(0)
        several.append(build(name).still())
    small, twin = several
    attachment = small.attach()
    for _ in range(2):
        small.step(attachment)
        attachment.blend(torch.tensor(0.0))
        twin()
    inside = [name for name in small.model.state_dict() if "num_batches_tracked" in name or "running" in name]
    assert len(inside) > 6
    for key in inside:
        assert torch.equal(small.model.state_dict()[key], twin.model.state_dict()[key])


class Shared(nn.Module):
    """Its entry sees the support first, all shots in one call; then the query."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.merge, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, shown = self.encoder(query), self.encoder(support)
        prototype = shown.mean((0, 2, 3), keepdim=True)
        self.merge(torch.cat([shown, prototype.expand_as(shown)], 1))
        return self.head(self.merge(torch.cat([features, prototype.expand_as(features)], 1)))


@pytest.mark.parametrize("turn", ["", "#1"])
def test_one_query_and_two_shots_are_no_doubled_batch(turn: str) -> None:
    """With B = 1 the support's two rows have the shape of a batch that is doubled already."""
    model, images = Shared(), torch.randn(3, 3, 16, 16)
    host = Host("encoder", "encoder", (Entry(f"merge{turn}"),), (Exit("head"),), mask="mask")
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    mask = torch.zeros(1, 16, 16, dtype=torch.long)
    if turn:
        model(images[:1], images[1:], mask)
        assert attachment.check(images[:1], images[1:], mask)
        return
    with pytest.raises(InputError, match="host merge: expected a call with 1 rows, got 2; name the call"):
        model(images[:1], images[1:], mask)


class Series(nn.Module):
    """The prototype enters twice, the second time beside what the first comparison gave."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 2, 1)
        self.first, self.second = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        prototype = self.encoder(support).mean((0, 2, 3), keepdim=True)
        compared = self.first(torch.cat([features, prototype.expand_as(features)], 1))
        return self.head(self.second(torch.cat([compared, prototype.expand_as(compared)], 1)))


@pytest.mark.parametrize("batch", [1, 2])
def test_of_two_entries_in_series_the_second_compares_what_the_first_gave(batch: int) -> None:
    torch.manual_seed(0)
    model, query = Series(), torch.randn(batch, 3, 16, 16)
    host = Host("encoder#0", "encoder#0", (Entry("first"), Entry("second")), (Exit("head"),))
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    mask = torch.zeros(batch, 16, 16, dtype=torch.long)
    mask[:, 4:12, 4:12] = 1
    support = torch.randn(batch, 3, 16, 16)
    with attachment.episode(mask):
        logits = model(query, support)
    contrast = attachment.contrast
    assert contrast is not None
    attachment.detach()
    torch.testing.assert_close(logits, model(query, support))
    compared = model.first(torch.cat([model.encoder(query), contrast.prototype_map], 1))
    expected = model.head(model.second(torch.cat([compared, contrast.prototype_map], 1)))
    torch.testing.assert_close(contrast.logits, expected)
