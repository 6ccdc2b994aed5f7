import numpy as np
import pytest
import torch
from data.augmentation import RandomView, _warp, training_transform
from data.image_list import read_list
from data.transforms import MEAN_COLOUR, read_pair
from torchvision import tv_tensors
from voc_tree import mask_with, write_voc


@pytest.fixture
def images(tmp_path):
    return read_list(write_voc(tmp_path, [mask_with(3)]), "train", 100)


def pair(height, width):
    """A picture of random pixels, and a mask that numbers nothing but the lower half."""
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    mask = torch.zeros(height, width, dtype=torch.long)
    mask[height // 2 :] = 1
    return tv_tensors.Image(image), tv_tensors.Mask(mask)


def test_training_crops_have_their_size_and_only_legal_values(images):
    torch.manual_seed(0)
    for size in (24, 96):
        image, mask = training_transform(size)(*read_pair(images.items[0], 3))
        assert image.shape == (3, size, size) and image.dtype == mask.dtype == torch.uint8
        assert mask.shape == (size, size) and set(mask.unique().tolist()) <= {0, 1, 255}


def test_image_and_mask_move_together():
    # The mask is drawn into the picture: wherever both go, they go together.
    from torchvision import tv_tensors

    mask = torch.zeros(60, 60, dtype=torch.long)
    mask[20:40, 10:50] = 1
    image = (mask * 255).to(torch.uint8).expand(3, -1, -1)
    torch.manual_seed(0)
    agreements = []
    for _ in range(10):
        moved, moved_mask = training_transform(48)(tv_tensors.Image(image), tv_tensors.Mask(mask))
        labelled = moved_mask != 255
        agreements.append(((moved[0] > 127) == (moved_mask == 1))[labelled].float().mean())
    assert min(agreements) > 0.95


def view(image, mask, size, **options):
    return RandomView(size, **({"scale": (1.0, 1.0), "degrees": 0.0, "mirror": 0.0} | options))(image, mask)


def test_without_change_the_square_is_a_cut_of_the_picture():
    image, mask = pair(40, 50)
    cut, cut_mask = view(image, mask, 40)
    (x,) = (x for x in range(11) if torch.equal(image[..., x : x + 40], cut))
    assert torch.equal(mask[:, x : x + 40], cut_mask)


def test_a_short_side_is_centred_and_the_rest_unlabelled_in_the_mean_colour():
    image, mask = pair(20, 40)
    padded, padded_mask = view(image, mask, 40)
    assert torch.equal(padded[:, 10:30], image) and torch.equal(padded_mask[10:30], mask)
    assert (padded_mask[:10] == 255).all() and (padded_mask[30:] == 255).all()
    assert padded[:, 0, 0].tolist() == list(MEAN_COLOUR)


def test_mirrors():
    image, mask = pair(40, 40)
    mirrored, mirrored_mask = view(image, mask, 40, mirror=1.0)
    assert torch.equal(mirrored, image.flip(2)) and torch.equal(mirrored_mask, mask.flip(1))


def test_scales_about_the_centre():
    image, mask = pair(40, 40)
    _, larger = view(image, mask, 80, scale=(2.0, 2.0))
    assert torch.equal(larger, mask.repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize("degrees", [10.0, -7.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_centre_stays_and_the_turn_is_as_asked(degrees, mirrored):
    warp = _warp((60, 40), 1.0, degrees, mirrored, [5.0, 3.0])
    assert warp @ [29.5 - 5, 19.5 - 3, 1] == pytest.approx([29.5, 19.5])
    right = warp @ [30.5 - 5, 19.5 - 3, 1] - [29.5, 19.5]
    assert np.hypot(*right) == pytest.approx(1.0)
    assert abs(np.degrees(np.arctan2(right[1], abs(right[0])))) == pytest.approx(abs(degrees))


def test_every_draw_comes_about():
    torch.manual_seed(0)
    transform = RandomView(32)
    warps = [transform.make_params([pair(60, 80)[0]])["warp"] for _ in range(300)]
    scales = [1 / np.sqrt(abs(np.linalg.det(warp[:, :2]))) for warp in warps]
    assert 0.9 <= min(scales) < 0.92 and 1.08 < max(scales) <= 1.1
    mirrored = [np.linalg.det(warp[:, :2]) < 0 for warp in warps]
    assert 0.4 < np.mean(mirrored) < 0.6
    corners = np.array([warp @ [0, 0, 1] for warp, flipped in zip(warps, mirrored, strict=True) if not flipped])
    assert np.ptp(corners[:, 0]) > 40 and np.ptp(corners[:, 1]) > 20
