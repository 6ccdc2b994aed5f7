import cv2
import numpy as np
import pytest
import torch
from data.augmentation import training_transform
from data.episodes import Episode
from data.image_list import read_list
from data.transforms import (
    MEAN,
    STD,
    EpisodeDataset,
    displayable,
    evaluation_transform,
    normalise,
    read_image,
    read_pair,
    square_truth,
)
from PIL import Image
from torch.utils.data import DataLoader
from voc_tree import mask_with, write_voc


@pytest.fixture
def images(tmp_path):
    return read_list(write_voc(tmp_path, [mask_with(3), mask_with(3, 7), mask_with(3)]), "train", 100)


def dataset(images, transform, **options):
    return EpisodeDataset(images, [Episode(3, 0, (1,)), Episode(3, 1, (2, 0)[:1])], transform, **options)


def test_the_episodes_class_is_the_only_foreground(images):
    _, mask = read_pair(images.items[1], 7)
    assert (mask == 1).sum() == 100 and (mask == 255).sum() == 40
    assert (mask[10:20, :10] == 0).all(), "class 3 is background in an episode of class 7"


def test_refuses_a_mask_of_another_size(tmp_path, images):
    other = read_list(write_voc(tmp_path / "other", [mask_with(3, size=(40, 50))]), "train", 100)
    with pytest.raises(ValueError, match="expected the image's size"):
        read_pair(images.items[0]._replace(mask=other.items[0].mask), 3)


def test_evaluation_keeps_the_aspect_and_pads_with_the_mean_colour_unlabelled(images):
    image, mask = evaluation_transform(30)(*read_pair(images.items[0], 3))
    assert image.shape == (3, 30, 30) and mask.shape == (30, 30)
    assert (mask[20:] == 255).all() and image[:, 20:].abs().max() < 0.01, "60 x 40 becomes 30 x 20"
    assert (mask[:20] == 1).sum() == 25, "a block of 10 x 10 at half the size"


def test_decodes_as_pillow_does(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8).repeat(9, 0).repeat(9, 1)
    Image.fromarray(colours).save(tmp_path / "colours.jpg")
    Image.fromarray(colours[..., 0]).save(tmp_path / "grey.jpg")
    with Image.open(tmp_path / "colours.jpg") as picture:
        turned = picture.getexif()
        turned[0x0112] = 6
        picture.save(tmp_path / "turned.jpg", exif=turned)
    for name in ("colours", "grey", "turned"):
        with Image.open(tmp_path / f"{name}.jpg") as picture:
            expected = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)
        assert torch.equal(read_image(tmp_path / f"{name}.jpg"), expected), name


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not much more")
    with pytest.raises(ValueError, match=r"broken.jpg: expected a picture"):
        read_image(tmp_path / "broken.jpg")


def test_no_threads_inside_loader_processes():
    assert cv2.getNumThreads() == 1


def test_augmentation_depends_on_seed_and_place_alone(images):
    transform = training_transform(32)
    first = dataset(images, transform, seed=1)
    torch.manual_seed(99)
    again = dataset(images, transform, seed=1)
    other = dataset(images, transform, seed=2)
    assert torch.equal(first[1]["query"], again[1]["query"])
    assert not torch.equal(first[1]["query"], other[1]["query"])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_batches_do_not_depend_on_the_number_of_workers(images, workers):
    data = dataset(images, training_transform(32))
    alone, spread = (next(iter(DataLoader(data, 2, num_workers=n))) for n in (0, workers))
    assert all(torch.equal(alone[key], spread[key]) for key in alone)


def test_the_truth_is_padded_to_a_square_with_unlabelled_pixels():
    truth = square_truth(torch.tensor([[0, 1, 255], [1, 1, 0]]))
    assert truth.tolist() == [[0, 1, 255], [1, 1, 0], [255, 255, 255]]


def test_nothing_is_normalised_twice():
    image = normalise(torch.randint(0, 256, (3, 5, 5), dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"images: expected bytes, got torch.float32"):
        normalise(image)


def test_displayable_undoes_the_normalisation():
    image = torch.randint(0, 256, (3, 5, 5), dtype=torch.uint8)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    assert torch.equal(displayable((image / 255 - mean) / std), image)
