from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from selfcontrast import InputError, cosine_kmeans
from selfcontrast.clustering import kmeans
from selfcontrast.clustering.seeding import SEEDINGS


def random_case(seed: int, clusters: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator), torch.randn(shape[0], clusters, shape[1], generator=generator)


def expected_labels(features: Tensor, init: Tensor, iterations: int = 10, valid: Tensor | None = None) -> Tensor:
    images, centres = features.double().numpy(), init.double().numpy()
    masks = [None] * len(images) if valid is None else list(valid.numpy())
    labels = [reference.kmeans(images[b], centres[b], iterations, masks[b]) for b in range(len(images))]
    return torch.tensor(np.stack(labels))


def objective(features: Tensor, labels: Tensor, valid: Tensor | None = None) -> float:
    return reference.objective(
        features[0].double().numpy(), labels[0].numpy(), None if valid is None else valid[0].numpy()
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("clusters", range(1, 7))
def test_agrees_with_the_loops(clusters: int, layout: torch.memory_format) -> None:
    features, init = random_case(clusters, clusters, 3, 8, 7, 9)
    expected = expected_labels(features, init)
    assert torch.equal(cosine_kmeans(features.to(memory_format=layout), clusters, init=init), expected)


@pytest.mark.parametrize("channels", [1, 63, 64, 65, 130])
def test_agrees_with_the_loops_however_many_channels(channels: int) -> None:
    features, init = random_case(channels, 3, 2, channels, 5, 5)
    # With one channel all cosines are 1 or -1, and ties would leave the labels open.
    iterations = 0 if channels == 1 else 10
    init = torch.tensor([[[1.0], [-1.0]]]).expand(2, 2, 1) if channels == 1 else init
    expected = expected_labels(features, init, iterations)
    assert torch.equal(cosine_kmeans(features, init.shape[1], init=init, iterations=iterations), expected)


@pytest.mark.parametrize("iterations", [0, 1, 2, 10])
def test_labels_are_those_of_one_more_assignment(iterations: int) -> None:
    features, init = random_case(1, 3, 2, 8, 8, 8)
    expected = expected_labels(features, init, iterations)
    assert torch.equal(cosine_kmeans(features, 3, init=init, iterations=iterations), expected)
    assert not torch.equal(expected, expected_labels(features, init, iterations + 1)) or iterations == 10


def test_iterates_ten_times_by_default() -> None:
    features, init = random_case(0, 6, 1, 2, 40, 40)
    ten = cosine_kmeans(features, 6, init=init, iterations=10)
    assert torch.equal(cosine_kmeans(features, 6, init=init), ten)
    assert not torch.equal(cosine_kmeans(features, 6, init=init, iterations=9), ten)
    assert not torch.equal(cosine_kmeans(features, 6, init=init, iterations=11), ten)


@pytest.mark.parametrize("clusters", range(1, 7))
def test_agrees_with_the_loops_on_valid_pixels(clusters: int) -> None:
    features, init = random_case(clusters, clusters, 3, 8, 7, 9)
    valid = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(0)) > 0.4
    assert torch.equal(
        cosine_kmeans(features, clusters, init=init, valid=valid), expected_labels(features, init, valid=valid)
    )


@pytest.mark.parametrize("seeding", SEEDINGS)
def test_what_lies_under_invalid_pixels_changes_no_other_label(seeding: str) -> None:
    features, other = random_case(0, 1, 2, 8, 9, 9)[0], random_case(1, 1, 2, 8, 9, 9)[0] * 100
    valid = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0)) > 0.3
    replaced = torch.where(valid[:, None], features, other)
    first, second = (
        cosine_kmeans(x, 3, valid=valid, seeding=seeding, generator=torch.Generator().manual_seed(5))
        for x in (features, replaced)
    )
    assert torch.equal(first[valid], second[valid])
    assert not torch.equal(first, second)


@pytest.mark.parametrize("seeding", ["init", *SEEDINGS])
def test_masking_equals_cropping(seeding: str) -> None:
    features, init = random_case(3, 3, 2, 8, 6, 9)
    valid = torch.zeros(2, 6, 9, dtype=torch.bool)
    valid[:, :, 2:7] = True
    options: dict[str, Any] = {"init": init} if seeding == "init" else {"seeding": seeding}
    torch.manual_seed(0)
    masked = cosine_kmeans(features, 3, valid=valid, **options)
    torch.manual_seed(0)
    assert torch.equal(masked[:, :, 2:7], cosine_kmeans(features[:, :, :, 2:7], 3, **options))


def test_an_invalid_pixel_gets_its_nearest_centre() -> None:
    features = torch.tensor([[[[1.0, 0.0, 0.9]], [[0.0, 1.0, 0.1]]]])
    valid = torch.tensor([[[True, True, False]]])
    for seed in range(5):
        labels = cosine_kmeans(features, 2, valid=valid, generator=torch.Generator().manual_seed(seed))
        assert labels[0, 0, 2] == labels[0, 0, 0] != labels[0, 0, 1]


def test_an_invalid_pixel_gets_no_cluster_that_has_no_pixel() -> None:
    # Far from the only centre there is, but there is no other.
    features = torch.tensor([[[[1.0, -1.0]], [[0.2, 0.1]]]])
    valid = torch.tensor([[[True, False]]])
    labels = cosine_kmeans(features, 2, valid=valid, generator=torch.Generator().manual_seed(0))
    assert labels[0, 0, 1] == labels[0, 0, 0]


@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_an_empty_cluster_takes_the_worst_served_pixel(iterations: int) -> None:
    features, init = random_case(0, 4, 2, 8, 6, 6)
    features, init = features.abs(), init.abs()
    # Opposite to every pixel, so it attracts none.
    init[:, 2] = -1
    labels = cosine_kmeans(features, 4, init=init, iterations=iterations)
    assert torch.equal(labels, expected_labels(features, init, iterations))
    assert all(len(image.unique()) == 4 for image in labels)


def test_every_empty_cluster_takes_another_pixel() -> None:
    features, init = random_case(0, 5, 1, 8, 6, 6)
    features = features.abs()
    init[:, 0], init[:, 1:] = features.mean((2, 3)), -1
    labels = cosine_kmeans(features, 5, init=init)
    assert torch.equal(labels, expected_labels(features, init))
    assert labels.unique().tolist() == [0, 1, 2, 3, 4]


def test_an_empty_cluster_takes_no_invalid_pixel() -> None:
    features = torch.tensor([[[[1.0, 0.9, 0.0]], [[0.0, 0.1, 1.0]]]])
    valid, init = torch.tensor([[[True, True, False]]]), torch.tensor([[[1.0, 0.0], [-1.0, -1.0]]])
    labels = cosine_kmeans(features, 2, valid=valid, init=init, iterations=0)
    assert labels[0, 0, :2].tolist() == [0, 1]


@given(
    clusters=st.integers(1, 5),
    valid=st.lists(st.booleans(), min_size=9, max_size=9),
    directions=st.integers(1, 9),
    seeding=st.sampled_from(SEEDINGS),
    seed=st.integers(0, 1000),
)
def test_as_many_regions_as_wanted_wherever_there_are_pixels(
    clusters: int, valid: list[bool], directions: int, seeding: str, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(directions, (9,), generator=generator)
    features = torch.randn(4, directions, generator=generator)[:, chosen].view(1, 4, 3, 3)
    mask = torch.tensor(valid).view(1, 3, 3)
    labels = cosine_kmeans(features, clusters, valid=mask, seeding=seeding, generator=generator)
    assert labels.min() >= 0 and labels.max() < clusters
    assert len(labels[mask].unique()) == min(clusters, sum(valid))


@pytest.mark.parametrize("seeding", SEEDINGS)
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-12, 1e15])
def test_constant_features_have_labels_in_range(value: float, seeding: str) -> None:
    labels = cosine_kmeans(torch.full((2, 4, 3, 3), value), 3, seeding=seeding)
    assert labels.min() >= 0
    # A zero vector has no direction to group it by.
    assert all(image.unique().tolist() == ([0] if value == 0 else [0, 1, 2]) for image in labels)


def test_one_cluster_is_the_whole_image() -> None:
    assert cosine_kmeans(torch.randn(2, 4, 5, 5), 1).eq(0).all()


def test_as_many_clusters_as_pixels() -> None:
    assert sorted(cosine_kmeans(torch.randn(1, 4, 2, 3), 6).flatten().tolist()) == list(range(6))


def test_no_valid_pixel_is_legal() -> None:
    valid = torch.zeros(1, 3, 3, dtype=torch.bool)
    labels = cosine_kmeans(torch.randn(1, 4, 3, 3), 3, valid=valid)
    assert labels.min() >= 0 and labels.max() < 3


@given(seed=st.integers(0, 10_000), decades=st.integers(0, 6))
def test_labels_ignore_the_length_of_each_pixel(seed: int, decades: int) -> None:
    features, init = random_case(seed, 3, 1, 6, 5, 5)
    # Powers of two scale without rounding, so that not even a tie is broken otherwise.
    lengths = 2.0 ** torch.randint(-decades, decades + 1, (1, 1, 5, 5), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(cosine_kmeans(features * lengths, 3, init=init), cosine_kmeans(features, 3, init=init))


@given(seed=st.integers(0, 10_000), clusters=st.integers(1, 5))
def test_the_objective_never_grows(seed: int, clusters: int) -> None:
    features, init = random_case(seed, clusters, 1, 4, 7, 7)
    # To give an empty cluster the worst-served pixel lowers it too.
    runs = [cosine_kmeans(features, clusters, init=init, iterations=step) for step in range(6)]
    values = [objective(features, labels) for labels in runs]
    assert all(later <= earlier + 1e-5 for earlier, later in pairwise(values))


@pytest.mark.parametrize("mates", ["other", "huge", "zero"])
def test_an_images_labels_do_not_depend_on_its_batch(mates: str) -> None:
    generator = torch.Generator().manual_seed(0)
    features, init = torch.randn(4, 8, 9, 9, generator=generator), torch.randn(4, 3, 8, generator=generator)
    labels = cosine_kmeans(features, 3, init=init)
    changed = features * {"other": -1.0, "huge": 1e15, "zero": 0.0}[mates]
    changed[1] = features[1]
    assert torch.equal(cosine_kmeans(changed, 3, init=init)[1], labels[1])
    assert torch.equal(cosine_kmeans(features[1:2], 3, init=init[1:2])[0], labels[1])


@pytest.mark.parametrize("seeding", ["init", *SEEDINGS])
@pytest.mark.parametrize("masked", [True, False])
def test_images_clustered_one_by_one_or_two_by_two_get_the_labels_of_the_batch(
    monkeypatch: pytest.MonkeyPatch, seeding: str, masked: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    features, valid = torch.randn(5, 16, 6, 6, generator=generator), torch.rand(5, 6, 6, generator=generator) > 0.3
    start: dict[str, Any] = {"init": torch.randn(5, 3, 16)} if seeding == "init" else {"seeding": seeding}

    def labels() -> Tensor:
        drawn = torch.Generator().manual_seed(1)
        return cosine_kmeans(features, 3, valid=valid if masked else None, generator=drawn, **start)

    together = labels()
    for images in (1, 2):
        monkeypatch.setattr(kmeans, "_CACHED_VALUES", images * features[0].numel())
        assert torch.equal(labels(), together)


def test_labels_follow_a_permutation_of_the_batch() -> None:
    features, init = torch.randn(4, 8, 9, 9), torch.randn(4, 3, 8)
    order = torch.tensor([2, 0, 3, 1])
    labels = cosine_kmeans(features, 3, init=init)
    assert torch.equal(cosine_kmeans(features[order], 3, init=init[order]), labels[order])


def test_an_empty_cluster_of_one_image_moves_no_pixel_of_another() -> None:
    features, init = torch.rand(2, 8, 6, 6), torch.rand(2, 3, 8)
    alone = cosine_kmeans(features[1:], 3, init=init[1:])
    init[0, 1] = -1
    assert torch.equal(cosine_kmeans(features, 3, init=init)[1:], alone)


def test_no_gradient_flows() -> None:
    features = torch.randn(1, 4, 5, 5, requires_grad=True)
    init = torch.randn(1, 2, 4, requires_grad=True)
    labels = cosine_kmeans(features, 2, init=init)
    assert not labels.requires_grad and labels.dtype == torch.int64


@pytest.mark.parametrize("lengths", [(0.25, 8.0, 64.0), (2.0**-140, 1.0, 2.0**124), (2.0**100,) * 3, (2.0**-130,) * 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_length_of_an_initial_centre_is_no_matter(lengths: tuple[float, ...], dtype: torch.dtype) -> None:
    features, init = torch.randn(2, 8, 6, 6), torch.randn(2, 3, 8, dtype=dtype).bfloat16().to(dtype)
    scaled = init * torch.tensor(lengths, dtype=dtype)[:, None]
    assert torch.equal(cosine_kmeans(features, 3, init=scaled), cosine_kmeans(features, 3, init=init))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_centre_that_is_not_finite_is_refused(value: float) -> None:
    features, init = random_case(0, 3, 2, 8, 6, 6)
    init[1, 2, 3] = value
    with pytest.raises(InputError, match="init: expected finite values, got 1 NaN or infinite"):
        cosine_kmeans(features, 3, init=init)
    with pytest.raises(InputError, match=r"init: expected real numbers, got torch\.complex64"):
        cosine_kmeans(features, 3, init=init.to(torch.complex64))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_centre_that_is_not_finite_has_no_direction_where_values_are_not_read(
    values_cost: None, value: float
) -> None:
    features, init = random_case(0, 3, 2, 8, 6, 6)
    broken, without = init.clone(), init.clone()
    broken[1, 2, 3], without[1, 2] = value, 0.0
    assert torch.equal(cosine_kmeans(features, 3, init=broken), cosine_kmeans(features, 3, init=without))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("least", "most", "dtype"), [(1e-18, 1e19, torch.float32), (1e-153, 1e154, torch.float64)])
def test_labels_hold_up_to_the_ends_of_the_range_and_are_refused_beyond(
    layout: torch.memory_format, least: float, most: float, dtype: torch.dtype
) -> None:
    features, init = random_case(0, 3, 2, 8, 6, 6)
    features = (features / features.norm(dim=1, keepdim=True)).to(dtype).to(memory_format=layout)
    expected = cosine_kmeans(features, 3, init=init)
    for length in (1.6 * least, 0.9 * most):
        assert torch.equal(cosine_kmeans(features * length, 3, init=init), expected)
    for length in (1e-5 * least, 0.5 * least, 4 * most, 1e10 * most):
        with pytest.raises(
            InputError, match=r"features: expected pixels of norm 0, or of 1e-\d+ to \de\+\d+, got 72 pixel"
        ):
            cosine_kmeans(features * length, 3, init=init)


def test_a_pixel_out_of_range_is_told_from_one_of_zeros() -> None:
    features, init = random_case(0, 3, 2, 8, 6, 6)
    features[0, :, 1, 1] = 0.0
    cosine_kmeans(features, 3, init=init)
    features[0, :, 2, 2], features[1, :, 3, 3] = 1e-30, 1e30
    with pytest.raises(InputError, match="got 2 pixels of other norms; scale the features"):
        cosine_kmeans(features, 3, init=init)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("seeding", SEEDINGS)
def test_a_non_finite_pixel_weighs_nothing_where_values_are_not_read(
    values_cost: None, seeding: str, value: float
) -> None:
    features = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 6, 6, dtype=torch.bool)
    valid[0, 2, 3] = False
    torch.manual_seed(0)
    expected = cosine_kmeans(features, 3, valid=valid, seeding=seeding)
    features[0, 5, 2, 3] = value
    torch.manual_seed(0)
    labels = cosine_kmeans(features, 3, seeding=seeding)
    assert torch.equal(labels[valid], expected[valid])
    assert labels[0, 2, 3] in (0, 1, 2)


@pytest.mark.parametrize("seeding", SEEDINGS)
@pytest.mark.parametrize("masked", [True, False])
def test_a_zero_pixel_weighs_nothing(seeding: str, masked: bool) -> None:
    features = torch.randn(20, 8, 4, 4)
    valid = torch.rand(20, 4, 4) > 0.5
    features = torch.where(valid[:, None], features, 0.0)
    first, second = (
        cosine_kmeans(features, 3, valid=mask, seeding=seeding, generator=torch.Generator().manual_seed(0))
        for mask in (valid, torch.ones_like(valid) if masked else None)
    )
    assert torch.equal(first[valid], second[valid])
