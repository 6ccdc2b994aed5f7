import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import reference
import torch
from torch import Tensor

from selfcontrast import InputError, SelfContrastiveAuxiliary, cosine_kmeans


def scene(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(shape[0], shape[1], 3, 3, generator=generator)
    noise = torch.randn(shape, generator=generator)
    features = torch.nn.functional.interpolate(coarse, shape[2:], mode="bilinear") + 0.2 * noise
    return features, torch.randn(shape[0], 3, shape[1], generator=generator)


@pytest.mark.parametrize("iterations", [0, 1, 10])
@pytest.mark.parametrize("masked", [False, True])
def test_the_same_centres_give_the_same_labels(iterations: int, masked: bool) -> None:
    features, init = scene(3, 32, 20, 20)
    valid = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(1)) > 0.3 if masked else None
    ours, theirs = (
        cosine_kmeans(features, 3, iterations=iterations, init=init, valid=valid, engine=engine)
        for engine in ("torch", "faiss")
    )
    assert torch.equal(ours, theirs)


def test_the_same_seed_gives_the_same_labels() -> None:
    features, _ = scene(2, 32, 20, 20)
    ours, theirs = (
        cosine_kmeans(features, 3, engine=engine, generator=torch.Generator().manual_seed(3))
        for engine in ("torch", "faiss")
    )
    assert torch.equal(ours, theirs)


def test_more_points_than_faiss_draws_by_default_all_count() -> None:
    # 256 points a centre are its default; this map has five times as many.
    features, init = scene(1, 8, 64, 64)
    found = cosine_kmeans(features, 3, iterations=5, init=init, engine="faiss")
    expected = reference.kmeans(features[0].double().numpy(), init[0].double().numpy(), 5)
    assert np.mean(found[0].numpy() == expected) > 0.9995


def test_fewer_pixels_than_clusters_are_a_cluster_each() -> None:
    features, _ = scene(1, 8, 4, 4)
    valid = torch.zeros(1, 4, 4, dtype=torch.bool)
    valid[0, 0, :2] = True
    labels = cosine_kmeans(features, 3, valid=valid, engine="faiss")
    assert labels[0, 0, 0] != labels[0, 0, 1]
    assert labels.min() >= 0 and labels.max() < 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    features, init = scene(1, 32, 20, 20)
    found = cosine_kmeans(features.to(dtype), 3, init=init, engine="faiss")
    assert torch.equal(found, cosine_kmeans(features.to(dtype), 3, init=init))


def test_a_missing_faiss_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[faiss\]'"):
        cosine_kmeans(torch.rand(1, 4, 5, 5), 2, engine="faiss")


def test_an_unknown_engine_is_refused(no_shape_checks: ModuleType) -> None:
    message = "engine: expected one of auto, torch, triton, faiss, got 'cuml'"
    with pytest.raises(no_shape_checks.InputError, match=message):
        no_shape_checks.cosine_kmeans(torch.rand(1, 4, 5, 5), 2, engine="cuml")
    with pytest.raises(no_shape_checks.InputError, match=message):
        no_shape_checks.SelfContrastiveAuxiliary(engine="cuml")


def test_a_compiled_graph_cannot_hold_it(no_shape_checks: Any, fresh_compiler: None) -> None:
    compiled = torch.compile(
        lambda x: no_shape_checks.cosine_kmeans(x, 2, engine="faiss"), fullgraph=True, backend="eager"
    )
    with pytest.raises(Exception, match="compiled graph"):
        compiled(torch.rand(1, 4, 5, 5))


def test_the_task_runs_on_it() -> None:
    features, _ = scene(2, 16, 12, 12)
    mask = torch.zeros(2, 24, 24, dtype=torch.long)
    mask[:, 5:12, 5:12] = 1
    regions = []
    for engine in ("torch", "faiss"):
        torch.manual_seed(0)
        regions.append(SelfContrastiveAuxiliary(engine=engine).prepare(features, features, mask).regions)
    assert torch.equal(*regions)
