"""The blend of Eq. 9, what the comparison and the criterion are given, and every option of the auxiliary."""

import ast
import inspect

import numpy as np
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans
from selfcontrast import auxiliary as auxiliary_module
from selfcontrast.prototypes import foreground_cells, labelled_cells, resize_nearest

MAIN = torch.tensor(0.7)


def linear(features: Tensor, prototype_map: Tensor, *extras: Tensor) -> Tensor:
    return torch.stack([(features * prototype_map).sum(1), (features - prototype_map).square().sum(1)], 1)


def episodes(seed: int = 0, batch: int = 3, size: int = 8, high: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Features, high-level features, and masks with all three values in each image."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, 4, size, size, generator=generator)
    high_level = torch.randn(batch, 6, high, high, generator=generator)
    mask = torch.zeros(batch, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:11] = 1
    mask[:, 13:, :3] = 255
    return features, high_level, mask


@pytest.mark.parametrize("high", [5, 8, 13])
@pytest.mark.parametrize("partition", ["kmeans", "pyramid"])
def test_the_whole_task_agrees_with_the_loops(partition: str, high: int) -> None:
    features, high_level, mask = episodes(high=high)
    auxiliary = SelfContrastiveAuxiliary(num_prototypes=4, weight=0.3, partition=partition)
    torch.manual_seed(1)
    contrast = auxiliary.contrast(features, high_level, mask, linear)
    torch.manual_seed(1)
    loss = auxiliary(MAIN, features, high_level, mask, linear)
    torch.manual_seed(1)
    grid = cosine_kmeans(high_level, 4, valid=labelled_cells(mask, (high, high)))
    logits, targets = [], []
    for b in range(3):
        image, truth = features[b].double().numpy(), mask[b].numpy()
        regions_of = grid[b].numpy() if partition == "kmeans" else reference.pyramid(high, high, 2)
        labels = reference.resize(regions_of, 8, 8)
        regions = reference.remove_foreground(labels, truth, 4)
        foreground = reference.resize(truth, 8, 8) == 1
        prototypes = reference.pool(image, regions)
        negative = contrast.prototype_map[b].numpy()[:, foreground][:, 0]
        drawn = int(np.abs(prototypes - negative).sum(1).argmin())
        expected = reference.expand(prototypes, regions, labels, foreground, drawn)
        assert contrast.regions[b].tolist() == regions.tolist()
        np.testing.assert_allclose(contrast.prototypes[b].numpy(), prototypes, atol=1e-5)
        np.testing.assert_allclose(contrast.prototype_map[b].numpy(), expected, atol=1e-5)
        scores = np.stack([(image * expected).sum(0), ((image - expected) ** 2).sum(0)])
        logits.append(reference.bilinear(scores, 16, 16))
        targets.append(reference.complement(truth))
        assert contrast.target[b].tolist() == targets[b].tolist()
    expected_loss = reference.blend(0.7, reference.cross_entropy(logits, targets), 0.3)
    np.testing.assert_allclose(loss.item(), expected_loss, rtol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (5, 11), (16, 16), (40, 24)])
def test_logits_of_any_size_are_resized_with_aligned_corners(size: tuple[int, int]) -> None:
    features, high_level, mask = episodes(batch=1)
    logits = torch.randn(1, 2, *size)
    loss = SelfContrastiveAuxiliary(weight=1.0)(MAIN, features, high_level, mask, lambda *_: logits)
    resized = reference.bilinear(logits[0].double().numpy(), 16, 16)
    expected = reference.cross_entropy([resized], [reference.complement(mask[0].numpy())])
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weight", [0, 0.0, 0.5])
def test_inference_and_no_weight_give_back_the_very_tensor(weight: float, training: bool) -> None:
    def never(features: Tensor, prototype_map: Tensor) -> Tensor:
        raise AssertionError

    features, high_level, mask = episodes()
    auxiliary = SelfContrastiveAuxiliary(weight=weight).train(training)
    if weight == 0 or not training:
        assert auxiliary(MAIN, features, high_level, mask, never) is MAIN
    else:
        assert auxiliary(MAIN, features, high_level, mask, linear) is not MAIN


def test_a_call_has_the_types_of_the_forward() -> None:
    """Checkers read the one that torch's own stands for when it runs."""
    tree = ast.parse(inspect.getsource(auxiliary_module))
    found = {node.name: ast.unparse(node.args) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert found["__call__"] == found["forward"]
    assert SelfContrastiveAuxiliary.__call__ is nn.Module.__call__


def test_it_is_printed_with_the_options_that_act() -> None:
    text = repr(SelfContrastiveAuxiliary(weight=0.3, prior="keep"))
    assert text == (
        "SelfContrastiveAuxiliary(num_prototypes=3, weight=0.3, partition='kmeans', iterations=10, "
        "seeding='farthest-first', engine='auto', prior='keep', ignore_index=255)"
    )
    text = repr(SelfContrastiveAuxiliary(4, partition="pyramid"))
    assert "partition='pyramid', prior=" in text and "seeding" not in text


def test_a_weight_that_is_set_serves_the_next_step() -> None:
    auxiliary, episode = SelfContrastiveAuxiliary(num_prototypes=1), episodes()
    l2 = SelfContrastiveAuxiliary(num_prototypes=1, weight=1.0)(MAIN, *episode, linear)
    for weight in (0.25, 0.0, 0.75):
        auxiliary.weight = weight
        torch.testing.assert_close(auxiliary(MAIN, *episode, linear), (1 - weight) * MAIN + weight * l2)


def test_it_holds_nothing_that_a_checkpoint_would() -> None:
    auxiliary = SelfContrastiveAuxiliary()
    assert not auxiliary.state_dict() and not list(auxiliary.parameters()) and not list(auxiliary.buffers())


@given(weight=st.floats(0.01, 1), main=st.floats(-100, 100))
def test_the_loss_is_linear_in_the_weight(weight: float, main: float) -> None:
    features, high_level, mask = episodes(batch=1)

    def blended(weight: float) -> float:
        torch.manual_seed(0)
        return SelfContrastiveAuxiliary(weight=weight)(torch.tensor(main), features, high_level, mask, linear).item()

    alone = blended(1.0)
    expected = (1 - weight) * main + weight * alone
    assert blended(weight) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_the_main_loss_keeps_its_gradient_in_its_share() -> None:
    main = torch.tensor(0.7, requires_grad=True)
    SelfContrastiveAuxiliary(weight=0.3)(main, *episodes(), linear).backward()
    assert main.grad == pytest.approx(0.7)


@pytest.mark.parametrize(("option", "value"), [("neutral", 0.5), ("keep", 0.2), ("complement", 0.8)])
def test_the_prior_is_given_as_the_option_says(option: str, value: float) -> None:
    features, high_level, mask = episodes()
    prior, seen = torch.full((3, 1, 8, 8), 0.2), []

    def compare(features: Tensor, prototype_map: Tensor, prior: Tensor) -> Tensor:
        seen.append(prior)
        return linear(features, prototype_map)

    SelfContrastiveAuxiliary(prior=option)(MAIN, features, high_level, mask, compare, prior=prior)
    torch.testing.assert_close(seen[0], torch.full((3, 1, 8, 8), value))


def test_the_prior_is_neutral_by_default_and_absent_without_one() -> None:
    seen: list[tuple[Tensor, ...]] = []

    def compare(features: Tensor, prototype_map: Tensor, *extras: Tensor) -> Tensor:
        seen.append(extras)
        return linear(features, prototype_map)

    auxiliary = SelfContrastiveAuxiliary()
    auxiliary(MAIN, *episodes(), compare)
    auxiliary(MAIN, *episodes(), compare, prior=torch.rand(3, 1, 8, 8))
    assert seen[0] == ()
    assert seen[1][0].eq(0.5).all()


def test_the_comparison_gets_the_very_features_dropout_included() -> None:
    features, high_level, mask = episodes()
    dropped, seen = nn.functional.dropout(features, 0.5), []

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        seen.append(features)
        return linear(features, prototype_map)

    contrast = SelfContrastiveAuxiliary().contrast(dropped, high_level, mask, compare)
    assert seen[0] is dropped
    # The prototypes are pooled from them too.
    expected = reference.pool(dropped[0].double().numpy(), contrast.regions[0].numpy())
    np.testing.assert_allclose(contrast.prototypes[0].numpy(), expected, atol=1e-5)


def test_the_comparison_is_called_once_with_a_map_like_the_features() -> None:
    features, high_level, mask = episodes()
    seen: list[Tensor] = []

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        seen.append(prototype_map)
        return linear(features, prototype_map)

    SelfContrastiveAuxiliary()(MAIN, features, high_level, mask, compare)
    assert len(seen) == 1
    assert seen[0].shape == features.shape


def test_several_logits_reach_the_hosts_own_criterion() -> None:
    features, high_level, mask = episodes()
    scales = (torch.randn(3, 2, 8, 8), torch.randn(3, 2, 4, 4))
    seen: list[object] = []

    def criterion(logits: tuple[Tensor, ...], target: Tensor) -> Tensor:
        seen.extend([logits, target])
        return logits[0].mean() + logits[1].mean()

    loss = SelfContrastiveAuxiliary(weight=0.25)(MAIN, features, high_level, mask, lambda *_: scales, criterion)
    assert isinstance(seen[0], tuple) and all(torch.equal(a, b) for a, b in zip(seen[0], scales, strict=True))
    expected = torch.where(mask == 255, 255, 1 - mask)
    assert torch.equal(seen[1], expected)
    torch.testing.assert_close(loss, 0.75 * MAIN + 0.25 * (scales[0].mean() + scales[1].mean()))


@pytest.mark.parametrize("bins", [2, 3, 4, 5])
def test_the_pyramid_makes_its_cells_the_regions(bins: int) -> None:
    features, high_level, _ = episodes(size=10, high=10)
    contrast = SelfContrastiveAuxiliary(num_prototypes=bins**2, partition="pyramid").contrast(
        features, high_level, torch.zeros(3, 20, 20, dtype=torch.long), linear
    )
    labels = reference.pyramid(10, 10, bins)
    assert contrast.regions[0].tolist() == [(labels == k).tolist() for k in range(bins**2)]
    np.testing.assert_allclose(
        contrast.prototypes[0].numpy(),
        reference.pool(features[0].double().numpy(), contrast.regions[0].numpy()),
        atol=1e-5,
    )


@pytest.mark.parametrize("clusters", [1, 2, 3, 5])
def test_the_regions_make_up_the_labelled_background(clusters: int) -> None:
    features, high_level, mask = episodes()
    contrast = SelfContrastiveAuxiliary(num_prototypes=clusters).contrast(features, high_level, mask, linear)
    assert contrast.prototypes.shape == (3, clusters, 4)
    background = labelled_cells(mask, (8, 8)) & ~foreground_cells(mask, (8, 8))
    assert torch.equal(contrast.regions.sum(1), background.long())


def test_one_prototype_is_the_mean_of_the_whole_background_everywhere() -> None:
    features, high_level, mask = episodes()
    contrast = SelfContrastiveAuxiliary(num_prototypes=1).contrast(features, high_level, mask, linear)
    background = labelled_cells(mask, (8, 8)) & ~foreground_cells(mask, (8, 8))
    mean = features[0][:, background[0]].mean(1)
    torch.testing.assert_close(contrast.prototype_map[0], mean[:, None, None].expand(-1, 8, 8))


def test_the_support_may_lend_its_background() -> None:
    features, high_level, mask = episodes()
    support, support_mask = torch.randn(3, 4, 6, 12), torch.zeros(3, 18, 36, dtype=torch.long)
    support_mask[:, 3:8, 3:12] = 1
    support_mask[:, 12:] = 255
    auxiliary = SelfContrastiveAuxiliary(num_prototypes=1)
    contrast = auxiliary.contrast(features, high_level, mask, linear, support=(support, support_mask))
    regions = reference.remove_foreground(np.zeros((6, 12), dtype=int), support_mask[0].numpy(), 1)
    expected = reference.pool(support[0].double().numpy(), regions)
    np.testing.assert_allclose(contrast.prototypes[0].numpy(), expected, atol=1e-5)
    torch.testing.assert_close(contrast.prototype_map, contrast.prototypes[:, 0, :, None, None].expand(-1, -1, 8, 8))
    assert torch.equal(contrast.target, torch.where(mask == 255, 255, 1 - mask))


@pytest.mark.parametrize(
    ("option", "value"), [("num_prototypes", 3), ("weight", 0.5), ("iterations", 10), ("ignore_index", 255)]
)
def test_the_papers_values_are_the_defaults(option: str, value: float) -> None:
    assert getattr(SelfContrastiveAuxiliary(), option) == value


@pytest.mark.parametrize("option", [{"iterations": 0}, {"seeding": "k-means++"}, {"seeding": "random"}])
def test_options_of_the_clustering_reach_it(option: dict[str, object]) -> None:
    features, high_level, mask = episodes(size=12, high=12)
    auxiliary = SelfContrastiveAuxiliary(num_prototypes=4, generator=torch.Generator().manual_seed(0), **option)
    regions = auxiliary.contrast(features, high_level, mask, linear).regions
    valid, generator = labelled_cells(mask, (12, 12)), torch.Generator().manual_seed(0)
    labels = cosine_kmeans(high_level, 4, valid=valid, generator=generator, **option)
    assert torch.equal(torch.where(regions.any(1), labels, 0), regions.byte().argmax(1))
    plain = SelfContrastiveAuxiliary(num_prototypes=4, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(plain.contrast(features, high_level, mask, linear).regions, regions)


def test_regions_found_on_another_grid_are_resized_to_the_features() -> None:
    features, high_level, mask = episodes(size=12, high=4)
    auxiliary = SelfContrastiveAuxiliary(generator=torch.Generator().manual_seed(0))
    regions = auxiliary.contrast(features, high_level, mask, linear).regions
    valid, generator = labelled_cells(mask, (4, 4)), torch.Generator().manual_seed(0)
    labels = resize_nearest(cosine_kmeans(high_level, 3, valid=valid, generator=generator), (12, 12))
    assert torch.equal(torch.where(regions.any(1), labels, 0), regions.byte().argmax(1))
