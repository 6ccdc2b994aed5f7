"""Pictures of the task: what each pixel says, colours that stay apart for every reader, and refusals."""

from io import BytesIO
from itertools import combinations

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from selfcontrast import (
    InputError,
    SelfContrast,
    SelfContrastiveAuxiliary,
    heat_map,
    outline_mask,
    overlay_labels,
    overlay_mask,
    show_contrast,
    show_prototype_map,
)
from selfcontrast.visualize import COLOUR_NAMES, COLOURS, NO_PROTOTYPE, RAMP, STRIPES

WHITE = (255, 255, 255)
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# CIE 1931 of linear sRGB, and its white.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(colours, deficiency):
    """CIELAB of colours (n, 3) of 0..255, as a reader with the deficiency sees them."""
    values = np.asarray(colours) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = (linear @ DEFICIENCIES[deficiency].T).clip(0, 1) @ TO_XYZ.T / TO_XYZ.sum(1)
    root = np.where(seen > 0.008856, np.cbrt(seen), 7.787 * seen + 16 / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], 1)


def nearest_two(colours, deficiency):
    return min(np.linalg.norm(a - b) for a, b in combinations(lab(colours, deficiency), 2))


def colour(picture, row, column):
    return tuple(picture[:, row, column].tolist())


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_stay_apart_for_every_reader(deficiency):
    # A difference of 2.3 is just noticeable.
    assert nearest_two(COLOURS, deficiency) > 15
    assert nearest_two(COLOURS[:4], deficiency) > 20, "the foreground and the paper's three regions"
    assert nearest_two([*COLOURS, *STRIPES[:1]], deficiency) > 10, "stripes are no colour"
    usual = ((230, 60, 60), (60, 130, 230), (250, 190, 40), (70, 180, 90), (160, 90, 200), (240, 130, 60))
    assert min(nearest_two(usual, one) for one in DEFICIENCIES) < 10, "the measure finds fault with other palettes"


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_ramp_rises_evenly_for_every_reader(deficiency):
    lightness = lab(RAMP, deficiency)[:, 0]
    steps = np.diff(lightness)
    assert (steps > 2).all() and steps.max() < 3 * steps.min()


def test_the_ramp_is_viridis():
    values = torch.linspace(0, 1, 101)
    wanted = 255 * matplotlib.colormaps["viridis"](values.numpy())[:, :3]
    assert np.abs(heat_map(values[None])[:, 0].T.numpy() - wanted).max() < 5
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 1, len(RAMP)))[:, :3]
    assert (np.array(RAMP) == (255 * colours).round()).all()


def test_each_colour_has_a_name():
    assert len(set(COLOUR_NAMES)) == len(set(COLOURS)) == 6


def test_negative_labels_leave_the_image_and_others_take_their_colour():
    image = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    picture = overlay_labels(image, torch.tensor([[-1, 0], [1, 7]]), opacity=1.0)
    assert torch.equal(picture[:, :2, :2], image[:, :2, :2])
    assert [colour(picture, row, column) for row, column in ((0, 3), (3, 0), (3, 3))] == [COLOURS[k] for k in (0, 1, 1)]


def test_opacity_blends():
    image = torch.full((3, 1, 1), 100, dtype=torch.uint8)
    assert overlay_labels(image, torch.tensor([[0]]), opacity=0.5).flatten().tolist() == [156, 97, 50]
    assert torch.equal(overlay_labels(image, torch.tensor([[0]]), opacity=0.0), image)


@pytest.mark.parametrize("unlabelled", [255, -1])
def test_unlabelled_pixels_are_striped_and_nothing_else_is(unlabelled):
    image = torch.full((3, 8, 24), 10, dtype=torch.uint8)
    mask = torch.tensor([[0, 1, unlabelled]])
    picture = overlay_mask(image, mask, opacity=1.0, ignore_index=unlabelled)
    assert (picture[:, :, :8] == 10).all()
    assert {colour(picture, row, column) for row in range(8) for column in range(8, 16)} == {COLOURS[0]}
    assert {colour(picture, row, column) for row in range(8) for column in range(16, 24)} == set(STRIPES)
    assert torch.equal(overlay_mask(image, mask == 1), overlay_mask(image, (mask == 1).long()))


def test_an_outline_runs_on_the_masks_side_and_leaves_the_rest():
    image = torch.full((3, 40, 40), 100, dtype=torch.uint8)
    mask = torch.zeros(40, 40, dtype=torch.long)
    mask[10:30, 10:] = 1
    picture = outline_mask(image, mask, width=2)
    assert (picture[:, mask == 0] == 100).all() and (picture[:, 14:26, 14:] == 100).all()
    assert [colour(picture, row, 20) for row in range(9, 14)] == [(100,) * 3, WHITE, WHITE, (0, 0, 0), (100,) * 3]
    # The dark line is half as wide as the white one.
    wide = [colour(outline_mask(image, mask, width=4), row, 20) for row in range(9, 17)]
    assert wide == [(100,) * 3, *[WHITE] * 4, (0, 0, 0), (0, 0, 0), (100,) * 3]
    assert colour(picture, 20, 39) == (100,) * 3, "the picture's edge is no rim"
    assert torch.equal(outline_mask(image, torch.zeros(5, 5, dtype=torch.long)), image)
    assert torch.equal(outline_mask(image, torch.ones(5, 5, dtype=torch.long)), image)


def test_values_that_rounding_put_beside_0_to_1_have_the_colours_of_the_ends():
    picture = heat_map(torch.tensor([[-0.01, 1.01]]))
    assert colour(picture, 0, 0) == RAMP[0] and colour(picture, 0, 1) == RAMP[-1]


def test_a_heat_map_shows_each_value_as_a_rectangle():
    picture = heat_map(torch.tensor([[0.0, 1.0]], dtype=torch.float16), (4, 6))
    assert picture.shape == (3, 4, 6) and picture.dtype == torch.uint8
    assert {colour(picture, row, 2) for row in range(4)} == {RAMP[0]} and colour(picture, 3, 3) == RAMP[-1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prototype_map_has_the_colour_of_the_prototype_that_it_holds(dtype):
    prototypes = torch.randn(3, 16)
    prototypes[1] = 0
    held = torch.stack([prototypes[2], prototypes[0], torch.zeros(16), prototypes[0]], 1)[:, None].to(dtype)
    picture = show_prototype_map(held, prototypes, (40, 160), torch.tensor([[0, 0, 0, 1]]))
    assert [colour(picture, 20, 20 + 40 * cell) for cell in range(3)] == [COLOURS[3], COLOURS[1], NO_PROTOTYPE]
    there = {colour(picture, row, column) for row in range(40) for column in range(120, 160)}
    assert there == {COLOURS[1], WHITE, (0, 0, 0)}, "dots and an outline"
    assert (picture[:, :, :120] != 255).all()


@pytest.fixture(scope="module")
def passes():
    """Two queries, their masks, and what the task makes of them: logits that say 'foreground' in the right half."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 64, 80), dtype=torch.uint8)
    mask = torch.zeros(2, 64, 80, dtype=torch.long)
    mask[0, 16:32, 16:48] = 1
    mask[0, 48:] = 255
    mask[1, :16, :16] = 1
    # The left half of each query is unlike its right half.
    features = torch.zeros(2, 4, 8, 10)
    features[:, 0, :, :5], features[:, 1, :, 5:] = 1, 1
    logits = torch.zeros(2, 2, 8, 10)
    logits[:, 1, :, 5:] = 20
    logits[:, 0, :, :5] = 20
    contrast = SelfContrastiveAuxiliary(num_prototypes=2).contrast(
        features, features, mask, lambda *_: (logits, logits)
    )
    return images, mask, contrast


def test_one_picture_shows_the_whole_pass(passes):
    images, masks, contrast = passes
    picture = show_contrast(images[0], masks[0], contrast)
    assert picture.dtype == torch.uint8 and picture.shape == (3, 64, 6 * 80 + 5 * 2)
    query, regions, background, prototype_map, logits, target = (picture[:, :, 82 * k : 82 * k + 80] for k in range(6))
    assert torch.equal(query[:, :16], images[0, :, :16]) and colour(query, 16, 30) == WHITE
    striped = [set(map(tuple, part[:, 52:].flatten(1).T.tolist())) for part in (query, regions, background, target)]
    assert striped == [set(STRIPES)] * 4
    left, right = (COLOURS[1 + contrast.labels[0, 0, column]] for column in (0, -1))
    assert left != right
    for part in (regions, background):
        for column, wanted in ((0, left), (79, right)):
            blended = 0.55 * torch.tensor(wanted) + 0.45 * images[0, :, 0, column]
            assert torch.equal(part[:, 0, column], blended.round().byte())
    assert {colour(background, row, 32) for row in range(20, 28)} == {WHITE}
    assert colour(prototype_map, 0, 0) == left and colour(prototype_map, 40, 79) == right
    inside = {colour(prototype_map, row, column) for row in range(18, 30) for column in range(18, 46)}
    assert WHITE in inside and len(inside & set(COLOURS)) == 1
    assert colour(logits, 30, 5) == RAMP[0] and colour(logits, 30, 75) == RAMP[-1]
    assert colour(target, 20, 20) == RAMP[0] and colour(target, 40, 70) == RAMP[-1]


def test_another_query_of_the_batch_is_shown_by_its_place(passes):
    images, masks, contrast = passes
    alone = SelfContrast(tuple(one[1:] for one in contrast.logits), *(part[1:] for part in contrast[1:]))
    assert torch.equal(show_contrast(images[1], masks[1], contrast, 1), show_contrast(images[1], masks[1], alone))
    larger = torch.nn.functional.interpolate(images[1:].float(), scale_factor=2.0)[0].byte()
    assert show_contrast(larger, masks[1], contrast, 1).shape == (3, 128, 6 * 160 + 5 * 5)


def test_tensorboard_takes_it_as_it_is(passes, tmp_path):
    images, masks, contrast = passes
    picture = show_contrast(images[0], masks[0], contrast)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("contrast", picture)
    kept = EventAccumulator(str(tmp_path)).Reload().Images("contrast")[0].encoded_image_string
    assert np.array_equal(np.asarray(Image.open(BytesIO(kept))), picture.permute(1, 2, 0))


def test_a_query_without_a_labelled_pixel_has_its_picture():
    features, mask = torch.rand(1, 4, 4, 4), torch.full((1, 16, 16), 255)
    contrast = SelfContrastiveAuxiliary().contrast(features, features, mask, lambda f, _: torch.zeros(1, 2, 4, 4))
    picture = show_contrast(torch.zeros(3, 16, 16, dtype=torch.uint8), mask[0], contrast)
    assert picture.isfinite().all() and colour(picture, 0, 18 * 3) == NO_PROTOTYPE


IMAGE, LABELS = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.long)
CELLS = torch.zeros(4, 2, 2)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: overlay_labels(torch.zeros(3, 2, 2), LABELS), "image"),
        (lambda: overlay_labels(IMAGE[:, :0], LABELS), "image"),
        (lambda: overlay_labels(IMAGE, LABELS[None]), "labels"),
        (lambda: overlay_labels(IMAGE, LABELS.float()), "labels"),
        (lambda: overlay_labels(IMAGE, LABELS, 1.5), "opacity"),
        (lambda: overlay_mask(IMAGE, LABELS + 2), "mask"),
        (lambda: overlay_mask(IMAGE, LABELS.float()), "mask"),
        (lambda: overlay_mask(IMAGE[0], LABELS), "image"),
        (lambda: outline_mask(IMAGE, LABELS[0]), "mask"),
        (lambda: outline_mask(IMAGE, LABELS, 0), "width"),
        (lambda: heat_map(LABELS), "values"),
        (lambda: heat_map(CELLS), "values"),
        (lambda: heat_map(CELLS[0] - 1), "values"),
        (lambda: heat_map(CELLS[0] + torch.nan), "values"),
        (lambda: show_prototype_map(CELLS[None], torch.zeros(3, 4), (2, 2)), "prototype_map"),
        (lambda: show_prototype_map(CELLS, torch.zeros(3, 5), (2, 2)), "prototypes"),
        (lambda: show_prototype_map(CELLS, torch.zeros(3, 4), (2, 2), CELLS[0]), "foreground"),
    ],
)
def test_says_what_is_wrong(call, argument):
    with pytest.raises(InputError, match=f"^{argument}: expected .*, got .*; "):
        call()


@pytest.mark.parametrize("size", [(2,), (2, 2, 2), (2.0, 2.0), 2])
def test_a_size_is_two_whole_numbers(no_shape_checks, size):
    for draw in (
        lambda: no_shape_checks.heat_map(CELLS[0], size),
        lambda: no_shape_checks.show_prototype_map(CELLS, torch.zeros(3, 4), size),
    ):
        with pytest.raises(no_shape_checks.InputError, match=r"^size: expected \(H, W\) in pixels, got "):
            draw()


def test_a_pass_is_shown_with_its_own_query_only(passes):
    images, masks, contrast = passes
    for call, argument in (
        (lambda: show_contrast(images[0].float(), masks[0], contrast), "image"),
        (lambda: show_contrast(images[0], masks, contrast), "mask"),
        (lambda: show_contrast(images[0], masks[0, ::2], contrast), "mask"),
        (lambda: show_contrast(images[1], masks[1], contrast, 2), "index"),
        (lambda: show_contrast(images[1], masks[1], contrast), "mask"),
    ):
        with pytest.raises(InputError, match=f"^{argument}: expected"):
            call()


@pytest.mark.parametrize(("labels", "advised"), [(LABELS.float(), True), (LABELS[0], False)])
def test_whoever_has_whole_numbers_is_not_told_to_make_them(labels, advised):
    with pytest.raises(InputError) as caught:
        overlay_labels(IMAGE, labels)
    assert str(caught.value).endswith("with .long()") is advised
