"""What an attachment asks for at the public door: the mask before the forward, one blend after it."""

import copy
import gc
import warnings
import weakref

import pytest
import torch
from attached import assert_a_step_is_right, assert_nothing_is_heard, gradients, leaves
from hosts import Small, build
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from selfcontrast import Attachment, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary

KINDS = ("pfenet", "canet", "rpmms", "sgone", "panet", "mlc", "ssp")


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


class Overflowing(nn.Module):
    """A second head, which the host's loss leaves out, gives logits without bound."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.merge = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 8, 1)
        self.head, self.aside = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)
        nn.init.constant_(self.aside.bias, torch.inf)

    def forward(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(query)
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(features)
        compared = self.merge(torch.cat([features, prototype], 1))
        return self.head(compared), self.aside(compared)


def test_an_exit_of_weight_0_takes_no_part_in_the_loss_whatever_it_holds() -> None:
    model = Overflowing()
    host = Host("encoder#0", "encoder#0", (Entry("merge"),), (Exit("head"), Exit("aside", weight=0.0)))
    attachment = SelfContrastiveAuxiliary(weight=1.0).attach(model, host)
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:12, 4:12] = 1
    with attachment.episode(mask):
        model(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    contrast = attachment.contrast
    assert contrast is not None and contrast.logits[1].isinf().all()
    loss = attachment.blend(torch.tensor(0.0))
    whole = nn.functional.interpolate(contrast.logits[0], (16, 16), mode="bilinear", align_corners=True)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(whole, contrast.target, ignore_index=255))
    loss.backward()
    assert all(one.grad is None or one.grad.isfinite().all() for one in model.parameters())


def test_a_check_refuses_masks_in_black_and_white_which_no_forward_can_notice() -> None:
    small = build("pfenet")
    attachment = small.attach()
    small.keywords["y"] = torch.where(small.mask == 1, 255, 0)
    with pytest.raises(InputError, match="mask: expected 1 for the foreground, got a batch of 0 and 255"):
        attachment.check(**small.keywords)
    attachment.detach()
    # Under another number for unlabelled pixels 255 means nothing, and every forward refuses it.
    with pytest.raises(InputError, match=r"mask: expected .* 7"):
        small.attach(ignore_index=7).check(**small.keywords)


class Recomputing(Overflowing):
    """Backward computes the comparison again."""

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(features)
        merged = torch.cat([features, prototype], 1)
        return checkpoint(lambda both: self.head(self.merge(both)), merged, use_reentrant=False)


def test_a_pass_that_backward_took_part_in_is_let_go_with_the_attachment() -> None:
    model = Recomputing()
    host = Host("encoder#0", "encoder#0", (Entry("merge"),), (Exit("head"),))
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    with attachment.episode(torch.ones(2, 16, 16, dtype=torch.long)):
        attachment.blend(model(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)).mean()).backward()
    resting = weakref.ref(attachment._resting)
    attachment.detach()
    gc.collect()
    assert resting() is None
