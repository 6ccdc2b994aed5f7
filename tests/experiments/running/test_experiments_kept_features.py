"""Episodes from a cache are those that the backbone makes now, plain and never mirrored."""

from dataclasses import replace

import pytest
import torch
from data.episodes import Episode
from data.image_list import read_list
from data.masks import read_mask
from evaluation.protocols import PROTOCOLS
from evaluation.shared_features import SharedFeatures
from model.backbones import build_backbone
from model.pfenet import PFENet
from running.kept_features import KeptFeatures
from training.feature_cache import open_features
from voc_tree import mask_with, write_voc

EPISODES = [Episode(3, 0, (1, 2)), Episode(7, 1, (3, 4)), Episode(3, 2, (0, 1))]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    masks = [mask_with(3), mask_with(3, 7), mask_with(9, 3), mask_with(7), mask_with(3, 7, size=(50, 30))]
    return read_list(write_voc(tmp_path_factory.mktemp("voc"), masks), "train", 60)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PFENet(build_backbone("efficientnet_lite0"), channels=16, scales=(4, 2)).eval()


@pytest.fixture(scope="module")
def cache(images, model, tmp_path_factory):
    return open_features(tmp_path_factory.mktemp("features"), model, images, [3, 7, 9], 64)


def test_a_batch_is_what_the_backbone_makes_of_its_images(images, model, cache):
    kept, shared = KeptFeatures(cache, images), SharedFeatures(model, images, EPISODES, PROTOCOLS["ours"], 64, 0)
    found, expected = kept.extracted(EPISODES), shared.extracted(EPISODES)
    for name, one, other in zip(found._fields, found, expected, strict=True):
        assert one.shape == other.shape and torch.allclose(one.float(), other.float(), atol=1e-4), name


def test_labels_hold_the_truth_of_every_class(images, model, cache):
    kept, shared = KeptFeatures(cache, images), SharedFeatures(model, images, EPISODES, PROTOCOLS["ours"], 64, 0)
    for episode in EPISODES:
        labels = kept.labels(episode.query)
        truth = torch.where(labels == 255, 255, (labels == episode.novel_class).long())
        assert torch.equal(truth, shared.truth(episode).long())
    assert kept.labels(4).shape == (50, 50) and kept.labels(4)[:, 30:].eq(255).all()
    assert kept.labels(2).unique().tolist() == [0, 3, 9, 255] and (read_mask(images.items[2].mask) == 9).any()


def test_a_part_of_the_list_finds_its_own_features(images, cache):
    part = replace(images, items=images.items[2:])
    found = KeptFeatures(cache.of(images, part), part).extracted([Episode(7, 1, (2,))])
    expected = KeptFeatures(cache, images).extracted([Episode(7, 3, (4,))])
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
