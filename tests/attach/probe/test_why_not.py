"""Why probe refuses, and the next step: each kind of host that has no such comparison, or hides it."""

from collections.abc import Callable

import pytest
import torch
from probed_models import WIDTH, Comparing, Merging, images
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import InputError, probe


class Kind(Merging):
    """A forward that is given."""

    def __init__(self, run: Callable[["Kind", Tensor, Tensor], Tensor], channels: int, classes: int = 2) -> None:
        super().__init__(lambda features, prototype, others: [features, prototype], channels, classes)
        self.run = run

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        return self.run(self, query, support)


def correlating(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    pairs = torch.einsum("bcn,bcm->bnm", model.encoder(support).flatten(2), model.encoder(query).flatten(2))
    return model.head(pairs.view(len(query), 64, 8, 8))


def correlating_in_six_axes(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    pairs = (model.encoder(query)[:, :, :, :, None, None] * model.encoder(support)[:, :, None, None]).sum(1, True)
    return model.deep[0](pairs).amax((4, 5)).expand(-1, 2, -1, -1)


def without_support(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    return model.head(model.encoder(query))


def by_forward(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    return model.head.forward(model.merged(query, support))


def by_similarity(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    return F.cosine_similarity(model.encoder(query), model.encoder(support).mean((2, 3), keepdim=True))


def multiplied(model: Kind, query: Tensor, support: Tensor) -> Tensor:
    return model.head(model.encoder(query) + model.encoder(support).mean((2, 3), keepdim=True) ** 2)


@pytest.mark.parametrize(
    ("run", "channels", "said"),
    [
        (correlating, 64, "got a dense correlation of query and support: einsum compares each pixel"),
        (correlating_in_six_axes, 1, "got a dense correlation of query and support: deep.0 takes tensors"),
        (without_support, WIDTH, "none that follows support: this training forward does not compare with the support"),
        (by_forward, 2 * WIDTH, "got head and others called by .forward"),
        (by_similarity, 1, "although encoder#0 is compared at places 0; return the logits"),
        (multiplied, WIDTH, "got neither; return the logits, or write a Host"),
    ],
)
def test_the_reason_and_the_next_step(
    run: Callable[[Kind, Tensor, Tensor], Tensor], channels: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Kind(run, channels)
    model.deep = nn.Sequential(nn.Identity(), nn.Conv2d(WIDTH, 16, 1)) if run is correlating_in_six_axes else model.deep
    with pytest.raises(InputError) as caught:
        probe(model.train(), *images())
    assert said in str(caught.value) and ("CosineHost" in str(caught.value)) == (
        run in (by_forward, by_similarity, multiplied)
    )
    assert capsys.readouterr().out == ""


def test_three_classes_and_images_in_one_argument() -> None:
    with pytest.raises(InputError, match="got maps of 3 channels last, from head"):
        probe(Merging(lambda f, p, _: [f, p], 2 * WIDTH, classes=3).train(), *images())
    with pytest.raises(InputError, match=r"got one alone, input; where it is the query, training has no support"):
        probe(nn.Conv2d(3, 2, 1).train(), images()[0])
    with pytest.raises(InputError, match=r"arguments: expected images as \(\.\.\., 3, H, W\) floats, got none"):
        probe(Comparing().train(), [], [], [])


def test_a_refused_model_is_left_as_it_was() -> None:
    model, given = Kind(by_similarity, 1).train(), images()
    numbers, attributes = torch.get_rng_state(), [dict(vars(one)) for one in model.modules()]
    with pytest.raises(InputError):
        probe(model, *given)
    assert torch.equal(numbers, torch.get_rng_state())
    assert [vars(one).keys() for one in model.modules()] == [one.keys() for one in attributes]
    assert all(not one._forward_hooks and not one._forward_pre_hooks for one in model.modules())
