"""Which pictures train and which are kept for validation, by a seed and so that each class is in both."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np


def choose_validation(classes: Sequence[Collection[int]], share: float, seed: int) -> list[bool]:
    """Whether each picture goes to validation.

    Every class with two pictures has at least one on either side, and with four at least two, which an episode needs,
    as far as pictures of several classes permit. Rare classes are placed first.

    Args:
        classes: those that each picture shows.
        share: of the pictures of each class that go to validation.

    >>> sum(choose_validation([{1}] * 8 + [{2}] * 2, 0.25, seed=0))
    3
    """
    random = np.random.default_rng([seed, 5])
    members: dict[int, list[int]] = {}
    for picture in random.permutation(len(classes)).tolist():
        for one in classes[picture]:
            members.setdefault(one, []).append(picture)
    fewest = {one: _fewest(len(pictures)) for one, pictures in members.items()}
    chosen: dict[int, bool] = {}
    # How many pictures of each class lie on either side, validation second.
    count = (Counter[int](), Counter[int]())
    for one in sorted(members, key=lambda one: (len(members[one]), one)):
        goal = _goal(len(members[one]), fewest[one], share)
        for picture in members[one]:
            if picture not in chosen:
                chosen[picture] = count[True][one] < goal
                count[chosen[picture]].update(classes[picture])
    for one in members:
        for side in (False, True):
            _fill(one, side, members[one], chosen, count, classes, fewest)
    return [chosen.get(picture, False) for picture in range(len(classes))]


def _fewest(pictures: int) -> int:
    """How many of a class's pictures each side should have."""
    return 0 if pictures < 2 else 1 if pictures < 4 else 2


def _goal(pictures: int, fewest: int, share: float) -> int:
    """How many of a class's pictures go to validation; a single one trains."""
    return min(max(round(share * pictures), fewest), pictures - fewest) if pictures > 1 else 0


def _fill(
    one: int,
    side: bool,
    members: Sequence[int],
    chosen: dict[int, bool],
    count: tuple[Counter[int], Counter[int]],
    classes: Sequence[Collection[int]],
    fewest: dict[int, int],
) -> None:
    """Move pictures of a class to the side that lacks them, unless another class would then lack them."""
    for picture in members:
        if count[side][one] >= fewest[one]:
            return
        can_leave = all(count[not side][other] > fewest[other] for other in classes[picture])
        if chosen[picture] != side and can_leave:
            chosen[picture] = side
            count[not side].subtract(classes[picture])
            count[side].update(classes[picture])
