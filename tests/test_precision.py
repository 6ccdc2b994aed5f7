import pytest
import torch
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans, expand_prototypes, masked_average_pool
from selfcontrast.precision import at_least_float32, autocast_off

HALVES = [torch.float16, torch.bfloat16]


def linear(features: Tensor, prototype_map: Tensor) -> Tensor:
    return (features - prototype_map)[:, :2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(half, torch.float32) for half in HALVES] + [(wide, wide) for wide in (torch.float32, torch.float64)],
)
def test_at_least_float32(given: torch.dtype, expected: torch.dtype) -> None:
    assert at_least_float32(torch.ones(1, dtype=given)).dtype == expected


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_autocast_off_keeps_float32(device: str) -> None:
    ones = torch.ones(2, 2, device=device)
    with torch.autocast("cpu", torch.bfloat16), autocast_off(ones.device):
        assert (ones @ ones).dtype == torch.float32


def test_pooling_is_exact_where_half_precision_would_overflow() -> None:
    features = torch.full((1, 2, 60, 60), 60000.0, dtype=torch.float16)
    assert features.flatten(2).sum(2).isinf().all()
    pooled = masked_average_pool(features, torch.ones(1, 1, 60, 60, dtype=torch.bool))
    assert pooled.dtype == torch.float32
    assert pooled.eq(60000).all()


@pytest.mark.parametrize("dtype", HALVES)
def test_half_pooling_is_that_of_the_same_values_in_float32(dtype: torch.dtype) -> None:
    features, masks = torch.randn(2, 5, 60, 60).to(dtype), torch.rand(2, 3, 60, 60) > 0.5
    assert torch.equal(masked_average_pool(features, masks), masked_average_pool(features.float(), masks))


@pytest.mark.parametrize("dtype", HALVES)
def test_half_clustering_is_that_of_the_same_values_in_float32(dtype: torch.dtype) -> None:
    # The squared norms, up to 16 * 60000², lie far above half's largest number.
    features = (torch.rand(2, 16, 12, 12) * 60000).to(dtype)
    init = torch.rand(2, 3, 16)
    assert torch.equal(cosine_kmeans(features, 3, init=init), cosine_kmeans(features.float(), 3, init=init))


def test_autocast_changes_neither_labels_nor_prototypes() -> None:
    features, init = torch.randn(2, 16, 20, 20), torch.randn(2, 3, 16)
    masks = torch.rand(2, 3, 20, 20) > 0.5
    labels, prototypes = cosine_kmeans(features, 3, init=init), masked_average_pool(features, masks)
    expanded = expand_prototypes(prototypes, masks, labels, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(cosine_kmeans(features, 3, init=init), labels)
        assert torch.equal(masked_average_pool(features, masks), prototypes)
        again = expand_prototypes(prototypes, masks, labels, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again, expanded)


def test_the_hosts_comparison_stays_under_autocast() -> None:
    seen: list[torch.dtype] = []

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        seen.append((features.mT @ prototype_map).dtype)
        return linear(features, prototype_map)

    features, mask = torch.randn(1, 4, 6, 6), torch.zeros(1, 6, 6, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16):
        SelfContrastiveAuxiliary()(torch.tensor(0.5), features, features, mask, compare)
    assert seen == [torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
def test_the_whole_task_on_half_features(dtype: torch.dtype) -> None:
    features = torch.randn(2, 4, 8, 8).to(dtype).requires_grad_()
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:9] = 1
    auxiliary = SelfContrastiveAuxiliary()
    contrast = auxiliary.contrast(features, features, mask, linear)
    assert contrast.prototypes.dtype == torch.float32
    # The comparison's weights are in the dtype of the features it knows.
    assert contrast.prototype_map.dtype == dtype
    loss = auxiliary(torch.tensor(0.5), features, features, mask, linear)
    loss.backward()
    assert loss.dtype == torch.float32
    assert features.grad is not None and features.grad.isfinite().all() and features.grad.ne(0).any()


@pytest.mark.parametrize("dtype", HALVES)
def test_the_criterion_gets_float32(dtype: torch.dtype) -> None:
    features, mask = torch.randn(1, 4, 6, 6).to(dtype), torch.zeros(1, 6, 6, dtype=torch.long)

    def criterion(logits: Tensor, target: Tensor) -> Tensor:
        assert logits.dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")
        return logits.mean()

    with torch.autocast("cpu", torch.bfloat16):
        SelfContrastiveAuxiliary()(torch.tensor(0.5), features, features, mask, linear, criterion)


def test_float64_is_not_narrowed_before_the_comparison() -> None:
    features, mask = torch.randn(1, 4, 6, 6, dtype=torch.float64), torch.zeros(1, 6, 6, dtype=torch.long)
    contrast = SelfContrastiveAuxiliary().contrast(features, features, mask, linear)
    assert contrast.prototypes.dtype == contrast.prototype_map.dtype == torch.float64


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_half_precision_costs_the_loss_and_its_gradient_a_few_roundings(dtype: torch.dtype, seed: int) -> None:
    """The map is rounded once and the host's difference once; cross-entropy passes on no more than both."""
    torch.manual_seed(seed)
    features, high_level = (torch.randn(2, 4, 8, 8).to(dtype) for _ in range(2))
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:9] = 1
    found = []
    for wide in (dtype, torch.float64):
        given = features.to(wide, copy=True).requires_grad_()
        task = SelfContrastiveAuxiliary(weight=1.0, generator=torch.Generator().manual_seed(seed))
        loss = task(torch.tensor(0.0), given, high_level, mask, linear)
        loss.backward()
        assert given.grad is not None
        found.append((loss.detach().double(), given.grad.double()))
    (loss, gradient), (exact, exact_gradient) = found
    largest = torch.finfo(dtype).eps * features.abs().max().double()
    assert (loss - exact).abs() <= 3 * largest
    assert (gradient - exact_gradient).abs().max() <= 3 * largest * exact_gradient.abs().max()
