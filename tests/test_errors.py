"""What is refused at the public door: each message names the argument, what was expected, what came, and the fix."""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from selfcontrast import (
    InputError,
    SelfContrastiveAuxiliary,
    cosine_kmeans,
    expand_prototypes,
    masked_average_pool,
    remove_foreground,
    spatial_pyramid,
)

MAP, MASK, MAIN = torch.ones(2, 4, 6, 6), torch.zeros(2, 12, 12, dtype=torch.long), torch.tensor(0.5)
LABELS = torch.zeros(2, 6, 6, dtype=torch.long)
REGIONS = torch.ones(2, 3, 6, 6, dtype=torch.bool)
PROTOTYPES = torch.ones(2, 3, 4)


def poisoned(value: float) -> Tensor:
    features = MAP.clone()
    features[1, 2, 3, 4] = value
    return features


def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
    return (features - prototype_map)[:, :2]


def refused(argument: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message of the refusal, once it has shown all of its four parts in one line."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert re.fullmatch(rf"{argument}: expected .+, got .+; \w.+", message), message
    return message


def task(options: dict[str, Any] | None = None, **changed: Any) -> Tensor:
    arguments = {"main_loss": MAIN, "features": MAP, "high_level": MAP, "mask": MASK, "compare": compare} | changed
    return SelfContrastiveAuxiliary(**(options or {}))(**arguments)


def test_what_is_right_passes() -> None:
    assert task().isfinite()
    assert cosine_kmeans(MAP, 3).shape == (2, 6, 6)


FEATURES = {
    "rank": MAP[0],
    "more dimensions": MAP[None],
    "nothing": MAP[:, :, :0],
    "integers": MAP.long(),
    "bools": MAP.bool(),
    "NaN": poisoned(float("nan")),
    "infinite": poisoned(float("inf")),
    "minus infinite": poisoned(-float("inf")),
}


@pytest.mark.parametrize("case", FEATURES)
def test_features(case: str) -> None:
    wrong = FEATURES[case]
    refused("features", cosine_kmeans, wrong, 2)
    refused("features", masked_average_pool, wrong, REGIONS)
    refused("features", task, features=wrong)
    refused("high_level", task, high_level=wrong)


@pytest.mark.parametrize("case", FEATURES)
def test_features_with_a_support(case: str) -> None:
    refused("support features", task, {"num_prototypes": 1}, support=(FEATURES[case], MASK))
    refused("features", task, {"num_prototypes": 1}, features=FEATURES[case], support=(MAP, MASK))


@pytest.mark.parametrize("case", ["rank", "more dimensions", "nothing", "integers"])
def test_features_of_a_pyramid(case: str) -> None:
    refused("features", spatial_pyramid, FEATURES[case], 2)


MASKS = {
    "channel": MASK[:, None],
    "no batch": MASK[0],
    "other batch": MASK[:1],
    "nothing": MASK[:, :0],
    "blurred": MASK + 0.3,
    "many classes": MASK + 2,
    "negative": MASK - 1,
    "NaN": MASK * float("nan"),
    "logits": torch.full((2, 12, 12), 254),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks(case: str) -> None:
    wrong = MASKS[case]
    refused("mask", remove_foreground, LABELS, wrong, 3)
    refused("mask", task, mask=wrong)
    refused("support mask", task, {"num_prototypes": 1}, support=(MAP, wrong))


def test_the_usual_unlabelled_value_when_another_was_named() -> None:
    refused("mask", task, {"ignore_index": -1}, mask=MASK + 255)


def test_batches_that_differ() -> None:
    refused("mask", task, features=MAP[:1])
    refused("high_level", task, high_level=MAP[:1])
    refused("support features", task, {"num_prototypes": 1}, support=(MAP[:1], MASK))
    refused("valid", cosine_kmeans, MAP, 2, valid=torch.ones(1, 6, 6, dtype=torch.bool))
    refused("labels", expand_prototypes, PROTOTYPES, REGIONS, LABELS[:1])


@pytest.mark.parametrize("count", [0, -1, 37])
def test_num_clusters(count: int) -> None:
    refused("num_clusters", cosine_kmeans, MAP, count)


def test_more_regions_than_the_high_level_grid_has_pixels() -> None:
    refused("num_clusters", task, {"num_prototypes": 10}, high_level=MAP[:, :, :3, :3])
    refused("bins", task, {"num_prototypes": 16, "partition": "pyramid"}, high_level=MAP[:, :, :3, :3])


def test_num_clusters_of_the_removal() -> None:
    refused("num_clusters", remove_foreground, LABELS, MASK, 0)


@pytest.mark.parametrize("bins", [0, -1, 7])
def test_bins(bins: int) -> None:
    refused("bins", spatial_pyramid, MAP, bins)


@pytest.mark.parametrize(
    "valid", [torch.ones(2, 6, 5, dtype=torch.bool), torch.ones(2, 6, 6), torch.ones(2, 1, 6, 6, dtype=torch.bool)]
)
def test_valid(valid: Tensor) -> None:
    refused("valid", cosine_kmeans, MAP, 2, valid=valid)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 2, 4), (2, 2, 5), (2, 4)])
def test_init(shape: tuple[int, ...]) -> None:
    refused("init", cosine_kmeans, MAP, 2, init=torch.ones(shape))


def test_iterations_of_the_clustering() -> None:
    refused("iterations", cosine_kmeans, MAP, 2, iterations=-1)


OPTIONS = [
    ("num_prototypes", 0),
    ("weight", -0.01),
    ("weight", 1.01),
    ("weight", float("nan")),
    ("iterations", -1),
    ("ignore_index", 0),
    ("ignore_index", 1),
]


@pytest.mark.parametrize(("option", "value"), OPTIONS)
def test_options(option: str, value: Any) -> None:
    assert str(value) in refused(option, SelfContrastiveAuxiliary, **{option: value})


# Shape checks know the annotations, and would refuse these before the package does.
WRONGLY_TYPED = [
    ("num_prototypes", 2.5),
    ("num_prototypes", "3"),
    ("num_prototypes", None),
    # A bool is an int to Python, and a mistake of the order of the arguments to everybody else.
    ("num_prototypes", True),
    ("iterations", True),
    ("weight", True),
    ("iterations", 10.0),
    ("ignore_index", 2.5),
    ("partition", "superpixels"),
    ("prior", "none"),
    ("seeding", "first"),
    ("engine", "fais"),
]


@pytest.mark.parametrize(("option", "value"), WRONGLY_TYPED)
def test_options_of_a_wrong_type_or_name(no_shape_checks: ModuleType, option: str, value: Any) -> None:
    with pytest.raises(no_shape_checks.InputError, match=rf"^{option}: expected .*, got '?{value}'?; \w") as caught:
        no_shape_checks.SelfContrastiveAuxiliary(**{option: value})
    assert "\n" not in str(caught.value)


def test_counts_and_names_of_the_functions_that_are_wrongly_typed(no_shape_checks: ModuleType) -> None:
    refusal = no_shape_checks.InputError
    with pytest.raises(refusal, match=r"num_clusters: expected an integer of at least 1, got 2\.5; pass 1 or more"):
        no_shape_checks.remove_foreground(LABELS, MASK, 2.5)
    with pytest.raises(refusal, match=r"num_clusters: expected an integer"):
        no_shape_checks.cosine_kmeans(MAP, 2.0)
    with pytest.raises(refusal, match=r"bins: expected an integer of at least 1, got 1\.5"):
        no_shape_checks.spatial_pyramid(MAP, 1.5)
    with pytest.raises(refusal, match=r"seeding: expected one of .*k-means\+\+.*, got 'kmeans\+\+'"):
        no_shape_checks.cosine_kmeans(MAP, 2, seeding="kmeans++")
    with pytest.raises(refusal, match=r"engine: expected one of auto, torch, triton, faiss, got 'fais'"):
        no_shape_checks.cosine_kmeans(MAP, 2, engine="fais")


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_counts_of_numpy_are_counts(no_shape_checks: ModuleType, kind: Any) -> None:
    assert no_shape_checks.SelfContrastiveAuxiliary(kind(3)).num_prototypes == 3


@pytest.mark.parametrize("weight", [7.0, -0.01, float("nan"), float("inf")])
def test_a_weight_that_is_set_later_is_looked_at_too(weight: float) -> None:
    auxiliary = SelfContrastiveAuxiliary(weight=0.3)
    refused("weight", setattr, auxiliary, "weight", weight)
    assert auxiliary.weight == 0.3
    auxiliary.weight = 1
    assert auxiliary.weight == 1


@pytest.mark.parametrize("weight", [0, 0.0, 1, 1.0])
def test_the_ends_of_the_weight_are_legal(weight: float) -> None:
    assert SelfContrastiveAuxiliary(weight=weight).weight == weight


@pytest.mark.parametrize("count", [2, 3, 5, 8, 24])
def test_a_pyramid_that_is_no_square(count: int) -> None:
    refused("num_prototypes", SelfContrastiveAuxiliary, num_prototypes=count, partition="pyramid")


@pytest.mark.parametrize("shape", [(2, 1, 6, 6), (2, 3, 6, 6), (1, 2, 6, 6), (2, 2, 6), (2, 6, 6), ()])
@pytest.mark.parametrize("several", [False, True])
def test_logits_of_another_shape(shape: tuple[int, ...], several: bool) -> None:
    right, wrong = torch.ones(2, 2, 6, 6), torch.ones(shape)
    message = refused("compare", task, compare=lambda *_: (right, wrong) if several else wrong)
    assert str(shape) in message


@pytest.mark.parametrize("wrong", [None, {"out": torch.ones(2, 2, 6, 6)}, (torch.ones(2, 2, 6, 6), None)])
def test_what_is_no_logits(no_shape_checks: ModuleType, wrong: Any) -> None:
    with pytest.raises(no_shape_checks.InputError, match=r"^compare: expected logits or a tuple of such, got \w"):
        no_shape_checks.SelfContrastiveAuxiliary()(MAIN, MAP, MAP, MASK, lambda *_: wrong)


def test_an_error_in_the_comparison_says_what_it_was_called_with() -> None:
    def failing(*_: Tensor) -> Tensor:
        raise TypeError("the host's own")

    with pytest.raises(TypeError) as caught:
        task(compare=failing)
    called = "selfcontrast: compare was called with (features, prototype_map) of shapes (2, 4, 6, 6), (2, 4, 6, 6)"
    assert caught.value.__notes__ == [f"{called}; there was no third, as no prior was given. Pass what it takes"]
    with pytest.raises(TypeError) as caught:
        SelfContrastiveAuxiliary().contrast(MAP, MAP, MASK, failing, prior=MAP[:, :1])
    assert caught.value.__notes__ == [f"{called}, (2, 1, 6, 6); the third is the prior. Pass what it takes"]


def test_several_logits_without_a_criterion() -> None:
    refused("criterion", task, compare=lambda *_: (torch.ones(2, 2, 6, 6), torch.ones(2, 2, 3, 3)))


def test_losses_that_are_no_scalar() -> None:
    refused("main_loss", task, main_loss=torch.ones(2))
    refused("main_loss", task, main_loss=torch.ones(1))
    refused("criterion", task, criterion=lambda logits, target: logits.mean((1, 2, 3)))


def test_a_support_of_several_prototypes_or_another_layer() -> None:
    refused("support", task, {"num_prototypes": 3}, support=(MAP, MASK))
    refused("support features", task, {"num_prototypes": 1}, support=(MAP[:, :3], MASK))


@pytest.mark.parametrize("labels", [LABELS.float(), LABELS[0], LABELS[:, None]])
def test_labels(labels: Tensor) -> None:
    refused("labels", remove_foreground, labels, MASK, 3)
    refused("labels", expand_prototypes, PROTOTYPES, REGIONS, labels)


@pytest.mark.parametrize("masks", [REGIONS[:, :, :5], REGIONS[:1], REGIONS[:, 0], REGIONS.view(2, 3, 36, 1)])
def test_masks_of_the_pooling(masks: Tensor) -> None:
    refused("masks", masked_average_pool, MAP, masks)


ARRAYS = [
    ("prototypes", lambda package: package.expand_prototypes(PROTOTYPES.numpy(), REGIONS, LABELS)),
    ("regions", lambda package: package.expand_prototypes(PROTOTYPES, REGIONS.numpy(), LABELS)),
    ("labels", lambda package: package.expand_prototypes(PROTOTYPES, REGIONS, LABELS.numpy())),
    ("features", lambda package: package.masked_average_pool(MAP.numpy(), REGIONS)),
    ("masks", lambda package: package.masked_average_pool(MAP, REGIONS.numpy())),
    ("labels", lambda package: package.remove_foreground(LABELS.numpy(), MASK, 3)),
    ("mask", lambda package: package.remove_foreground(LABELS, MASK.numpy(), 3)),
    ("features", lambda package: package.spatial_pyramid(MAP.numpy(), 2)),
    ("valid", lambda package: package.cosine_kmeans(MAP, 2, valid=np.ones((2, 6, 6), bool))),
]


@pytest.mark.parametrize(("argument", "call"), ARRAYS)
def test_arrays_are_no_tensors(no_shape_checks: ModuleType, argument: str, call: Callable[[ModuleType], Any]) -> None:
    with pytest.raises(no_shape_checks.InputError, match=rf"^{argument}: expected a tensor, got .*; convert it with"):
        call(no_shape_checks)


def test_what_the_expansion_refuses() -> None:
    refused("prototypes", expand_prototypes, PROTOTYPES[0], REGIONS, LABELS)
    refused("regions", expand_prototypes, PROTOTYPES, REGIONS[:, :2], LABELS)
    refused("regions", expand_prototypes, PROTOTYPES, REGIONS[:, :, 0], LABELS)
    refused("foreground", expand_prototypes, PROTOTYPES, REGIONS, LABELS, LABELS[:, 1:].bool())
    # By default the foreground is where no region is, on the grid of the regions.
    refused("foreground", expand_prototypes, PROTOTYPES, REGIONS[:, :, :3, :3], LABELS)


def test_a_refusal_says_how_many_values_are_wrong() -> None:
    assert "got 1 NaN or infinite ones" in refused("features", masked_average_pool, poisoned(float("nan")), REGIONS)
    assert "got 288 pixels with others" in refused("mask", task, mask=MASK + 2)


def test_masks_in_black_and_white_are_warned_of() -> None:
    white = MASK.clone()
    white[:, 4:8] = 255
    with pytest.warns(UserWarning, match=r"^mask: expected 1 for the foreground, .*, pass \(mask == 255\)\.long\(\)"):
        task(mask=white)


@pytest.mark.parametrize("wrong", [{"mask": MASK + 2}, {"features": poisoned(float("nan"))}])
def test_values_are_not_looked_at_where_a_look_would_cost(values_cost: None, wrong: dict[str, Tensor]) -> None:
    task(**wrong)


@pytest.mark.parametrize("wrong", [{"features": MAP[0]}, {"mask": MASK[:, None]}, {"high_level": MAP[:1]}])
def test_shapes_are_looked_at_everywhere(values_cost: None, wrong: dict[str, Tensor]) -> None:
    refused(next(iter(wrong)), task, **wrong)
