"""A drawn scene: what is in the picture is in the mask, near things are large and low, and nothing is padded."""

import numpy as np
import pytest
from data.scenes.scene import SIDE, draw_scene
from data.synthetic import MIN_PIXELS
from PIL import Image


def drawn(classes, seed, **size):
    """The picture and the mask as arrays."""
    image, mask = draw_scene(classes, np.random.default_rng(seed), **size)
    return np.asarray(image), np.asarray(mask)


@pytest.fixture(scope="module")
def scenes():
    """120 scenes of one to three things: classes, pictures (H, W, 3) and masks (H, W)."""
    random = np.random.default_rng(1)
    classes = [random.choice(20, 1 + number % 3, replace=False) + 1 for number in range(120)]
    return [(shown.tolist(), *drawn(shown.tolist(), [1, number])) for number, shown in enumerate(classes)]


def test_masks_are_palette_pictures_with_an_unlabelled_rim():
    image, mask = draw_scene([7, 12], np.random.default_rng(0))
    assert mask.mode == "P" and image.size == mask.size == (SIDE, SIDE)
    assert set(np.unique(mask)) == {0, 7, 12, 255}


def test_a_scene_has_the_size_that_is_asked_for():
    image, mask = drawn([3], 0, size=(160, 120))
    assert image.shape == (120, 160, 3) and mask.shape == (120, 160) and 3 in mask


def test_the_same_generator_draws_the_same_scene():
    one, same, other = (drawn([5, 9], seed) for seed in (2, 2, 3))
    assert np.array_equal(one[0], same[0]) and np.array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])


def test_nearly_every_thing_that_is_asked_for_can_serve(scenes):
    pixels = [(mask == c).sum() for classes, _, mask in scenes for c in classes]
    # Of two things in one place the near one may hide most of the other.
    assert np.mean(np.array(pixels) >= MIN_PIXELS) > 0.97 and min(pixels) > 0


def test_things_come_at_several_scales(scenes):
    shares = [(mask == classes[0]).mean() for classes, _, mask in scenes if len(classes) == 1]
    assert min(shares) < 0.03 and max(shares) > 0.1 and np.mean([0.03 < share < 0.1 for share in shares]) > 0.2


def test_of_things_that_stand_the_larger_is_nearer():
    low, sizes = [], []
    for number in range(200):
        _, mask = drawn([1], [2, number])
        foot = np.flatnonzero((mask == 1).any(1)).max()
        # A thing whose foot is above the middle may fly.
        if foot > 0.6 * SIDE:
            low.append(foot)
            sizes.append((mask == 1).sum())
    assert len(low) > 60 and np.corrcoef(low, sizes)[0, 1] > 0.6


def test_no_part_of_a_picture_is_padding(scenes):
    for _, image, _ in scenes:
        # In one colour, rows or columns would repeat.
        assert image[:4].std() > 1 and image[-4:].std() > 1 and image[:, :4].std() > 1 and image[:, -4:].std() > 1


def test_a_things_pixels_have_its_own_colours_and_lie_where_the_mask_says():
    with_thing, mask = drawn([1], 11)
    without, _ = drawn([], 11)
    difference = np.abs(with_thing.astype(int) - without).mean(2)
    assert difference[mask == 1].mean() > 3 * difference[mask == 0].mean()


def test_the_background_is_no_thing():
    image, mask = drawn([], 4)
    assert set(np.unique(mask)) == {0} and len(np.unique(np.asarray(Image.fromarray(image).convert("L")))) > 30
