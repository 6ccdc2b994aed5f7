import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear as linear_layer
from torch.nn.functional import normalize

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans, expand_prototypes, masked_average_pool
from selfcontrast.loss import contrast_loss, cross_entropy
from selfcontrast.precision import at_least_float32, autocast_off

HALVES = [torch.float16, torch.bfloat16]
SINGLE = torch.finfo(torch.float32).eps
# From and below: channels, height, width, regions.
SIDES = ((1, 65), (1, 61), (1, 61), (1, 6))


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


def features_and_regions(seed: int) -> tuple[Tensor, Tensor]:
    """Features (1, C, h, w) of random shape and disjoint regions (1, K, h, w) on them."""
    torch.manual_seed(seed)
    channels, height, width, regions = (int(torch.randint(low, high, ())) for low, high in SIDES)
    held = torch.randint(regions, (1, height, width))
    return torch.randn(1, channels, height, width), held[:, None] == torch.arange(regions)[:, None, None]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_pooling_in_half_is_that_of_float64_but_for_sums_in_float32_and_its_gradient_is_rounded_once(
    dtype: torch.dtype, seed: int
) -> None:
    features, regions = features_and_regions(seed)
    found = []
    for wide in (dtype, torch.float64):
        given = features.to(dtype).to(wide).requires_grad_()
        prototypes = masked_average_pool(given, regions)
        torch.manual_seed(seed)
        (prototypes * torch.randn(prototypes.shape, dtype=torch.float64).to(prototypes.dtype)).sum().backward()
        assert given.grad is not None and given.grad.dtype == wide
        found.append((prototypes.detach().double(), given.grad.double()))
    (prototypes, gradient), (exact, exact_gradient) = found
    # The roundings of a sum of n terms go up and down: they come to the square root of n of them, here of a mean.
    sizes = masked_average_pool(features.to(dtype).double().abs(), regions)
    additions = regions.flatten(2).sum(2, keepdim=True) + 2
    assert ((prototypes - exact).abs() <= additions.sqrt() * SINGLE * sizes).all()
    # Below its smallest normal number a half has only that number's last place.
    half = torch.finfo(dtype)
    assert ((gradient - exact_gradient).abs() <= half.eps * exact_gradient.abs() + half.tiny * half.eps).all()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_the_map_in_half_is_the_prototypes_rounded_once(dtype: torch.dtype, seed: int) -> None:
    features, _ = features_and_regions(seed)
    mask = torch.randint(2, (1, *features.shape[2:]))
    maps = []
    for wide in (dtype, torch.float64):
        task = SelfContrastiveAuxiliary(1, generator=torch.Generator().manual_seed(seed))
        given = features.to(dtype).to(wide)
        maps.append(task.prepare(given, features, mask).prototype_map.double())
    half, exact = maps
    additions = (features.shape[2] * features.shape[3] + 2) * SINGLE * features.abs().max()
    assert ((half - exact).abs() <= torch.finfo(dtype).eps / 2 * exact.abs() + additions).all()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_each_pixel_in_half_gets_a_centre_as_near_as_the_nearest_in_float64(dtype: torch.dtype, seed: int) -> None:
    features, regions = features_and_regions(seed)
    init = torch.randn(1, min(regions.shape[1], features[0, 0].numel()), features.shape[1])
    features = features.to(dtype)
    labels = cosine_kmeans(features, init.shape[1], init=init, iterations=0)
    pixels = normalize(features.double().flatten(2), dim=1)
    cosines = normalize(init.double(), dim=2) @ pixels
    chosen, best = cosines.gather(1, labels.flatten(1)[:, None])[:, 0], cosines.max(1).values
    # Two products of C terms are compared, each of a centre that was normalised in float32. Lengths are 1 at most.
    near = chosen >= best - 2 * (features.shape[1] + 4) * SINGLE
    # Clusters that would be empty take a pixel each that lies elsewhere.
    empty = init.shape[1] - cosines.argmax(1).unique().numel()
    assert (~near).sum() <= empty


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_half_logits_is_made_in_float32_and_its_gradient_rounded_once(
    dtype: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    logits = torch.randn(2, 2, 7, 5) * 4
    target = torch.tensor([0, 1, 255])[torch.randint(3, (2, 13, 9))]
    found = []
    for wide in (dtype, torch.float64):
        given = logits.to(dtype).to(wide).requires_grad_()
        loss = contrast_loss(given, target, cross_entropy)
        loss.backward()
        assert given.grad is not None
        found.append((loss.detach().double(), given.grad.double()))
    (loss, gradient), (exact, exact_gradient) = found
    largest = logits.abs().max()
    # Four corners, their weights, a softmax and a mean.
    assert (loss - exact).abs() <= 16 * SINGLE * largest
    half = torch.finfo(dtype)
    # Gradients of neighbouring pixels are added before the rounding, so some cancel.
    added = 16 * SINGLE * largest * exact_gradient.abs().max()
    assert ((gradient - exact_gradient).abs() <= half.eps * exact_gradient.abs() + half.tiny * half.eps + added).all()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("seed", range(5))
def test_the_whole_task_under_autocast_loses_what_the_hosts_comparison_loses(dtype: torch.dtype, seed: int) -> None:
    torch.manual_seed(seed)
    features, high_level, weight = torch.randn(2, 8, 9, 7), torch.randn(2, 8, 5, 4), torch.randn(2, 16) / 4
    mask = torch.tensor([0, 1, 255])[torch.randint(3, (2, 9, 7))]
    found = []
    for autocast, wide in ((True, torch.float32), (False, torch.float64)):
        head = weight.to(wide, copy=True).requires_grad_()

        def compare(features: Tensor, prototype_map: Tensor, head: Tensor = head) -> Tensor:
            return linear_layer(torch.cat([features, prototype_map], 1).movedim(1, 3), head).movedim(3, 1)

        task = SelfContrastiveAuxiliary(weight=1.0, generator=torch.Generator().manual_seed(seed))
        with torch.autocast("cpu", dtype, enabled=autocast):
            contrast = task.contrast(features.to(wide), high_level, mask, compare)
            loss = task.blend(torch.zeros((), dtype=wide), contrast)
        loss.backward()
        found.append((loss.detach().double(), head.grad, contrast.detach()))
    (loss, gradient, contrast), (_, exact_gradient, exact) = found
    assert contrast.logits.dtype == dtype and gradient.dtype == torch.float32
    # The map is made without autocast.
    torch.testing.assert_close(contrast.prototype_map.double(), exact.prototype_map, rtol=1e-5, atol=1e-6)
    # Of each term both factors are rounded, then their sum: three times half an eps.
    given = torch.cat([features.double(), exact.prototype_map], 1).abs()
    lost = 1.5 * torch.finfo(dtype).eps * torch.einsum("bchw,kc->bkhw", given, weight.double().abs())
    assert ((contrast.logits.double() - exact.logits).abs() <= lost).all()
    # And so is the loss.
    of_these = cross_entropy(contrast.logits.double(), contrast.target)
    assert (loss - of_these).abs() <= 16 * SINGLE * contrast.logits.abs().max()
    # A probability moves by a quarter of what its two logits lose; it and what it is multiplied with are rounded.
    judged = (contrast.target != 255).double()
    moves = judged / judged.sum() * (lost.sum(1) / 4 + torch.finfo(dtype).eps)
    assert ((gradient - exact_gradient).abs() <= torch.einsum("bhw,bchw->c", moves, given)).all()
