"""Each convention on cases small enough to work out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data.episodes import Episode
from data.image_list import ImageList, Item
from evaluation.protocols import PROTOCOLS, bam_episodes, black_padding, every_image, every_pair, squash
from torchvision import tv_tensors

# Class 3 in images 0, 1, 2, 5; class 4 in 1, 3, 5, but too small in 0 and 5; image 4 shows neither.
PIXELS = [{3: 900, 4: 5}, {3: 900, 4: 900}, {3: 900}, {4: 900}, {9: 900}, {3: 900, 4: 5}]
IMAGES = ImageList(tuple(Item(Path(f"{i}.jpg"), Path(f"{i}.png"), p) for i, p in enumerate(PIXELS)), min_pixels=100)
MORE_OF_4 = replace(IMAGES, items=(*IMAGES.items, Item(Path("6.jpg"), Path("6.png"), {4: 900})))


def test_pfenet_takes_every_usable_image_in_turn_ten_times_over():
    episodes = every_image(MORE_OF_4, [3, 4], 1, seed=0, count=5_001)
    assert [e.query for e in episodes] == [0, 1, 2, 3, 5, 6] * 10
    assert len(every_image(MORE_OF_4, [3, 4], 1, seed=0, count=7)) == 7


def test_bam_goes_on_until_the_count_is_reached():
    assert [e.query for e in bam_episodes(MORE_OF_4, [3, 4], 1, 0, 100)] == ([0, 1, 2, 3, 5, 6] * 17)[:100]


def test_pfenet_draws_any_class_a_query_shows_but_supports_only_from_usable_pairs():
    episodes = every_image(MORE_OF_4, [3, 4], 2, seed=1, count=60)
    assert {e.novel_class for e in episodes if e.query == 0} == {3, 4}, (
        "4 has five pixels there, and is drawn all the same"
    )
    assert {e.novel_class for e in episodes if e.query == 3} == {4}
    for episode in episodes:
        assert set(episode.supports) <= set(MORE_OF_4.by_class[episode.novel_class]) - {episode.query}
        assert len(set(episode.supports)) == 2


def test_hsnet_takes_every_pair_in_turn_with_numpys_old_draws():
    episodes = every_pair(IMAGES, [3, 4], 1, seed=0, count=1_000)
    pairs = [(0, 3), (1, 3), (1, 4), (2, 3), (3, 4), (5, 3)]
    assert len(episodes) == 1_000
    assert [(e.query, e.novel_class) for e in episodes[:8]] == pairs + pairs[:2]


def test_hsnets_draws_are_those_of_its_own_calls():
    four = replace(IMAGES, items=tuple(Item(Path(f"{i}.jpg"), Path(f"{i}.png"), {3: 900}) for i in range(4)))
    # np.random.seed(0), then np.random.choice(list, 1, replace=False) again and again gives places 2 0 3 1.
    assert [e.supports for e in every_pair(four, [3], 1, 0, 4)] == [(2,), (0,), (3,), (1,)]


def test_hsnets_supports_may_repeat_but_never_are_the_query():
    episodes = every_pair(IMAGES, [3], 5, 0, 40)
    assert any(len(set(e.supports)) < 5 for e in episodes)
    assert all(e.query not in e.supports for e in episodes)


def test_hsnet_draws_classes_on_coco():
    coco = replace(IMAGES, class_names=tuple(f"class {c}" for c in range(1, 81)))
    drawn = {(e.query, e.novel_class) for e in every_pair(coco, [3, 4], 1, 0, 60)}
    assert drawn == {(0, 3), (1, 3), (2, 3), (5, 3), (1, 4), (3, 4)}
    assert [e.novel_class for e in every_pair(coco, [3, 4], 1, 0, 20)] != [3, 3, 4, 3, 4, 3] * 3 + [3, 3]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_draws_are_a_function_of_their_arguments(name):
    draw = PROTOCOLS[name].draw
    assert draw(MORE_OF_4, [3, 4], 2, 5, 30) == draw(MORE_OF_4, [3, 4], 2, 5, 30) != draw(MORE_OF_4, [3, 4], 2, 6, 30)
    assert all(isinstance(episode, Episode) for episode in draw(MORE_OF_4, [3, 4], 1, 5, 3))


@pytest.mark.parametrize("draw", [every_image, bam_episodes, every_pair])
def test_refuses_lists_that_hold_no_episode(draw):
    with pytest.raises(ValueError, match="lower min_pixels or add images"):
        draw(IMAGES, [7], 1, 0, 10)
    lonely = replace(IMAGES, items=IMAGES.items[2:4])
    with pytest.raises(ValueError, match=r"expected 1 images with 100 pixels of it beside a query, got 0"):
        draw(lonely, [3], 1, 0, 10)


def pair(height, width):
    image = tv_tensors.Image(torch.full((3, height, width), 255, dtype=torch.uint8))
    return image, tv_tensors.Mask(torch.ones(height, width, dtype=torch.int64))


def test_pfenet_floors_both_sides_to_8_and_pads_with_black():
    # 473 becomes 472; 375 * 473 / 500 = 354.75 becomes 352.
    image, mask = black_padding(473)(*pair(375, 500))
    assert image.shape == (3, 473, 473) and mask.shape == (473, 473)
    white, black = (1 - 0.485) / 0.229, -0.485 / 0.229
    assert torch.allclose(image[0, :352, :472], torch.tensor(white)) and (mask[:352, :472] == 1).all()
    assert torch.allclose(image[0, 352:], torch.tensor(black)) and torch.allclose(
        image[0, :, 472:], torch.tensor(black)
    )
    assert (mask[352:] == 255).all() and (mask[:, 472:] == 255).all()


@pytest.mark.parametrize("side", [320, 333, 500])
def test_a_size_that_is_a_multiple_of_8_is_filled(side):
    _, mask = black_padding(224)(*pair(side, side))
    assert (mask == 1).all()


def test_hsnet_squashes_without_padding():
    image, mask = squash(400)(*pair(30, 50))
    assert image.shape == (3, 400, 400) and (mask == 1).all()


def test_truths_at_original_and_at_resized_size():
    before, after = torch.tensor([[0, 1, 1, 255], [0, 0, 1, 1]]), torch.tensor([[0, 1], [0, 1]])
    padded = [[0, 1, 1, 255], [0, 0, 1, 1], [255] * 4, [255] * 4]
    for name in ("ours", "pfenet", "bam"):
        assert PROTOCOLS[name].truth(before, after).tolist() == padded
    assert PROTOCOLS["hsnet"].truth(before, after).tolist() == [[0, 1], [0, 1]]


def test_counts_and_seeds_are_the_published_ones():
    coco = replace(IMAGES, class_names=("class",) * 80)
    counts = {name: (protocol.count(IMAGES), protocol.count(coco)) for name, protocol in PROTOCOLS.items()}
    assert counts["pfenet"] == (5_001, 20_001) and counts["hsnet"] == counts["bam"] == (1_000, 1_000)
    # BAM seeds numpy with 123 and draws five seeds below 1,000.
    assert PROTOCOLS["bam"].seeds == tuple(np.random.RandomState(123).randint(0, 1000, 5))
    assert PROTOCOLS["hsnet"].seeds == (0,) and PROTOCOLS["pfenet"].seeds == (321,)
