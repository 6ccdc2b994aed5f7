"""The life of an attachment: what the public door asks for, and that no interruption leaves anything behind."""

import copy
import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hosts import BUILDERS, COSINE, LEARNED, Small, build
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import Attachment, CosineHost, Doubled, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")
KINDS = ("pfenet", "canet", "rpmms", "sgone", "panet", "mlc", "ssp")


def inner_hooks(model: nn.Module) -> list[str]:
    return [
        name for name, module in model.named_modules() if name and (module._forward_hooks or module._forward_pre_hooks)
    ]


def gradients(model: nn.Module) -> list[Tensor]:
    return [torch.zeros(()) if one.grad is None else one.grad.clone() for one in model.parameters()]


def assert_a_step_is_right(small: Small, attachment: Attachment) -> None:
    """What a fresh model with the same parameters would do in its first step, this one does now."""
    twin = copy.copy(small)
    twin.model = copy.deepcopy(small.model)
    other = twin.attach()
    losses = []
    for one, its in ((small, attachment), (twin, other)):
        one.model.zero_grad()
        torch.manual_seed(1)
        np.random.seed(1)
        loss = its.blend(one.main_loss(one.step(its)))
        loss.backward()
        losses.append(loss)
    assert torch.equal(*losses)
    for one, expected in zip(gradients(small.model), gradients(twin.model), strict=True):
        assert torch.equal(one, expected)
    other.detach()


def assert_nothing_is_heard(attachment: Attachment) -> None:
    """No inner hook, and cosine similarity is torch's own again."""
    assert inner_hooks(attachment.model) == []
    assert torch.overrides._get_current_function_mode() is None


# --- masks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["canet", "pmms", "mlc", "panet", "sgone"])
def test_without_an_episode_the_forward_says_what_to_write(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    with pytest.raises(InputError, match=r"mask: expected the query's mask before.*attachment\.episode\(mask\)"):
        small()
    assert_nothing_is_heard(attachment)
    assert_a_step_is_right(small, attachment)


def test_a_mask_missing_from_the_arguments_is_named() -> None:
    small = build("pfenet")
    small.attach()
    with pytest.raises(InputError, match=r"mask: expected a tensor in the forward's argument 'y', got NoneType"):
        small.model(small.keywords["x"], small.keywords["s_x"], small.keywords["s_y"])


def test_a_mask_may_come_by_position_by_name_or_by_episode() -> None:
    small = build("pfenet").still()
    attachment = small.attach(num_prototypes=1)
    x, s_x, s_y, y = (small.keywords[key] for key in ("x", "s_x", "s_y", "y"))
    targets = []
    for forward in (lambda: small.model(x, s_x, s_y, y), small, lambda: within(attachment, y[:, None], small)):
        attachment.blend(small.main_loss(forward()))
        assert attachment.contrast is not None
        targets.append(attachment.contrast.target)
    assert torch.equal(targets[0], torch.where(y == 255, 255, 1 - y))
    assert all(torch.equal(target, targets[0]) for target in targets[1:])


def within(attachment: Attachment, mask: Tensor, small: Small) -> object:
    with attachment.episode(mask):
        return small()


def test_an_episode_inside_another_is_refused_and_both_are_left() -> None:
    small = build("canet")
    attachment = small.attach()
    one_at_a_time = pytest.raises(InputError, match="episode: expected one episode at a time")
    with one_at_a_time, attachment.episode(small.mask), attachment.episode(small.mask):
        pass
    with pytest.raises(InputError, match="before a training forward"):
        small()
    assert_a_step_is_right(small, attachment)


def test_an_exception_inside_an_episode_ends_it() -> None:
    small = build("canet")
    attachment = small.attach()
    with pytest.raises(ZeroDivisionError), attachment.episode(small.mask):
        raise ZeroDivisionError
    with pytest.raises(InputError, match="before a training forward"):
        small()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(32, 32), r"shape \(B, H, W\)"),
        (torch.full((2, 32, 32), 7), "no values but 0, 1 and 255"),
        (torch.zeros(2, 3, 32, 32), r"shape \(B, H, W\)"),
    ],
)
def test_an_episode_refuses_what_is_no_mask(mask: Tensor, message: str) -> None:
    attachment = build("canet").attach()
    with pytest.raises(InputError, match=message), attachment.episode(mask):
        pass


@pytest.mark.parametrize("name", ["simpropnet", "crnet", "mlc", "canet"])
def test_a_mask_of_half_the_batch_is_an_error(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    # Where the host itself fails on it first, its own error will do.
    with pytest.raises((InputError, RuntimeError)), attachment.episode(small.mask[:1]):
        small()
    assert_nothing_is_heard(attachment)
    assert_a_step_is_right(small, attachment)


# --- blend -----------------------------------------------------------------------------------------------------------


def test_a_pass_is_blended_once() -> None:
    small = build("hpa")
    attachment = small.attach()
    with pytest.raises(InputError, match="blend: expected one training forward"):
        attachment.blend(torch.tensor(0.5))
    loss = small.main_loss(small.step(attachment))
    attachment.blend(loss)
    with pytest.raises(InputError, match="none since the last blend"):
        attachment.blend(loss)


def test_a_forward_that_was_never_blended_warns_at_the_next() -> None:
    small = build("hpa")
    attachment = small.attach()
    small()
    with pytest.warns(UserWarning, match="never blended"):
        small()
    attachment.blend(torch.tensor(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small()


@pytest.mark.parametrize("name", KINDS)
def test_without_a_graph_there_is_no_pass(name: str) -> None:
    small = build(name).still()
    attachment = small.attach()
    reference = copy.deepcopy(small.model)
    with torch.no_grad():
        found, expected = small(), reference(*small.arguments, **small.keywords)
    assert attachment.contrast is None
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert name == "rpmms" or torch.equal(one, other)


def leaves(tree: object) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


@pytest.mark.parametrize("off", ["weight", "auxiliary", "model"])
@pytest.mark.parametrize("name", ["hpa", "mlc"])
def test_switched_off_it_needs_no_mask_and_gives_back_the_very_loss(name: str, off: str) -> None:
    small = build(name)
    attachment = small.attach(weight=0 if off == "weight" else 0.5)
    if off == "auxiliary":
        attachment.auxiliary.eval()
    if off == "model":
        small.model.eval()
    small()
    loss = torch.tensor(0.5)
    assert attachment.blend(loss) is loss and attachment.contrast is None
    attachment.auxiliary.train()
    attachment.auxiliary.weight = 0.5
    small.model.train()
    assert_a_step_is_right(small, attachment)


def test_a_criterion_of_the_users_is_given_all_logits_and_the_complement() -> None:
    small = build("pfenet")
    attachment, given = small.attach(weight=1.0), []

    def criterion(logits: tuple[Tensor, ...], target: Tensor) -> Tensor:
        given.append((logits, target))
        return logits[0].sum() * 0 + 7

    loss = small.main_loss(small())
    assert attachment.blend(loss, criterion).item() == 7
    logits, target = given[0]
    assert [one.shape[2] for one in logits] == [8, 8, 4, 3, 2]
    assert torch.equal(target, torch.where(small.mask == 255, 255, 1 - small.mask))


@pytest.mark.parametrize("name", ["hpa", "rpmms", "mlc"])
def test_accumulated_gradients_are_the_sum(name: str) -> None:
    small = build(name).still()
    attachment = small.attach(num_prototypes=1)
    torch.manual_seed(5)
    state, several = copy.deepcopy(small.model.state_dict()), []
    for accumulate in (True, False):
        small.model.load_state_dict(state)
        small.model.zero_grad()
        torch.manual_seed(5)
        total = None
        for _ in range(2):
            loss = attachment.blend(small.main_loss(small.step(attachment)))
            if accumulate:
                loss.backward()
            total = loss if total is None else total + loss
        assert total is not None
        if not accumulate:
            total.backward()
        several.append(gradients(small.model))
    for one, other in zip(*several, strict=True):
        torch.testing.assert_close(one, other)


# --- interruptions ---------------------------------------------------------------------------------------------------


def raiser(error: type[BaseException]) -> Callable[..., None]:
    def hook(*_: object) -> None:
        raise error("in the host")

    return hook


PLACES = [
    ("pfenet", "layer0"),
    ("pfenet", "down_supp"),
    ("pfenet", "init_merge.2"),
    ("pfenet", "cls"),
    ("pfenet", "criterion"),
    ("asgnet_aspp", "decoder.last_conv"),
    ("canet", "residule1"),
    ("pmms", "layer55.1"),
    ("rpmms", "layer5"),
    ("rpmms", "layer9"),
    ("sgone", "exit_layer"),
    ("panet", "encoder"),
    ("mlc", "backbone.layer3"),
    ("ssp", "layer3"),
]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_an_interrupted_forward_leaves_nothing(name: str, place: str, error: type[BaseException]) -> None:
    small = build(name)
    attachment = small.attach()
    handle = small.model.get_submodule(place).register_forward_hook(raiser(error))
    with pytest.raises(error, match="in the host"):
        small.step(attachment)
    handle.remove()
    if error is RuntimeError:
        # An interrupt from the keyboard runs no hook of torch's: the next forward, or a detach, cleans up.
        assert_nothing_is_heard(attachment)
        with pytest.raises(InputError, match="blend: expected one training forward"):
            attachment.blend(torch.tensor(0.5))
    assert_a_step_is_right(small, attachment)
    assert_nothing_is_heard(attachment)


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_detach_cleans_up_after_an_interrupt(name: str, place: str) -> None:
    small = build(name)
    attachment = small.attach()
    handle = small.model.get_submodule(place).register_forward_hook(raiser(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        small.step(attachment)
    handle.remove()
    attachment.detach()
    assert_nothing_is_heard(attachment)
    assert not small.model._forward_hooks and not small.model._forward_pre_hooks


@pytest.mark.parametrize("name", COSINE)
def test_an_error_between_the_similarities_stops_the_listening(name: str) -> None:
    small = build(name)
    attachment = small.attach()

    def failing(*args: object, **kwargs: object) -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise ArithmeticError("in the host")
        return plain(*args, **kwargs)

    calls: list[int] = []
    plain, F.cosine_similarity = F.cosine_similarity, failing
    try:
        with pytest.raises(ArithmeticError):
            small.step(attachment)
    finally:
        F.cosine_similarity = plain
    assert len(calls) == 2
    assert_nothing_is_heard(attachment)
    assert_a_step_is_right(small, attachment)


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pfenet", "rpmms", "ssp"])
def test_a_copy_with_a_pass_held_trains_alone(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    small.step(attachment)
    twin = copy.deepcopy(small.model)
    assert attachment.contrast is not None
    held = attachment.contrast
    loss = small.main_loss(twin(*small.arguments, **small.keywords))
    loss.backward()
    # The copy's forward is none of this attachment's, and its pass is still to be blended.
    assert attachment.contrast is held
    attachment.blend(small.main_loss(small.step(attachment)) * 0)
    assert all(one.grad is None for one in small.model.parameters())


def test_a_saved_model_loads_without_the_attachment() -> None:
    small = build("hpa").still()
    attachment, file = small.attach(), io.BytesIO()
    torch.save(small.model, file)
    file.seek(0)
    # The file is our own, made a line above.
    loaded = torch.load(file, weights_only=False)
    attachment.detach()
    torch.manual_seed(0)
    expected = small()
    torch.manual_seed(0)
    found = loaded(**small.keywords)
    assert all(torch.equal(one, other) for one, other in zip(leaves(found), leaves(expected), strict=True))


# --- refusals --------------------------------------------------------------------------------------------------------


def test_what_hooks_do_not_reach_is_refused() -> None:
    small = build("hpa")
    with pytest.raises(
        InputError, match=r"model: expected the model itself, got DataParallel; attach to model\.module"
    ):
        SelfContrastiveAuxiliary().attach(nn.DataParallel(small.model), "hpa")
    small.attach()
    with pytest.raises(InputError, match="nothing attached, got an attached one"):
        small.attach()


def test_a_replica_of_data_parallel_says_what_to_use() -> None:
    small = build("hpa")
    attachment = small.attach()
    replica = small.model._replicate_for_data_parallel()
    with pytest.raises(InputError, match=r"DataParallel.*use torch\.nn\.parallel\.DistributedDataParallel"):
        replica(**small.keywords)
    assert attachment.contrast is None
    replica.eval()
    replica.training = False
    small.model.eval()
    assert torch.isfinite(replica(**small.keywords)).all()


def test_a_forward_that_bypasses_hooks_is_an_error_at_blend() -> None:
    small = build("hpa")
    attachment = small.attach()
    loss = small.main_loss(small.model.forward(**small.keywords))
    with pytest.raises(InputError, match=r"call model\(\.\.\.\), not model\.forward\(\.\.\.\)"):
        attachment.blend(loss)


class Bypass(nn.Module):
    """A host that calls one of its parts by `.forward`, in which no hook fires."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.encoder, self.merge, self.head = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 2, 1)

    def run(self, name: str, value: Tensor) -> Tensor:
        module = self.get_submodule(name)
        return module.forward(value) if name == self.part else module(value)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.run("encoder", query), self.run("encoder", support).mean((2, 3), keepdim=True)
        return self.run("head", self.run("merge", torch.cat([features, prototype.expand_as(features)], 1)))


BYPASS = Host("encoder", "encoder", (Entry("merge"),), (Exit("head"),), mask="mask")


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
@pytest.mark.parametrize("part", ["encoder", "merge", "head"])
def test_a_part_called_by_forward_is_named(part: str, mechanism: str) -> None:
    model = Bypass(part)
    host = Host("encoder", "encoder", (Entry("merge"),), (Exit("head"),), mask="mask", mechanism=mechanism)
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    images, mask = torch.randn(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.long)
    with pytest.raises(InputError, match=f"{part}|features"):
        model(images, images, mask)
    assert_nothing_is_heard(attachment)
    with pytest.raises(InputError, match="blend"):
        attachment.blend(torch.tensor(0.5))


def hpa_with(**changes: object) -> Host:
    fields = {
        "features": "down_query",
        "high_level": "layer4",
        "entries": (Entry("init_merge", "C:2C", prior="2C:"),),
        "exits": (Exit("cls"),),
        "mask": "y",
    }
    return Host(**(fields | changes))


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (hpa_with(features="down_qeury"), r"a module 'down_qeury' in the model, got none in HPA"),
        (hpa_with(high_level="layer9"), r"a module 'layer9'"),
        (hpa_with(entries=(Entry("init_merge.*.0"),)), r"a module 'init_merge\.\*\.0'"),
        (hpa_with(exits=(Exit("cls", 1.0), Exit("inner_cls.*"))), r"a module 'inner_cls\.\*'"),
        (hpa_with(cut=("nowhere",)), r"a module 'nowhere'"),
        (hpa_with(doubled=(Doubled("nowhere", 0),)), r"a module 'nowhere'"),
        (hpa_with(criterion="loss"), r"a module 'loss'"),
        (
            hpa_with(mask="mask"),
            r"host\.mask: expected an argument of HPA\.forward: x, s_x, s_y, y, cat_idx, got 'mask'",
        ),
        (CosineHost("encoder", "encoder", 0), "a module 'encoder'"),
    ],
)
def test_a_host_that_names_what_the_model_has_not_is_refused_at_once(host: Host, message: str) -> None:
    small = build("hpa")
    with pytest.raises(InputError, match=message):
        SelfContrastiveAuxiliary().attach(small.model, host)
    assert not small.model._forward_pre_hooks and not small.model._forward_hooks


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            hpa_with(entries=(Entry("init_merge", "C:20"),)),
            "prototype channels C:20 that hold the features' 8 channels",
        ),
        (hpa_with(entries=(Entry("init_merge", "2C:3C"),)), "prototype channels 2C:3C"),
        (hpa_with(entries=(Entry("init_merge", "C:C"),)), "prototype channels C:C"),
        (hpa_with(entries=(Entry("init_merge", "prototype"),)), "a range such as C:2C"),
        (hpa_with(features="ASPP_meta"), r"host\.features: expected a call that comes before the comparison starts"),
        (hpa_with(high_level="cls"), r"host\.high_level: expected a call that comes before the comparison"),
        (hpa_with(features="down_query#1"), r"host\.features: expected a call that comes before the comparison"),
        (hpa_with(features="down_query[1][0]"), r"features: expected a feature map of shape"),
        (hpa_with(features="down_query['3']"), r"host\.features: expected a tensor at down_query\['3'\], got NoneType"),
        (
            hpa_with(exits=(Exit("down_supp"),)),
            r"host\.entries: expected a call of init_merge before down_supp, got none",
        ),
        (hpa_with(exits=(Exit("cls"), Exit("cls#1"))), "calls of cls#1 in a training forward, got none"),
        (hpa_with(exits=(Exit("cls[0]"),)), "cls"),
        (hpa_with(exits=(Exit("ASPP_meta"),)), r"logits of shape \(2, 2, h, w\)"),
        (hpa_with(entries=(Entry("init_merge#1"),)), "cls|init_merge#1"),
        (hpa_with(doubled=(Doubled("cls", 3),)), r"host\.doubled: expected argument 3 of 'cls'"),
    ],
)
def test_a_wrong_host_is_an_error_that_names_its_mistake(host: Host, message: str) -> None:
    small = build("hpa")
    attachment = SelfContrastiveAuxiliary().attach(small.model, host)
    with pytest.raises(InputError, match=message):
        small()
    assert_nothing_is_heard(attachment)


def test_an_exit_that_never_comes_is_no_silent_doubling() -> None:
    small = build("hpa")
    attachment = SelfContrastiveAuxiliary().attach(small.model, hpa_with(exits=(Exit("cls#1"),)))
    # The host's own criterion meets twice the batch first.
    with pytest.raises(ValueError, match=r"batch_size|cls#1"):
        small()
    assert_nothing_is_heard(attachment)


def test_an_exit_before_the_entry_with_one_episode() -> None:
    small = build("hpa", batch=1)
    attachment = SelfContrastiveAuxiliary().attach(small.model, hpa_with(exits=(Exit("down_supp"),)))
    with pytest.raises(InputError, match=r"host\.entries: expected a call of init_merge before down_supp, got none"):
        small()
    assert_nothing_is_heard(attachment)


def test_every_name_is_of_one_kind() -> None:
    assert set(LEARNED) | set(COSINE) == set(BUILDERS)
