"""The example's PFENet beside the published one: the same numbers from the same weights, pictures and draws.

Ours is trained by `training.loop.backward`, theirs by the lines of its script, with its own function for the rates.
They differ on purpose in three ways:

- The published script counts its steps from 1 for the rate, ours from 0: our second step has the rate of its first.
- With five shots the published code passes one shot after the other through the backbone and `down_supp`, ours all
  together. That draws other dropout and, where batch normalisation is live, has other statistics, so five shots are
  compared without either. Both train with one shot.
- Ours divides the prior mask's features by their lengths, theirs divides the products by the lengths' product + 1e-7.
"""

from pathlib import Path

import pytest
import torch
from pfenet_pair import SETTINGS, Pair, Trained, apart, names_not_shared, train_both
from test_upstream import folder_of_checkouts

# Sums in another order, in a network of fifty layers, lose so much at most.
BOUND = 1e-10
# Live batch normalisation enlarges what float32 rounds. Which of two sums then lies nearer to float64 is chance.
CHANCE = 16


@pytest.fixture(scope="module")
def checkouts() -> Path:
    return folder_of_checkouts("pfenet")


@pytest.fixture(scope="module", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def in_float64(checkouts: Path, setting: str) -> Pair:
    return train_both(checkouts, SETTINGS[setting], torch.float64)


@pytest.fixture(scope="module")
def in_float32(checkouts: Path, setting: str) -> Pair:
    return train_both(checkouts, SETTINGS[setting], torch.float32)


def test_the_state_dicts_load_both_ways(checkouts: Path) -> None:
    assert names_not_shared(checkouts) == set()


@pytest.mark.parametrize("what", Trained._fields)
def test_logits_losses_gradients_and_three_steps_are_equal_in_float64(in_float64: Pair, what: str) -> None:
    assert apart(getattr(in_float64.ours, what), getattr(in_float64.published, what)) < BOUND


def test_they_train_the_same_weights_and_each_of_them_moves(in_float64: Pair) -> None:
    moves = in_float64.ours.moves
    assert moves.keys() == in_float64.published.gradients.keys()
    assert len(moves) == 35
    assert all(move.any() for move in moves.values())


@pytest.mark.parametrize("what", Trained._fields)
def test_in_float32_ours_is_as_near_to_float64_as_theirs(in_float64: Pair, in_float32: Pair, what: str) -> None:
    exact = getattr(in_float64.published, what)
    ours, theirs = (apart(getattr(one, what), exact) for one in (in_float32.ours, in_float32.published))
    assert ours <= CHANCE * max(theirs, torch.finfo(torch.float32).eps)
