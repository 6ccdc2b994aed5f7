"""Unlabelled pixels, images that lack something, batch independence and repeatability of the whole task."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.prototypes import resize_nearest

MAIN = torch.tensor(0.7)
# The values of a mask, row by row of three pixels, that each kind of image repeats.
KINDS = {"background": 0, "foreground": 1, "unlabelled": 255}


def linear(features: Tensor, prototype_map: Tensor) -> Tensor:
    return torch.stack([(features * prototype_map).sum(1), (features - prototype_map).square().sum(1)], 1)


def episodes(batch: int = 2, size: int = 8, high: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.zeros(batch, 16, 16, dtype=torch.long)
    mask[:, 4:9, 4:11] = 1
    return torch.randn(batch, 4, size, size), torch.randn(batch, 6, high, high), mask


def seeded_loss(auxiliary: SelfContrastiveAuxiliary, features: Tensor, high_level: Tensor, mask: Tensor) -> Tensor:
    torch.manual_seed(3)
    return auxiliary(MAIN, features, high_level, mask, linear)


@pytest.mark.parametrize(("size", "high"), [(8, 8), (8, 4), (4, 8), (16, 16)])
@pytest.mark.parametrize("ignore_index", [255, -1])
def test_features_under_unlabelled_pixels_change_no_prototype_and_no_loss(
    size: int, high: int, ignore_index: int
) -> None:
    features, high_level, mask = episodes(size=size, high=high)
    mask[:, 12:] = ignore_index
    auxiliary = SelfContrastiveAuxiliary(weight=1.0, ignore_index=ignore_index)
    other, other_high = features.clone(), high_level.clone()
    other[:, :, size * 3 // 4 :] = 1000
    other_high[:, :, high * 3 // 4 :] = -1000

    # Whole cells lie under the unlabelled rows, and no interpolation carries their logits over the border.
    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return interpolate(linear(features, prototype_map), (16, 16), mode="nearest")

    results = []
    for x, y in ((features, high_level), (other, other_high)):
        torch.manual_seed(3)
        contrast = auxiliary.contrast(x, y, mask, compare)
        torch.manual_seed(3)
        results.append((contrast.prototypes, contrast.regions, auxiliary(MAIN, x, y, mask, compare)))
    (prototypes, regions, loss), (others, other_regions, other_loss) = results
    assert torch.equal(prototypes, others) and torch.equal(regions, other_regions)
    assert torch.equal(loss, other_loss)


def test_unlabelled_pixels_are_in_no_target_and_their_logits_in_no_loss() -> None:
    features, high_level, mask = episodes()
    mask[:, 12:] = 255
    logits = torch.randn(2, 2, 16, 16, requires_grad=True)
    auxiliary = SelfContrastiveAuxiliary(weight=1.0)
    contrast = auxiliary.contrast(features, high_level, mask, lambda *_: logits)
    assert torch.equal(contrast.target, torch.where(mask == 255, 255, 1 - mask))
    loss = auxiliary(MAIN, features, high_level, mask, lambda *_: logits)
    loss.backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad.abs().sum(1) > 0, mask != 255)
    changed = torch.where((mask == 255)[:, None], logits.detach() * 50, logits.detach())
    assert torch.equal(loss, auxiliary(MAIN, features, high_level, mask, lambda *_: changed))


def test_the_mean_is_over_the_labelled_pixels_of_the_whole_batch() -> None:
    features, high_level, mask = episodes()
    mask[0, 10:] = 255
    logits = torch.randn(2, 2, 16, 16)
    loss = SelfContrastiveAuxiliary(weight=1.0)(MAIN, features, high_level, mask, lambda *_: logits)
    expected = cross_entropy(logits, (1 - mask).clamp(min=0), reduction="none")[mask != 255].mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("kind", ["foreground", "unlabelled", "both"])
@pytest.mark.parametrize("clusters", [1, 3])
def test_a_batch_without_background_contributes_nothing_to_a_live_graph(kind: str, clusters: int) -> None:
    features, high_level, mask = episodes(batch=1)
    mask[:] = KINDS.get(kind, 1)
    if kind == "both":
        mask[:, :8] = 255
    features.requires_grad_()
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return logits + linear(features, prototype_map)

    main = torch.tensor(0.7, requires_grad=True)
    loss = SelfContrastiveAuxiliary(clusters, 0.4)(main, features, high_level, mask, compare)
    loss.backward()
    torch.testing.assert_close(loss, 0.6 * main)
    assert main.grad == pytest.approx(0.6)
    for leaf in (logits, features):
        assert leaf.grad is not None and leaf.grad.eq(0).all()


@pytest.mark.parametrize("kind", ["foreground", "unlabelled"])
def test_an_image_without_background_leaves_the_loss_to_the_others(kind: str) -> None:
    features, high_level, mask = episodes(batch=3)
    mask[2] = KINDS[kind]
    features.requires_grad_()
    auxiliary = SelfContrastiveAuxiliary(weight=1.0)
    contrast = auxiliary.contrast(features, high_level, mask, linear)
    assert contrast.target[2].eq(255).all() and contrast.prototype_map[2].eq(0).all()
    # The draws of an image depend on its place, so the last one may be left out.
    torch.testing.assert_close(
        seeded_loss(SelfContrastiveAuxiliary(1, 1.0), features, high_level, mask),
        seeded_loss(SelfContrastiveAuxiliary(1, 1.0), features[:2], high_level[:2], mask[:2]),
    )
    seeded_loss(auxiliary, features, high_level, mask).backward()
    assert features.grad is not None and features.grad.isfinite().all()
    assert features.grad[2].eq(0).all() and features.grad[:2].ne(0).any()


def test_background_that_no_cell_sees_contributes_nothing() -> None:
    features, high_level, mask = episodes(batch=1, size=2, high=2)
    mask[:] = 1
    # A background pixel in a corner of its cell, away from the centre.
    mask[0, 0, 0] = 0
    contrast = SelfContrastiveAuxiliary().contrast(features, high_level, mask, linear)
    assert not contrast.regions.any()
    assert contrast.target.eq(255).all()
    torch.testing.assert_close(seeded_loss(SelfContrastiveAuxiliary(), features, high_level, mask), 0.5 * MAIN)


def test_an_image_without_foreground_has_only_positive_pairs() -> None:
    features, high_level, mask = episodes()
    mask[:] = 0
    contrast = SelfContrastiveAuxiliary().contrast(features, high_level, mask, linear)
    assert contrast.target.eq(1).all()
    own = torch.einsum("bkc,bkhw->bchw", contrast.prototypes, contrast.regions.float())
    torch.testing.assert_close(contrast.prototype_map, own)
    assert contrast.regions.sum(1).eq(1).all()
    assert seeded_loss(SelfContrastiveAuxiliary(), features, high_level, mask).isfinite()


def test_a_region_all_in_the_foreground_is_never_the_negative() -> None:
    features, high_level, mask = episodes(batch=64)
    # The clusters are three stripes, and the foreground is the first of them.
    high_level = torch.eye(3)[torch.arange(8).mul(3).div(8, rounding_mode="floor")].T[None, :, :, None]
    mask = resize_nearest((high_level[:, 0] == 1).long().expand(64, 8, 8), (16, 16))
    high_level = high_level.expand(64, -1, 8, 8).contiguous()
    auxiliary = SelfContrastiveAuxiliary(seeding="farthest-first")
    for _ in range(5):
        contrast = auxiliary.contrast(features, high_level, mask, linear)
        exists = contrast.regions.flatten(2).any(2)
        assert exists.sum(1).eq(2).all()
        negatives = contrast.prototype_map[:, :, 0, 0]
        matches = (contrast.prototypes == negatives[:, None]).all(2)
        assert matches.sum(1).eq(1).all() and (exists & matches).any(1).all()
        # Both of those that exist are drawn.
        assert len(matches.int().argmax(1).unique()) >= 2


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_constant_features_have_a_finite_loss_and_gradient(value: float) -> None:
    _, _, mask = episodes()
    features = torch.full((2, 4, 8, 8), value, requires_grad=True)
    loss = SelfContrastiveAuxiliary()(MAIN, features, features.detach(), mask, linear)
    loss.backward()
    assert loss.isfinite()
    assert features.grad is not None and features.grad.isfinite().all()


def test_fewer_background_pixels_than_clusters() -> None:
    features, high_level, mask = episodes(batch=1)
    mask[:] = 255
    mask[0, :2, :4] = 0
    contrast = SelfContrastiveAuxiliary(num_prototypes=5).contrast(features, high_level, mask, linear)
    assert contrast.regions.flatten(2).sum(2).sort().values.tolist() == [[0, 0, 0, 1, 1]]
    assert contrast.prototypes.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_support_mask_of_one_value(kind: str) -> None:
    features, high_level, mask = episodes()
    support = (torch.randn(2, 4, 8, 8), torch.full((2, 16, 16), KINDS[kind]))
    loss = SelfContrastiveAuxiliary(num_prototypes=1)(MAIN, features, high_level, mask, linear, support=support)
    assert loss.isfinite()
    if kind != "background":
        torch.testing.assert_close(loss, 0.5 * MAIN)


@pytest.mark.parametrize("mates", ["other", "huge", "foreground"])
def test_an_images_regions_and_prototypes_do_not_depend_on_its_batch(mates: str) -> None:
    features, high_level, mask = episodes(batch=4)
    auxiliary = SelfContrastiveAuxiliary()
    torch.manual_seed(3)
    first = auxiliary.contrast(features, high_level, mask, linear)
    keep = torch.tensor([False, True, False, False]).view(4, 1, 1, 1)
    factor = {"other": -1.0, "huge": 1e10, "foreground": 1.0}[mates]
    features, high_level = (torch.where(keep, x, factor * x) for x in (features, high_level))
    if mates == "foreground":
        mask[[0, 2, 3]] = 1
    torch.manual_seed(3)
    second = auxiliary.contrast(features, high_level, mask, linear)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("how", ["global", "generator"])
def test_a_step_repeats_given_a_seed(how: str) -> None:
    arguments = episodes(batch=8)

    def step(seed: int) -> Tensor:
        torch.manual_seed(seed if how == "global" else 0)
        generator = torch.Generator().manual_seed(seed) if how == "generator" else None
        return SelfContrastiveAuxiliary(generator=generator)(MAIN, *arguments, linear)

    assert torch.equal(step(1), step(1))
    assert not torch.equal(step(1), step(2))


def test_the_negative_is_uniform_and_drawn_anew_in_each_image_and_step() -> None:
    features, high_level, mask = episodes(batch=400)
    auxiliary = SelfContrastiveAuxiliary(num_prototypes=4, partition="pyramid")
    counts, steps = torch.zeros(4), []
    for _ in range(4):
        contrast = auxiliary.contrast(features, high_level, mask, linear)
        drawn = (contrast.prototypes == contrast.prototype_map[:, None, :, 3, 3]).all(2).int().argmax(1)
        counts += drawn.bincount(minlength=4)
        steps.append(drawn)
    # The 0.9999 quantile of chi-square with three degrees of freedom.
    assert ((counts - 400) ** 2 / 400).sum() < 21.1
    assert not torch.equal(steps[0], steps[1])


def test_a_generator_leaves_the_hosts_own_randomness_alone() -> None:
    arguments, before = episodes(), torch.get_rng_state()
    SelfContrastiveAuxiliary(generator=torch.Generator())(MAIN, *arguments, linear)
    assert torch.equal(before, torch.get_rng_state())
