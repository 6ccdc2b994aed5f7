"""Where gradients flow, and that the task is one graph in which the host is never asked for a value."""

from types import ModuleType
from typing import Any

import pytest
import torch
from common.operation_recorder import Recorder
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from selfcontrast import SelfContrastiveAuxiliary

MAIN = torch.tensor(0.7)


def linear(features: Tensor, prototype_map: Tensor) -> Tensor:
    return torch.stack([(features * prototype_map).sum(1), (features - prototype_map).square().sum(1)], 1)


def episodes(size: int = 8, high: int = 8, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:11] = 1
    mask[:, 14:] = 255
    return torch.randn(2, 3, size, size, **options), torch.randn(2, 6, high, high, **options), mask


def test_the_gradient_reaches_the_features_through_the_prototypes() -> None:
    features, high_level, mask = episodes()
    features.requires_grad_()

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return linear(features.detach(), prototype_map)

    contrast = SelfContrastiveAuxiliary().contrast(features, high_level, mask, compare)
    logits = contrast.logits
    assert isinstance(logits, Tensor)
    logits.sum().backward()
    assert features.grad is not None
    # Every pixel that was pooled has its share, and no other has any.
    pooled = contrast.regions.any(1)
    assert torch.equal(features.grad.abs().sum(1) > 0, pooled)


def test_no_gradient_reaches_the_high_level_features() -> None:
    features, high_level, mask = episodes()
    features.requires_grad_()
    high_level.requires_grad_()
    SelfContrastiveAuxiliary()(MAIN, features, high_level, mask, linear).backward()
    assert features.grad is not None and features.grad.ne(0).any()
    assert high_level.grad is None


def test_the_gradient_reaches_the_comparison_and_the_support() -> None:
    features, high_level, mask = episodes()
    support = torch.randn(2, 3, 8, 8, requires_grad=True)
    comparison = nn.Conv2d(6, 2, 1)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return comparison(torch.cat([features, prototype_map], 1))

    auxiliary = SelfContrastiveAuxiliary(num_prototypes=1)
    auxiliary(MAIN, features, high_level, mask, compare, support=(support, mask)).backward()
    assert comparison.weight.grad is not None and comparison.weight.grad.ne(0).any()
    assert support.grad is not None and support.grad.ne(0).any()


@pytest.mark.parametrize("partition", ["kmeans", "pyramid"])
def test_the_whole_task_has_the_right_gradient(partition: str) -> None:
    features, high_level, mask = episodes(size=3, high=3, dtype=torch.float64)
    auxiliary = SelfContrastiveAuxiliary(num_prototypes=4, partition=partition)

    def logits(features: Tensor) -> Tensor:
        torch.manual_seed(0)
        found = auxiliary.contrast(features, high_level, mask, linear).logits
        assert isinstance(found, Tensor)
        return found

    assert torch.autograd.gradcheck(logits, features.requires_grad_())


def test_the_loss_has_the_right_gradient() -> None:
    features, high_level, mask = episodes(size=3, high=3, dtype=torch.float64)
    auxiliary = SelfContrastiveAuxiliary()

    def loss(features: Tensor) -> Tensor:
        torch.manual_seed(0)
        return auxiliary(MAIN.double(), features, high_level, mask, linear)

    # The loss is made in float32, so the steps have to be wider and the match is looser.
    assert torch.autograd.gradcheck(loss, features.requires_grad_(), eps=1e-2, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("seeding", ["init", "k-means++", "farthest-first"])
def test_clustering_is_one_graph(no_shape_checks: ModuleType, fresh_compiler: None, seeding: str) -> None:
    features, init = torch.randn(2, 8, 7, 7), torch.randn(2, 3, 8)
    valid = torch.rand(2, 7, 7) > 0.2

    def cluster(features: Tensor) -> Tensor:
        if seeding == "init":
            return no_shape_checks.cosine_kmeans(features, 3, iterations=3, init=init, valid=valid)
        return no_shape_checks.cosine_kmeans(features, 3, iterations=3, seeding=seeding, valid=valid)

    compiled = torch.compile(cluster, fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    found = compiled(features)
    torch.manual_seed(0)
    assert torch.equal(found, cluster(features))


# Each iteration is traced again, so as few as do.
FEW = {"iterations": 2}


@pytest.mark.parametrize(
    "options", [FEW, {"num_prototypes": 4, "partition": "pyramid"}, {"seeding": "k-means++"} | FEW]
)
def test_the_whole_task_is_one_graph(
    no_shape_checks: ModuleType, fresh_compiler: None, options: dict[str, Any]
) -> None:
    features, high_level, mask = episodes()
    auxiliary = no_shape_checks.SelfContrastiveAuxiliary(**options)
    comparison = nn.Conv2d(6, 2, 1)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return comparison(torch.cat([features, prototype_map], 1))

    def step(features: Tensor, high_level: Tensor, mask: Tensor) -> Tensor:
        return auxiliary(MAIN, features, high_level, mask, compare)

    results = []
    for run in (step, torch.compile(step, fullgraph=True, backend="aot_eager")):
        leaf = features.clone().requires_grad_()
        torch.manual_seed(0)
        loss = run(leaf, high_level, mask)
        loss.backward()
        results.append((loss, leaf.grad))
    torch.testing.assert_close(results[1], results[0])


def test_a_compiled_step_can_be_told_of_and_its_weight_can_change(
    no_shape_checks: ModuleType, fresh_compiler: None
) -> None:
    features, high_level, mask = episodes()
    auxiliary, graphs = no_shape_checks.SelfContrastiveAuxiliary(**FEW), []

    def count(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    def step(features: Tensor) -> Tensor:
        return auxiliary(MAIN, features, high_level, mask, linear)

    compiled = torch.compile(step, fullgraph=True, backend=count)
    for weight in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
        auxiliary.weight = weight
        logs = []
        for run in (step, compiled):
            torch.manual_seed(0)
            loss = run(features)
            assert loss.item() == pytest.approx(auxiliary.log()["blended_loss"], rel=1e-5)
            logs.append(auxiliary.log())
        assert logs[1] == pytest.approx(logs[0], rel=1e-5)
        assert 0 < logs[0]["agreement"] < 1
    # The second graph holds λ as an input; a third would mean one for every step.
    assert len(graphs) <= 2


TASKS = [{}, {"num_prototypes": 1}, {"seeding": "k-means++"}, {"seeding": "farthest-first"}]
TASKS += [{"num_prototypes": 4, "partition": "pyramid"}, {"num_prototypes": 6}]


@pytest.mark.parametrize("place", ["accelerator", "cpu"])
@pytest.mark.parametrize("options", TASKS)
def test_the_host_reads_no_value(request: pytest.FixtureRequest, place: str, options: dict[str, Any]) -> None:
    if place == "accelerator":
        request.getfixturevalue("values_cost")
    features, high_level, mask = episodes(high=5)
    features.requires_grad_()
    with Recorder() as recorder:
        SelfContrastiveAuxiliary(**options)(MAIN, features, high_level, mask, linear).backward()
    assert recorder.operations.total() > 50
    assert recorder.reads == []


def test_the_recorder_sees_a_read() -> None:
    values = torch.rand(3)
    with Recorder() as recorder:
        bool(values.sum() > 0)
        values[values > 0.5]
        values.nonzero()
    assert recorder.reads == ["_local_scalar_dense", "index", "nonzero"]


@pytest.mark.parametrize("options", TASKS)
def test_the_task_runs_where_there_are_no_values(values_cost: None, options: dict[str, Any]) -> None:
    with FakeTensorMode():
        features, high_level, mask = episodes(high=5)
        features.requires_grad_()
        loss = SelfContrastiveAuxiliary(**options)(torch.tensor(0.7), features, high_level, mask, linear)
        loss.backward()
        assert loss.shape == () and features.grad is not None
