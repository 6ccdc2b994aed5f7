"""docs/tutorial.md: its blocks run from top to bottom, and each figure is what its block draws.

Each night the models train as the page says. By day they train for two steps, and what depends on more is left out.
"""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from mistyped_tutorial import shorter
from nightly import NIGHTLY, at_night
from picture_commands import ROOT, tutorial
from PIL import Image

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
FIGURES = tutorial.figures(PAGE)
SAVED = ROOT / "docs" / "pictures" / "tutorial"
# Mean difference of two pictures, of 255. Other processors round otherwise, which training makes more of.
SAME, SAME_AFTER_TRAINING = 2, 20


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder in which the blocks ran, their names, and what they printed."""
    work = tmp_path_factory.mktemp("tutorial")
    return work, *tutorial.run_blocks(PAGE if NIGHTLY else shorter(PAGE), work)


def difference(one, other):
    first, second = (np.asarray(Image.open(path).convert("RGB")).astype(float) for path in (one, other))
    return np.abs(first - second).mean() if first.shape == second.shape else np.inf


def trained(name):
    return name.startswith(("training", "result"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=at_night if trained(name) else ()) for name in FIGURES])
def test_a_figure_is_what_its_block_draws(ran, name):
    assert difference(ran[0] / name, SAVED / name) < (SAME_AFTER_TRAINING if trained(name) else SAME)


def test_two_figures_are_never_taken_for_each_other(ran):
    for one, other in pairwise(FIGURES):
        least = SAME_AFTER_TRAINING if trained(one) and trained(other) else SAME
        assert difference(ran[0] / one, SAVED / other) > 2 * least, (one, other)


def test_each_step_ends_in_a_figure_that_is_described():
    steps = re.split(r"^## \d+\. ", PAGE, flags=re.MULTILINE)[1:]
    assert len(steps) == 10
    for step in steps:
        assert len(re.findall(r"^```python$", step, re.MULTILINE)) == 1
        assert tutorial.figures(step.partition("```python")[2].partition("```")[2]), step.splitlines()[0]
    described = re.findall(r"!\[([^]]*)\]\(pictures/", PAGE)
    assert len(described) == len(FIGURES) + 1 and all(len(words) > 30 for words in described)
    kept = {path.name for path in SAVED.iterdir()}
    assert kept == {*FIGURES, "tutorial.json"}


def test_the_steps_by_hand_are_those_of_the_task(ran):
    names = ran[1]
    contrast = names["contrast"]
    for name in ("labels", "regions", "prototypes", "prototype_map"):
        assert torch.equal(names[name].float(), getattr(contrast, name).float()), name
    assert (names["contrast"].target == 1).any() and (names["contrast"].target == 0).any()


@at_night
def test_both_models_learn(ran):
    names = ran[1]
    for losses in (names["baseline_losses"], names["scnet_losses"]):
        assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    assert ran[2][0].startswith("L1 ") and ran[2][-1].startswith("IoU: baseline ")


def test_the_seeds_train_on_pictures_with_and_without_hidden_objects(ran, monkeypatch):
    names = dict(ran[1])
    seen = []
    names["episodes"] = usual = names["episodes"][:4]
    names["train"] = lambda weight, seed, steps: (seen.append((weight, seed, steps, names["episodes"])), None)
    names["score"] = lambda _: (None, np.array([float(len(seen))]))
    row = tutorial._scores(names, 3)
    assert [one[:3] for one in seen] == [(0, 3, 150), (0.5, 3, 150), (0, 3, 300)] * 2
    assert [one[3] is usual for one in seen] == [True] * 3 + [False] * 3 and names["episodes"] is usual
    assert len(seen[-1][3]) == len(usual) and list(row.values()) == [3, 1, 2, 3, 4, 5, 6]


def test_what_the_page_says_of_the_seeds_is_what_was_measured():
    made = json.loads((SAVED / "tutorial.json").read_text())
    assert tutorial.with_table(PAGE, made["seeds"]) == PAGE and len(made["seeds"]) == 5
    assert made["environment"]["commit"] and made["environment"]["machine"]
    changed = [row | {"SCNet": row["SCNet"] + 10} for row in made["seeds"]]
    assert tutorial.with_table(PAGE, changed) != PAGE


def test_a_block_that_does_not_draw_its_figure_is_named(tmp_path):
    page = "```python\nnothing = 1\n```\n![a star](pictures/tutorial/star.jpg)\n"
    with pytest.raises(ValueError, match=r"tutorial\.md: expected star\.jpg"):
        tutorial.run_blocks(page, tmp_path)
