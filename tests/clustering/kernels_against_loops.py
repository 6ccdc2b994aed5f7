"""The kernels against slow loops in float64: on a GPU, or in Triton's interpreter on tensors of a CPU.

pytest -n 0 tests/clustering/kernels_against_loops.py                         # on a GPU
TRITON_INTERPRET=1 pytest -n 0 tests/clustering/kernels_against_loops.py      # without one

The variable must be set before Triton is imported, so `test_triton_engine.py` runs this file in a process of its own.
"""

import os
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import reference
import torch
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans
from selfcontrast.clustering import Engine
from selfcontrast.clustering.kmeans import _chosen
from selfcontrast.clustering.seeding import SEEDINGS
from selfcontrast.clustering.triton_engine import _Passes, cluster

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
assert DEVICE == "cpu" or torch.cuda.is_available(), "without a GPU, set TRITON_INTERPRET=1"
# A launch takes long in the interpreter, and each iteration is three.
SEVERAL = 10 if DEVICE == "cuda" else 3
USUAL, LAST = torch.contiguous_format, torch.channels_last


def random_case(seed: int, clusters: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(shape, generator=generator)
    return features.to(DEVICE), torch.randn(shape[0], clusters, shape[1], generator=generator).to(DEVICE)


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)


def mask_of(*shape: int) -> Tensor:
    return drawn(*shape) > 0.4


def expected_labels(features: Tensor, init: Tensor, iterations: int = 10, valid: Tensor | None = None) -> Tensor:
    images, centres = features.double().cpu().numpy(), init.double().cpu().numpy()
    masks = [None] * len(images) if valid is None else list(valid.cpu().numpy())
    labels = [reference.kmeans(images[b], centres[b], iterations, masks[b]) for b in range(len(images))]
    return torch.tensor(np.stack(labels), device=DEVICE)


def labels_of(features: Tensor, clusters: int, **options: Any) -> Tensor:
    return cosine_kmeans(features, clusters, engine="triton", **options)


@pytest.mark.parametrize("layout", [USUAL, LAST])
@pytest.mark.parametrize(
    ("clusters", "shape"),
    [
        (1, (2, 8, 4, 4)),
        (2, (1, 64, 8, 8)),
        (3, (2, 8, 7, 9)),
        (3, (1, 130, 5, 13)),
        (6, (1, 40, 6, 11)),
        (16, (1, 9, 8, 6)),
    ],
)
def test_agrees_with_the_loops(clusters: int, shape: tuple[int, int, int, int], layout: torch.memory_format) -> None:
    features, init = random_case(clusters, clusters, *shape)
    found = labels_of(features.to(memory_format=layout), clusters, init=init, iterations=3)
    assert torch.equal(found, expected_labels(features, init, 3))


@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_labels_are_those_of_one_more_assignment(iterations: int) -> None:
    features, init = random_case(1, 3, 2, 8, 6, 6)
    found = labels_of(features, 3, init=init, iterations=iterations)
    assert torch.equal(found, expected_labels(features, init, iterations))
    assert found.shape == (2, 6, 6) and found.dtype == torch.int64 and found.is_contiguous()


@pytest.mark.parametrize("layout", [USUAL, LAST])
def test_agrees_with_the_loops_on_valid_pixels(layout: torch.memory_format) -> None:
    features, init = random_case(2, 3, 2, 8, 7, 9)
    valid = mask_of(2, 7, 9)
    found = labels_of(features.to(memory_format=layout), 3, init=init, valid=valid, iterations=SEVERAL)
    assert torch.equal(found, expected_labels(features, init, SEVERAL, valid))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [USUAL, LAST])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype, layout: torch.memory_format) -> None:
    features, init = random_case(3, 3, 1, 24, 7, 9)
    # Squares and sums of these lie beyond the range of float16.
    features = (features * 2000).to(dtype)
    found = labels_of(features.to(memory_format=layout), 3, init=init, iterations=SEVERAL)
    assert torch.equal(found, expected_labels(features.float(), init, SEVERAL))


@pytest.mark.parametrize(("dtype", "layout"), [(torch.float32, USUAL), (torch.bfloat16, LAST)])
def test_a_whole_run_on_smooth_maps(dtype: torch.dtype, layout: torch.memory_format) -> None:
    """Of the paper's size on a GPU: labels as in float64, the same again, and the same of each image alone."""
    batch, channels, side, iterations = (4, 2048, 60, 10) if DEVICE == "cuda" else (2, 70, 7, 2)
    coarse, noise = random_case(7, 3, batch, channels, 5, 5)[0], random_case(8, 3, batch, channels, side, side)[0]
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear") + noise
    features, init = smooth.relu().to(dtype).to(memory_format=layout), random_case(9, 3, batch, channels, 1, 1)[1]

    def found(images: slice, precision: torch.dtype, engine: Engine) -> Tensor:
        given = features[images].to(precision)
        return cosine_kmeans(given, 3, init=init[images], iterations=iterations, engine=engine)

    every = slice(None)
    labels = found(every, dtype, "triton")
    assert (labels == found(every, torch.float64, "torch")).double().mean() >= 0.9995
    assert torch.equal(found(every, dtype, "triton"), labels)
    assert torch.equal(found(slice(1, 2), dtype, "triton"), labels[1:2])


@pytest.mark.parametrize("seeding", SEEDINGS)
@pytest.mark.parametrize("masked", [True, False])
def test_seeds_are_those_of_the_engine_torch(seeding: str, masked: bool) -> None:
    features, _ = random_case(4, 3, 2, 12, 7, 7)
    valid = mask_of(2, 7, 7) if masked else None
    options: dict[str, Any] = {"seeding": seeding, "valid": valid, "iterations": 1}
    first, second = (
        cosine_kmeans(features, 4, engine=engine, generator=torch.Generator().manual_seed(5), **options)
        for engine in ("torch", "triton")
    )
    assert torch.equal(first, second)


def test_a_seed_is_drawn_from_all_pixels_that_count() -> None:
    features = torch.eye(5, device=DEVICE).view(1, 5, 1, 5).expand(24, 5, 1, 5).contiguous()
    valid = torch.tensor([True, False, True, True, False], device=DEVICE).expand(24, 1, 5)
    start = drawn(24, 1)
    start[0], start[1] = 0.0, 1 - 2**-24
    passes = _Passes(features, False, 1, 0)
    passes.weigh(valid)
    passes.seed(start)
    seeds = passes.sums[:, 0].argmax(1).cpu()
    assert torch.equal(seeds, torch.tensor([0, 2, 3])[(start[:, 0] * 3).long().cpu()])
    assert seeds.unique().tolist() == [0, 2, 3] and seeds[0] == 0 and seeds[1] == 3


@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_an_empty_cluster_takes_the_worst_served_pixel(iterations: int) -> None:
    features, init = random_case(0, 4, 2, 8, 6, 6)
    features, init = features.abs(), init.abs()
    # Opposite to every pixel, so it attracts none.
    init[:, 2] = -1
    labels = labels_of(features, 4, init=init, iterations=iterations)
    assert torch.equal(labels, expected_labels(features, init, iterations))
    assert all(len(image.unique()) == 4 for image in labels)


def test_every_empty_cluster_takes_another_pixel_that_counts() -> None:
    features, init = random_case(0, 5, 2, 8, 6, 6)
    features, valid = features.abs(), mask_of(2, 6, 6)
    init[:, 0], init[:, 1:] = features.mean((2, 3)), -1
    labels = labels_of(features, 5, init=init, valid=valid, iterations=SEVERAL)
    assert torch.equal(labels, expected_labels(features, init, SEVERAL, valid))
    assert all(labels[image][valid[image]].unique().tolist() == [0, 1, 2, 3, 4] for image in (0, 1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_valid_pixels_than_clusters_are_a_cluster_each(count: int) -> None:
    features, _ = random_case(0, 3, 1, 6, 4, 4)
    valid = torch.zeros(1, 16, dtype=torch.bool, device=DEVICE)
    valid[0, :count] = True
    labels = labels_of(features, 3, valid=valid.view(1, 4, 4), iterations=3).flatten()
    assert labels.min() >= 0 and labels.max() < 3
    assert len(labels[:count].unique()) == count


def test_of_equal_centres_the_first_is_the_nearest() -> None:
    features, init = drawn(1, 4, 5, 5), torch.ones(1, 3, 4, device=DEVICE)
    assert torch.equal(labels_of(features, 3, init=init, iterations=0), expected_labels(features, init, 0))


def without_two_pixels() -> tuple[Tensor, Tensor, Tensor]:
    """Features, a mask that leaves out two pixels of the first image, and a start."""
    features, _ = random_case(0, 3, 2, 8, 6, 6)
    valid = torch.ones(2, 6, 6, dtype=torch.bool, device=DEVICE)
    valid[0, 2, 3] = valid[0, 0, 0] = False
    return features, valid, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], device=DEVICE)


@cache
def labels_without_two_pixels() -> Tensor:
    return cluster(*without_two_pixels(), 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, 0.0])
def test_a_pixel_whose_norm_is_zero_or_not_finite_weighs_nothing(value: float) -> None:
    features, valid, start = without_two_pixels()
    expected = labels_without_two_pixels()
    features[0, :, 0, 0] = 0.0
    if value:
        features[0, 5, 2, 3] = value
    else:
        features[0, :, 2, 3] = value
    labels = cluster(features, None, start, 2)
    assert torch.equal(labels[valid], expected[valid])
    assert int(labels[0, 2, 3]) in (0, 1, 2)


def test_of_an_image_without_any_direction_all_pixels_are_alike() -> None:
    features, _ = random_case(0, 3, 2, 8, 4, 4)
    features[0] = 0
    assert labels_of(features, 3, iterations=SEVERAL)[0].unique().tolist() == [0]


@pytest.mark.parametrize(("mates", "layout"), [("other", USUAL), ("nan", LAST)])
def test_an_images_labels_do_not_depend_on_its_batch(mates: str, layout: torch.memory_format) -> None:
    # Of odd size, so that an image starts at any place in memory.
    features, _ = random_case(0, 3, 3, 7, 5, 5)
    start = drawn(3, 3)
    features = features.to(memory_format=layout)
    labels = cluster(features, None, start, 2)
    changed = features * {"other": -1e15, "nan": float("nan")}[mates]
    changed[1] = features[1]
    assert torch.equal(cluster(changed, None, start, 2)[1], labels[1])
    assert torch.equal(cluster(features[1:2], None, start[1:2], 2)[0], labels[1])
    assert torch.equal(cluster(features[::2], None, start[::2], 2), labels[::2])
    assert torch.equal(cluster(features.flip(0), None, start.flip(0), 2), labels.flip(0))


def test_maps_that_lie_in_memory_in_another_way() -> None:
    features, init = random_case(5, 3, 2, 12, 6, 8)
    for other in (features[:, 2:10], features[..., 1:7], features.transpose(2, 3), features[:1].expand(2, -1, -1, -1)):
        given = init[:, :, : other.shape[1]]
        assert torch.equal(labels_of(other, 3, init=given, iterations=1), expected_labels(other, given, 1))


def test_the_features_the_mask_and_the_start_stay_as_they_are() -> None:
    features, init = random_case(0, 3, 2, 8, 5, 5)
    valid, before = mask_of(2, 5, 5), (features.clone(), init.clone())
    kept = valid.clone()
    first = cluster(features, valid, init, 3)
    assert torch.equal(cluster(features, valid, init, 3), first)
    assert all(map(torch.equal, (features, init, valid), (*before, kept)))


def test_an_image_that_has_settled_is_read_no_more() -> None:
    settled, restless = torch.eye(3, device=DEVICE).repeat(1, 16), random_case(0, 1, 3, 48)[0]
    features = torch.stack([settled, restless]).view(2, 3, 6, 8)
    passes = _Passes(features.clone(), False, 3, 6)
    passes.weigh(None)
    passes.sums.copy_(torch.eye(3, device=DEVICE).expand(2, 3, 3))
    for step in range(2):
        passes.assign(step)
        passes.move(step)
    labels = passes.labels.clone()
    # What is not read may be anything.
    passes._values.fill_(float("nan"))
    for step in range(2, 6):
        passes.assign(step)
        passes.move(step)
    passes.assign(6)
    assert torch.equal(passes.labels[0], labels[0]) and not torch.equal(passes.labels[1], labels[1])
    assert passes.sums[0].isfinite().all() and passes.sums[1].isnan().any()


def test_torchs_own_check_of_an_operation() -> None:
    features, _ = random_case(0, 3, 1, 8, 4, 4)
    arguments = (features.to(memory_format=LAST), mask_of(1, 4, 4), drawn(1, 3), 1)
    torch.library.opcheck(torch.ops.selfcontrast.cluster, arguments)


def test_a_compiled_graph_holds_it_as_one_operation(no_shape_checks: ModuleType, fresh_compiler: None) -> None:
    features, found = drawn(2, 8, 5, 5), list[str]()

    def backend(graph: Any, inputs: Any) -> Any:
        found.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    def cluster(features: Tensor) -> Tensor:
        return no_shape_checks.cosine_kmeans(features, 3, iterations=3, engine="triton")

    compiled = torch.compile(cluster, fullgraph=True, backend=backend)
    torch.manual_seed(0)
    labels = compiled(features)
    torch.manual_seed(0)
    assert torch.equal(labels, cluster(features))
    assert len([name for name in found if "selfcontrast" in name]) == 1


def test_the_task_runs_on_it() -> None:
    features, _ = random_case(0, 3, 2, 16, 8, 8)
    mask = torch.zeros(2, 16, 16, dtype=torch.long, device=DEVICE)
    mask[:, 5:12, 5:12] = 1
    mask[:, 14:] = 255
    regions = []
    for engine in ("torch", "triton"):
        torch.manual_seed(0)
        regions.append(SelfContrastiveAuxiliary(engine=engine, iterations=3).prepare(features, features, mask).regions)
    assert torch.equal(*regions)


def test_kernels_serve_on_a_gpu_and_in_the_interpreter_only_when_they_are_asked_for() -> None:
    features, _ = random_case(0, 3, 1, 8, 4, 4)
    assert _chosen("triton", features, 3) == "triton"
    assert _chosen("auto", features, 3) == ("torch" if DEVICE == "cpu" else "triton")
