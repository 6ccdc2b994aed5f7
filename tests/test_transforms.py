import pytest
import torch
from episodes import Episode, read_list
from torch.utils.data import DataLoader
from transforms import (
    MEAN,
    STD,
    EpisodeDataset,
    displayable,
    evaluation_transform,
    read_pair,
    square_truth,
    training_transform,
)
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


def test_training_crops_have_their_size_and_only_legal_values(images):
    torch.manual_seed(0)
    for size in (24, 96):
        image, mask = training_transform(size)(*read_pair(images.items[0], 3))
        assert image.shape == (3, size, size) and image.dtype == torch.float32
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
        agreements.append(((displayable(moved)[0] > 127) == (moved_mask == 1))[labelled].float().mean())
    assert min(agreements) > 0.95


def test_augmentation_depends_on_seed_and_place_alone(images):
    transform = training_transform(32)
    first = dataset(images, transform, seed=1)
    torch.manual_seed(99)
    again = dataset(images, transform, seed=1)
    other = dataset(images, transform, seed=2)
    assert torch.equal(first[1]["query"], again[1]["query"])
    assert not torch.equal(first[1]["query"], other[1]["query"])


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(images, workers):
    data = dataset(images, training_transform(32))
    alone, spread = (next(iter(DataLoader(data, 2, num_workers=n))) for n in (0, workers))
    assert all(torch.equal(alone[key], spread[key]) for key in alone)


def test_the_truth_is_padded_to_a_square_with_unlabelled_pixels():
    truth = square_truth(torch.tensor([[0, 1, 255], [1, 1, 0]]))
    assert truth.tolist() == [[0, 1, 255], [1, 1, 0], [255, 255, 255]]


def test_displayable_undoes_the_normalisation():
    image = torch.randint(0, 256, (3, 5, 5), dtype=torch.uint8)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    assert torch.equal(displayable((image / 255 - mean) / std), image)
