"""The further draws: what they change in a list of episodes, what they leave, and what a step then sees."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from data.episodes import sample_episodes
from data.image_list import ImageList, Item
from grid.study import DRAWS, WRONG_SUPPORTS
from running.draws import SUPPORTS, WrongSupports, lenders, with_two_classes
from running.objectives import objective_of
from running.trial import result_of
from tiny_cells import tiny, tiny_folders
from training.episode_loss import EpisodeLoss

CLASSES = [1, 2, 3, 4]


def listed():
    """Class 4 never stands beside another base class; images with few pixels of a second one do not count."""
    shown = [{1: 900}, {1: 900, 2: 900}, {2: 900}, {2: 900, 3: 20}, {3: 900, 1: 900}, {3: 900}, {4: 900}, {4: 900}]
    shown += [{4: 900, 7: 900}, {1: 900, 3: 900}]
    return ImageList(tuple(Item(Path(f"{i}.jpg"), Path(f"{i}.png"), pixels) for i, pixels in enumerate(shown)), 500)


def crowded(images, episode):
    pixels = images.items[episode.query].pixels
    return any(pixels.get(c, 0) >= 500 for c in CLASSES if c != episode.novel_class)


def test_every_second_query_shows_another_base_class():
    images = listed()
    usual = sample_episodes(images, CLASSES, 1, 5, 400)
    changed = with_two_classes(images, CLASSES, usual, 5)
    assert changed == with_two_classes(images, CLASSES, usual, 5) != with_two_classes(images, CLASSES, usual, 6)
    assert changed[::2] == usual[::2]
    queries = set()
    for one, before in zip(changed[1::2], usual[1::2], strict=True):
        assert one.novel_class == before.novel_class and one.query not in one.supports
        assert one.query in images.by_class[one.novel_class] and one.supports[0] in images.by_class[one.novel_class]
        assert one.supports in (before.supports, (before.query,))
        assert crowded(images, one) or (one.novel_class == 4 and one == before)
        queries.add((one.novel_class, one.query))
    assert queries >= {(1, 1), (1, 4), (1, 9), (2, 1), (3, 4), (3, 9)} and not queries & {
        (1, 0),
        (2, 2),
        (2, 3),
        (3, 5),
    }


def test_every_tenth_episode_borrows_what_its_query_does_not_show():
    images = listed()
    episodes = sample_episodes(images, CLASSES, 1, 5, 400)
    rows = lenders(images, episodes, 4)
    borrowed = 0
    for place, row in enumerate(rows):
        batch = episodes[place - place % 4 :][:4]
        shown = images.items[episodes[place].query].pixels
        if row == place % 4:
            assert place % 10 != 9 or all(one.novel_class in shown for one in batch)
        else:
            assert place % 10 == 9 and batch[row].novel_class not in shown
            borrowed += 1
    assert 30 <= borrowed <= 40


def test_a_step_sees_the_lenders_supports_and_the_object_as_its_only_target():
    images = listed()
    episodes = sample_episodes(images, CLASSES, 1, 5, 40)
    rows = lenders(images, episodes, 4)
    recipe = SimpleNamespace(training_images=lambda: images, training_episodes=lambda _: episodes, batch=4)
    hook = WrongSupports(recipe)
    for step in range(10):
        mask = torch.tensor([0, 1, 255]).repeat(4, 1).view(4, 1, 3)
        batch = {name: torch.rand(4, 1, 2) for name in SUPPORTS} | {"mid": torch.rand(4, 2), "mask": mask}
        batch["index"] = torch.arange(4 * step, 4 * step + 4)
        (seen,) = hook(None, (batch,))
        assert torch.equal(seen["mid"], batch["mid"]) and seen.keys() == batch.keys()
        for place in range(4):
            row = rows[4 * step + place]
            assert all(torch.equal(seen[name][place], batch[name][row]) for name in SUPPORTS)
            assert seen["mask"][place].tolist() == [[0, 1, 255] if row == place else [255, 0, 255]]
    assert any(row != place % 4 for place, row in enumerate(rows))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("draws"))


def test_a_cells_draw_reaches_its_recipe(folders):
    usual, *further = (folders.recipe(tiny(draw=name)) for name in ("class", *DRAWS))
    images = usual.training_images()
    two, wrong = (one.training_episodes(images) for one in further)
    assert [one.draw for one in further] == ["class", "class"] and usual.further_draw is None
    assert two != usual.training_episodes(images) == wrong
    assert objective_of("blended", usual) is EpisodeLoss is not objective_of("blended", further[1])
    assert folders.recipe(tiny(draw="image")).draw == "image"


@pytest.mark.parametrize("draw", DRAWS)
def test_a_cell_trains_with_it(draw, folders):
    settings = {"weight": 0.0, "steps": 5, "episodes": {"1": 2}, "seed": 1}
    usual, ours = (result_of(tiny(draw=name, **settings), folders) for name in ("class", draw))
    first, last = ([one["losses"][place]["main_loss"] for one in (usual, ours)] for place in (0, -1))
    assert last[0] != last[1]
    if draw == WRONG_SUPPORTS:
        # The tenth episode is the last of the fifth step.
        assert first[0] == first[1]
