"""The bootstrap against cases that can be worked out by hand."""

import numpy as np
import pytest
from evidence.intervals import gain


def test_two_seeds_of_one_fold():
    # Drawn again, 0 and 2 have the mean 0, 1 or 2 with probability 1/4, 1/2, 1/4: both ends lie within 95 %.
    assert gain([[0.0, 2.0]]) == (1.0, 0.0, 2.0, 2, 1)


def test_seeds_are_drawn_within_folds():
    # Four folds of 0 and 2: eight fair coins, the mean is heads / 4. P(no head) = 1/256 = 0.4 % lies below the 2.5 %
    # that are cut off, P(at most one) = 9/256 = 3.5 % does not: the ends are 1/4 and 7/4.
    assert gain([[0.0, 2.0]] * 4) == (1.0, 0.25, 1.75, 8, 4)
    # Where the folds differ and the seeds do not, there is nothing to draw.
    assert gain([[-4.0, -4.0], [0.0, 0.0], [1.0, 1.0], [5.0, 5.0]]) == (0.5, 0.5, 0.5, 8, 4)


def test_folds_weigh_alike_however_many_seeds_they_have():
    found = gain([[1.0] * 5, [3.0] * 2])
    assert (found.mean, found.low, found.high) == (2.0, 2.0, 2.0)


def test_the_interval_is_that_of_many_seeds_in_the_limit():
    differences = np.random.default_rng(0).normal(3.0, 2.0, (4, 400))
    found = gain(differences.tolist())
    half = 1.96 * differences.std(1).mean() / np.sqrt(differences.size)
    assert found.mean == pytest.approx(differences.mean())
    assert found.low == pytest.approx(found.mean - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.15 * half)


def test_it_is_the_same_every_time():
    folds = [[0.3, 1.1, -0.4, 0.9, 2.0], [0.1, 0.2, 0.7, -1.0, 0.4]]
    assert gain(folds) == gain(folds)


def test_one_seed_has_no_interval():
    assert gain([[1.0], [2.0, 4.0]]) == (2.0, None, None, 3, 3)
