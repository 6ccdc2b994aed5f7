"""Each way to write a comparison, with the map and with other prototypes, against a loop over images and pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from selfcontrast import InputError
from selfcontrast.attach.mechanisms.exchange.following_query import QueryFollower
from selfcontrast.attach.mechanisms.exchange.recognition import recognise
from selfcontrast.attach.mechanisms.exchange.similarities import Similarity

B, C, HEIGHT, WIDTH = 2, 5, 2, 3


@dataclass(frozen=True)
class Way:
    """How a host compares features (B, C, h, w) with prototypes (B, P, C).

    Attributes:
        compare: the host's code.
        scores: its result as (B, P, h, w), or (B, C, h, w) of what is not summed yet.
        prototypes: P; None where all images have the same prototypes, and three of them.
    """

    compare: Callable[[Tensor, Tensor], Tensor]
    scores: Callable[[Tensor, int, int], Tensor]
    prototypes: int | None = 1


def spread(prototypes: Tensor) -> Tensor:
    return prototypes[..., None, None]


WAYS = {
    "cosine": Way(lambda q, p: F.cosine_similarity(q, spread(p[:, 0])), lambda r, h, w: r[:, None]),
    "cosine the other way round": Way(
        lambda q, p: F.cosine_similarity(x2=q, x1=spread(p[:, 0]), dim=-3, eps=1e-4), lambda r, h, w: r[:, None]
    ),
    "cosine of parts": Way(lambda q, p: F.cosine_similarity(q[:, None], spread(p), dim=2), lambda r, h, w: r, 3),
    "cosine of tokens": Way(
        lambda q, p: F.cosine_similarity(q.flatten(2).mT[:, :, None], p[:, None], dim=-1),
        lambda r, h, w: r.mT.unflatten(2, (h, w)),
        3,
    ),
    "module": Way(lambda q, p: nn.CosineSimilarity(1)(q, spread(p[:, 0])), lambda r, h, w: r[:, None]),
    "einsum": Way(lambda q, p: torch.einsum("bchw,bkc->bkhw", F.normalize(q), p), lambda r, h, w: r, 3),
    "einsum of a list": Way(lambda q, p: torch.einsum("bchw,bkc->bkhw", [q, p]), lambda r, h, w: r, 3),
    "einsum by numbers": Way(
        lambda q, p: torch.einsum(q, [0, 1, 2, 3], p, [0, 4, 1], [0, 4, 2, 3]), lambda r, h, w: r, 3
    ),
    "einsum, one prototype": Way(lambda q, p: torch.einsum("bchw, bc -> bhw", q, p[:, 0]), lambda r, h, w: r[:, None]),
    "einsum, other letters": Way(
        lambda q, p: torch.einsum("nbx,bxyc->cnby", p.permute(1, 0, 2), q),
        lambda r, h, w: r.permute(2, 1, 3, 0),
        3,
    ),
    "einsum with dots": Way(
        lambda q, p: torch.einsum("...c,kc->...k", q.permute(0, 2, 3, 1), p[0]), lambda r, h, w: r.movedim(3, 1), None
    ),
    "einsum without an arrow": Way(
        lambda q, p: torch.einsum("bhwc,kc", q.permute(0, 2, 3, 1), p[0]), lambda r, h, w: r.movedim(2, 1), None
    ),
    "matmul": Way(lambda q, p: q.flatten(2).mT @ p.mT, lambda r, h, w: r.mT.unflatten(2, (h, w)), 3),
    "matmul from the left": Way(lambda q, p: p @ q.flatten(2), lambda r, h, w: r.unflatten(2, (h, w)), 3),
    "matmul of all pixels": Way(
        lambda q, p: torch.mm(F.normalize(q).permute(0, 2, 3, 1).reshape(-1, C), p[0].t()),
        lambda r, h, w: r.view(-1, h, w, 3).movedim(3, 1),
        None,
    ),
    "matmul with a vector": Way(lambda q, p: q.permute(0, 2, 3, 1) @ p[0, 0], lambda r, h, w: r[:, None], None),
    "bmm": Way(lambda q, p: torch.bmm(p, q.flatten(2)), lambda r, h, w: r.unflatten(2, (h, w)), 3),
    "bmm by name": Way(lambda q, p: torch.bmm(p, mat2=q.flatten(2)), lambda r, h, w: r.unflatten(2, (h, w)), 3),
    "linear": Way(lambda q, p: F.linear(q.permute(0, 2, 3, 1), p[0]), lambda r, h, w: r.movedim(3, 1), None),
    "kernels": Way(lambda q, p: F.conv2d(F.normalize(q), spread(F.normalize(p[0]))), lambda r, h, w: r, None),
    "kernels on a line": Way(
        lambda q, p: F.conv1d(input=q.flatten(2), weight=p[0][..., None]), lambda r, h, w: r.unflatten(2, (h, w)), None
    ),
    "distance": Way(lambda q, p: torch.cdist(q.flatten(2).mT, p), lambda r, h, w: r.mT.unflatten(2, (h, w)), 3),
    "distance the other way round": Way(
        lambda q, p: torch.cdist(x1=p, x2=q.flatten(2).mT), lambda r, h, w: r.unflatten(2, (h, w)), 3
    ),
    "products": Way(lambda q, p: F.normalize(q) * spread(F.normalize(p[:, 0])), lambda r, h, w: r),
    "products with spread prototypes": Way(lambda q, p: spread(p[:, 0]).expand_as(q) * q, lambda r, h, w: r),
    "differences": Way(lambda q, p: spread(p[:, 0]) - q, lambda r, h, w: r),
}


# These normalise their features.
UNIT = {"kernels", "products", "einsum", "matmul of all pixels"}


class Ear(TorchFunctionMode):
    """A context that hears the comparisons of features that it follows from its start on."""

    def __init__(self, features: Tensor, its_map: Tensor) -> None:
        super().__init__()
        self.follower, self.heard = QueryFollower(B), list[Similarity]()
        self.follower.begin("encoder", features, 1, lambda: its_map)

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        similarity = recognise(func, args, kwargs or {}, self.follower)
        if similarity is not None:
            self.heard.append(similarity)
        output = func(*args, **(kwargs or {}))
        self.follower.follow(func, args, kwargs or {}, output)
        return output


def drawn(prototypes: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Features, a map and prototypes."""
    given = torch.randn(1 if prototypes is None else B, prototypes or 3, C).expand(B, -1, -1)
    return torch.randn(B, C, HEIGHT, WIDTH), torch.randn(B, C, HEIGHT, WIDTH), given


def heard(way: Way, features: Tensor, its_map: Tensor, prototypes: Tensor) -> Similarity:
    with Ear(features, its_map) as ear:
        way.compare(features, prototypes)
    assert len(ear.heard) == 1
    return ear.heard[0]


def pixel_by_pixel(way: Way, features: Tensor, its_map: Tensor, prototypes: int) -> Tensor:
    """Each image and each pixel alone, as if the map's vector there were all of the prototypes."""
    images = []
    for own, other in zip(features.split(1), its_map.split(1), strict=True):
        pixels = [
            way.scores(way.compare(one[..., None, None], vector[:, None].expand(1, prototypes, C)), 1, 1)
            for one, vector in zip(own.flatten(2).unbind(2), other.flatten(2).unbind(2), strict=True)
        ]
        images.append(torch.cat(pixels, 3).flatten(2).unflatten(2, (HEIGHT, WIDTH)))
    return torch.cat(images)


@pytest.mark.parametrize("name", WAYS)
def test_the_map_is_another_prototype_for_each_pixel(name: str) -> None:
    way = WAYS[name]
    features, its_map, prototypes = drawn(way.prototypes)
    result = heard(way, features, its_map, prototypes).with_map()
    assert result.shape == way.compare(features, prototypes).shape
    # What the host does with its features is done with the map too.
    its_map = F.normalize(its_map) if name in UNIT else its_map
    expected = pixel_by_pixel(way, features, its_map, prototypes.shape[1])
    torch.testing.assert_close(way.scores(result, HEIGHT, WIDTH), expected)


@pytest.mark.parametrize("name", WAYS)
def test_prototypes_of_the_same_form_are_taken_as_they_are(name: str) -> None:
    way = WAYS[name]
    features, its_map, prototypes = drawn(way.prototypes)
    others = torch.randn_like(prototypes[:1]).expand(B, -1, -1)
    first, second = (heard(way, features, its_map, one) for one in (prototypes, others))
    assert torch.equal(first.with_those_of(second), way.compare(features, others))


@pytest.mark.parametrize("source", [name for name in WAYS if not name.startswith(("product", "d"))])
@pytest.mark.parametrize("target", ["kernels", "matmul of all pixels", "einsum"])
def test_prototypes_of_another_form_become_vectors(source: str, target: str) -> None:
    features, its_map, own = drawn(WAYS[target].prototypes)
    theirs = F.normalize(drawn(WAYS[source].prototypes)[2], dim=-1)
    first, second = heard(WAYS[target], features, its_map, own), heard(WAYS[source], features, its_map, theirs)
    result = first.with_those_of(second)
    expected = torch.einsum("bchw,bkc->bkhw", F.normalize(features), theirs)
    tokens = target == "matmul of all pixels"
    found = result.view(B, HEIGHT, WIDTH, -1).movedim(3, 1) if tokens else WAYS[target].scores(result, HEIGHT, WIDTH)
    # A single one stands for all that the host had there.
    single = WAYS[source].prototypes == 1 or source == "matmul with a vector"
    torch.testing.assert_close(found, expected[:, :1].expand_as(found) if single else expected)


def test_a_few_picked_pixels_are_compared_too() -> None:
    features, its_map, prototypes = drawn(None)
    whole = WAYS["matmul of all pixels"]
    picked = Way(lambda q, p: whole.compare(q.flatten(2).mT.reshape(-1, C, 1, 1)[:3], p), whole.scores, None)
    assert heard(picked, features, its_map, prototypes).with_map().shape == (3, 3)


@pytest.mark.parametrize(("pixels", "comparisons"), [(1, 0), (2, 1)])
def test_one_vector_an_image_is_a_prototype_itself(pixels: int, comparisons: int) -> None:
    features, its_map = torch.randn(2, B, C, 1, pixels)
    with Ear(features, its_map) as ear:
        WAYS["einsum"].compare(features, drawn(3)[2])
    assert len(ear.heard) == comparisons


def test_of_several_kernels_a_cosine_takes_the_best() -> None:
    features, its_map, prototypes = drawn(None)
    cosine, kernels = (heard(WAYS[name], features, its_map, prototypes) for name in ("cosine", "kernels"))
    best = WAYS["cosine of parts"].compare(features, prototypes).amax(1)
    torch.testing.assert_close(cosine.with_those_of(kernels), best)


def test_a_product_without_a_place_for_several_prototypes_is_an_error() -> None:
    features, its_map, prototypes = drawn(3)
    one, several = (heard(WAYS[name], features, its_map, prototypes) for name in ("einsum, one prototype", "einsum"))
    with pytest.raises(InputError, match=r"host\.background: expected a similarity that has a place.*\(2, 3, 5\)"):
        one.with_those_of(several)


BOTH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": lambda q, p: F.cosine_similarity(q[:, None], spread(p), dim=2),
    "einsum": lambda q, p: torch.einsum("bchw,bkc->bkhw", q, p),
    "matmul": lambda q, p: (q.flatten(2).mT @ p.mT).mT.unflatten(2, (HEIGHT, WIDTH)),
}


@pytest.mark.parametrize("name", BOTH)
def test_of_two_prototypes_in_one_the_second_takes_the_place_of_the_first(name: str) -> None:
    features, its_map, prototypes = drawn(2)
    with Ear(features, its_map) as ear:
        BOTH[name](features, prototypes)
    (similarity,) = ear.heard
    result = similarity.with_both(similarity)
    result = result.mT.unflatten(2, (HEIGHT, WIDTH)) if name == "matmul" else result
    expected = torch.stack([BOTH[name](features, prototypes)[:, 1], mapped(name, features, its_map)], 1)
    torch.testing.assert_close(result, expected)


def mapped(name: str, features: Tensor, its_map: Tensor) -> Tensor:
    if name == "cosine":
        features, its_map = F.normalize(features), F.normalize(its_map)
    return (features * its_map).sum(1)


NONE: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "a learned projection": lambda q, p: nn.Linear(C, 3)(q.permute(0, 2, 3, 1)),
    "a learned convolution": lambda q, p: nn.Conv2d(C, 3, 1)(q),
    "a learned matrix, turned": lambda q, p: q.permute(0, 2, 3, 1) @ nn.Parameter(torch.ones(3, C)).t(),
    "kernels of several pixels": lambda q, p: F.conv2d(q, torch.ones(3, C, 2, 2)),
    "kernels at every other pixel": lambda q, p: F.conv2d(q, torch.ones(3, C, 1, 1), stride=2),
    "pooling by einsum": lambda q, p: torch.einsum("bchw,bhw->bc", q, torch.ones(B, HEIGHT, WIDTH)),
    "einsum of the query alone": lambda q, p: torch.einsum("bchw->bhw", q),
    "einsum of three": lambda q, p: torch.einsum("bchw,bkc,bk->bhw", q, p, torch.ones(B, 3)),
    "pooling by matmul": lambda q, p: torch.ones(B, 1, HEIGHT * WIDTH) @ q.flatten(2).mT,
    "a mask": lambda q, p: q * torch.ones(B, 1, HEIGHT, WIDTH),
    "a map of gates": lambda q, p: q * torch.ones(B, C, HEIGHT, WIDTH),
    "with itself": lambda q, p: (F.cosine_similarity(q, q), q.flatten(2).mT @ F.normalize(q).flatten(2)),
    "with its own pixels": lambda q, p: q.flatten(2).mT[0] @ q[0].flatten(1)[:, torch.arange(6) > p[0, 0, 0]],
    "a prototype of the query": lambda q, p: F.cosine_similarity(torch.ones(B, C, 2, 2), q.mean((2, 3), True)),
    "of the supports": lambda q, p: F.cosine_similarity(torch.ones(B, C, 2, 2), spread(p[:, 0])),
    "another distance": lambda q, p: torch.cdist(q.flatten(2).mT, p, p=1.0),
    "over positions": lambda q, p: F.cosine_similarity(q, torch.ones(B, C, HEIGHT, 1), dim=2),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_comparison_with_a_prototype(name: str) -> None:
    features, its_map, prototypes = drawn(3)
    with Ear(features, its_map) as ear:
        NONE[name](features, prototypes)
    assert ear.heard == []


@pytest.mark.parametrize("name", ["einsum", "matmul", "kernels", "linear"])
def test_under_autocast_the_result_has_the_host_s_own_type(name: str) -> None:
    way = WAYS[name]
    features, its_map, prototypes = drawn(way.prototypes)
    with torch.autocast("cpu", torch.bfloat16):
        similarity = heard(way, features, its_map, prototypes)
        result, host = similarity.with_map(), way.compare(features, prototypes)
    assert result.dtype == host.dtype == torch.bfloat16 and result.shape == host.shape
