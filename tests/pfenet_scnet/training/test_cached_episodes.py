"""Cached episodes stand in for images: same loss and gradients, mirroring kept, nothing else varied."""

from dataclasses import replace

import pytest
import torch
from data.episodes import Episode, sample_episodes
from data.image_list import read_list
from data.transforms import EpisodeDataset, evaluation_transform
from model.backbones import build_backbone
from model.pfenet import PFENet
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from training.cached_episodes import CachedEpisodes, cached
from training.feature_cache import open_features
from voc_tree import mask_with, write_voc

from selfcontrast import SelfContrastiveAuxiliary

CLASSES, SIZE = [3, 7], 64
EPISODES = [Episode(3, 0, (1, 2)), Episode(7, 1, (3, 4)), Episode(3, 2, (0, 1)), Episode(7, 4, (1, 3))]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    small = {"size": (20, 30)}
    masks = [mask_with(3, **small), mask_with(3, 7, **small), mask_with(9, 3, **small), mask_with(7, **small)]
    masks.append(mask_with(3, 7, size=(24, 32)))
    return read_list(write_voc(tmp_path_factory.mktemp("voc"), masks), "train", 60)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    backbone = build_backbone("efficientnet_lite0")
    return PFENet(backbone, channels=16, scales=(4, 2)).to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def cache(images, model, tmp_path_factory):
    return open_features(tmp_path_factory.mktemp("features"), model, images, CLASSES, SIZE)


def test_one_cache_of_a_list_serves_a_part_of_it(images, cache):
    part = replace(images, items=images.items[:0:-2])
    episode = Episode(3, 0, (1,))
    places = [images.items.index(part.items[index]) for index in (0, 1)]
    same = Episode(3, places[0], (places[1],))
    (ours,), (expected,) = CachedEpisodes(cache.of(images, part), [episode]), CachedEpisodes(cache, [same])
    assert all(torch.equal(ours[key], expected[key]) for key in ("mid", "support_mid", "support_high_level", "mask"))
    assert places != [0, 1] and not torch.equal(ours["mid"], ours["support_mid"][0])


def images_of_view(images, view):
    """The pictures that a view of the cache was computed from."""
    flip = v2.RandomHorizontalFlip(float(view))
    return EpisodeDataset(images, EPISODES, v2.Compose([flip, evaluation_transform(SIZE)]))


def loss_and_gradients(model, extracted, mask):
    """A whole training step, self-contrastive task included, with the same dropout and draws every time."""
    torch.manual_seed(3)
    model.train().zero_grad()
    encoded = model.reduce(extracted)
    main = model.loss(model.compare(encoded.features, encoded.prototype_map, encoded.prior), mask)
    arguments = (encoded.features, encoded.high_level, mask, model.compare, model.loss)
    loss = SelfContrastiveAuxiliary()(main, *arguments, prior=encoded.prior)
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("view", [0, 1])
def test_loss_and_gradients_are_those_of_the_same_images(images, model, cache, view, monkeypatch):
    monkeypatch.setattr("training.cached_episodes.draw_views", lambda seed, index, count: [view] * count)
    from_cache = next(iter(DataLoader(CachedEpisodes(cache, EPISODES), len(EPISODES))))
    batch = next(iter(DataLoader(images_of_view(images, view), len(EPISODES))))
    assert torch.equal(from_cache["mask"], batch["mask"]) and (batch["mask"] == 1).any((1, 2)).all()
    assert torch.equal(from_cache["support_masks"].long(), batch["support_masks"])
    expected = model.extract(batch["query"], batch["supports"], batch["support_masks"])
    loss, gradients = loss_and_gradients(model, expected, batch["mask"])
    found, found_gradients = loss_and_gradients(model, cached(from_cache), from_cache["mask"])
    assert torch.allclose(found, loss, rtol=1e-5)
    for name, gradient in gradients.items():
        assert gradient.any(), f"{name} must learn for this comparison to mean anything"
        assert torch.allclose(found_gradients[name], gradient, rtol=1e-3, atol=1e-6), name


def test_the_views_mirror_each_other_and_padding_stays_where_evaluation_has_it(cache):
    # 24 x 32 pixels double exactly, so resizing moves no edge.
    plain, mirrored = (cache.read("masks", 4, 7, view) for view in (0, 1))
    assert (plain[48:] == 255).all() and (mirrored[48:] == 255).all()
    assert torch.equal(plain[:48].flip(1), mirrored[:48]) and not torch.equal(plain, mirrored)


def test_mirrors_by_seed_and_place_about_half_of_the_time(cache):
    episodes = [Episode(3, 0, (1,))] * 200
    plain = cache.read("mid", 0, 3, 0)
    mirrored = [not torch.equal(sample["mid"], plain) for sample in CachedEpisodes(cache, episodes, seed=1)]
    assert 70 < sum(mirrored) < 130
    again, other = (
        [not torch.equal(sample["mid"], plain) for sample in CachedEpisodes(cache, episodes, seed)] for seed in (1, 2)
    )
    assert mirrored == again != other


def test_workers_do_not_change_what_is_read(images, cache):
    episodes = sample_episodes(images, CLASSES, 1, 0, 6)
    alone, with_workers = (
        [batch["support_high_level"] for batch in DataLoader(CachedEpisodes(cache, episodes, 5), 2, num_workers=n)]
        for n in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(alone, with_workers, strict=True))
