"""No interruption and no copy of the model leaves anything behind."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from attached import assert_a_step_is_right, assert_nothing_is_heard, leaves
from hosts import COSINE, build
from torch import Tensor
from torch.nn import functional as F

from selfcontrast import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")


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


def test_an_interrupted_forward_leaves_no_pass_of_the_one_before_it() -> None:
    small = build("hpa")
    attachment = small.attach()
    small.step(attachment)
    handle = small.model.register_forward_pre_hook(raiser(RuntimeError))
    with pytest.warns(UserWarning, match="never blended"), pytest.raises(RuntimeError, match="in the host"):
        small.step(attachment)
    handle.remove()
    with pytest.raises(InputError, match="blend: expected one training forward"):
        attachment.blend(torch.tensor(0.5))


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
