import os
import re

import numpy as np
import pytest
from data.episodes import ImageEpochs, digest, sample_episodes
from data.folds import novel_classes
from data.image_list import ImageList, Item, read_list
from PIL import Image
from voc_tree import mask_with, write_voc


@pytest.fixture
def images(tmp_path):
    masks = [mask_with(c) for c in range(1, 21) for _ in range(4)] + [mask_with(1, 6), mask_with(2, 11, 16)]
    return read_list(write_voc(tmp_path, masks), "train", min_pixels=100)


@pytest.mark.parametrize("published_lines", [False, True])
def test_reads_both_kinds_of_list(tmp_path, published_lines):
    images = read_list(write_voc(tmp_path, [mask_with(3, 7)], published_lines=published_lines), "train", 100)
    assert images.items[0].pixels == {3: 100, 7: 100}
    assert images.items[0].image.name == "train0.jpg"


def test_reads_a_list_given_by_its_path(tmp_path):
    root = write_voc(tmp_path, [mask_with(3)])
    other = tmp_path / "mine.txt"
    other.write_text("train0\n\n")
    assert len(read_list(root, str(other), 100).items) == 1


def test_a_pair_counts_from_min_pixels_on(tmp_path):
    root = write_voc(tmp_path, [mask_with(3)])
    assert read_list(root, "train", 100).by_class == {3: [0]}
    assert read_list(root, "train", 101).by_class == {}
    assert ImageList((), 2048) == ImageList(())


def test_training_list_keeps_or_drops_images_that_hide_novel_objects(images):
    kept, dropped = images.training(0, "keep"), images.training(0, "drop")
    # Fold 0: its own 20 pure images go; both mixed ones hide class 1 or 2.
    assert len(kept.items) == 62 and len(dropped.items) == 60
    assert kept.hidden_share(0) == pytest.approx(100 * 2 / 62)
    assert dropped.hidden_share(0) == 0


def test_a_novel_object_too_small_to_serve_still_counts_as_hidden():
    item = Item(None, None, {1: 5, 6: 4000})
    assert ImageList((item,)).training(0, "keep").hidden_share(0) == 100


@pytest.mark.parametrize("shot", [1, 3])
def test_episodes_are_sound(images, shot):
    for episode in sample_episodes(images, novel_classes(2), shot, seed=0, count=200):
        members = (episode.query, *episode.supports)
        assert len(set(members)) == shot + 1
        assert all(images.items[i].pixels[episode.novel_class] >= 100 for i in members)


def test_episodes_are_a_function_of_their_arguments(images):
    first = sample_episodes(images, [1, 2], 1, seed=5, count=50)
    assert first == sample_episodes(images, [1, 2], 1, seed=5, count=50)
    assert first != sample_episodes(images, [1, 2], 1, seed=6, count=50)
    assert sample_episodes(images, [1, 2], 1, seed=5, count=20) == first[:20]
    assert digest(images, first) == digest(images, list(first)) != digest(images, first[:-1])


def test_classes_are_drawn_before_images(images):
    # Class 1 has one image more than class 3, and no more episodes for it.
    counts = np.bincount([e.novel_class for e in sample_episodes(images, [1, 3], 1, seed=0, count=2000)])
    assert abs(counts[1] - counts[3]) < 200


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(images):
    base = images.base_classes(0)
    training = images.training(0, "keep")
    n = len(training.items)
    drawn = ImageEpochs(training, base, seed=3, count=3 * n)
    epochs = [[drawn[e * n + i] for i in range(n)] for e in range(3)]
    assert all(sorted(episode.query for episode in epoch) == list(range(n)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    for episode in epochs[0]:
        assert episode.novel_class in base and episode.novel_class in training.items[episode.query].pixels
        assert episode.supports[0] in training.by_class[episode.novel_class] and episode.supports[0] != episode.query


def test_an_episode_of_an_epoch_is_a_function_of_its_place(images):
    training = images.training(0, "keep")
    first, again = (ImageEpochs(training, images.base_classes(0), 3, 500) for _ in range(2))
    assert again[400] == first[400] and len(first) == 500
    assert list(first) == list(again) != list(ImageEpochs(training, images.base_classes(0), 4, 500))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda root: read_list(root / "nowhere", "train"), "expected a list at"),
        (
            lambda root: (root / "ImageSets/Segmentation/train.txt").write_text("") or read_list(root, "train"),
            "empty file",
        ),
        (
            lambda root: (root / "ImageSets/Segmentation/train.txt").write_text("a b c") and read_list(root, "train"),
            "a line",
        ),
        (lambda root: (root / "JPEGImages/train0.jpg").unlink() or read_list(root, "train"), "no such file"),
        (
            lambda root: (
                Image.new("RGB", (9, 9)).save(root / "SegmentationClassAug/train0.png") or read_list(root, "train")
            ),
            "expected one byte a pixel, got mode RGB",
        ),
        (lambda root: read_list(root, "train").training(0, "some"), "novel: expected one of keep, drop"),
        (lambda root: sample_episodes(read_list(root, "train", 100), [3], 1, 0, 9), "at least 2 images"),
        (lambda root: sample_episodes(read_list(root, "train", 100), [3], 0, 0, 9), "shot: expected at least 1"),
        (lambda root: sample_episodes(read_list(root, "train", 100), [3], 1, 0, 0), "count: expected at least 1"),
        (lambda root: ImageEpochs(read_list(root, "train", 100), [3], 0, 9), "at least 2 images"),
    ],
)
def test_says_what_is_wrong(tmp_path, act, message):
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        act(write_voc(tmp_path, [mask_with(3)]))


@pytest.mark.skipif("SELFCONTRAST_VOC" not in os.environ, reason="set SELFCONTRAST_VOC to a VOC tree of photographs")
def test_reads_the_photographs():
    images = read_list(os.environ["SELFCONTRAST_VOC"], "val", 840)
    assert set(images.by_class) == set(range(1, 21))
    assert 0 < images.training(2, "keep").hidden_share(2) < 100
