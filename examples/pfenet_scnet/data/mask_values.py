"""Masks hold the numbers of classes; anything else is an error that says what they hold."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from runtime.say import shown, some

from data.masks import UNLABELLED, read_mask

READ = 20


def check_values(counts: Mapping[Path, Mapping[int, int]], names: Sequence[str], root: Path) -> None:
    """Refuse masks whose values are no classes, or that show no class at all.

    Args:
        counts: pixels of each value in each mask, without background and unlabelled pixels.
        names: of the classes 1, 2, ...

    Raises:
        ValueError: names a mask, the values, and the number of classes.
    """
    held = sorted({value for one in counts.values() for value in one})
    strange = [value for value in held if value > len(names)]
    if strange:
        mask = next(mask for mask, one in counts.items() if any(value > len(names) for value in one))
        known = "classes.txt" if (root / "classes.txt").is_file() else "VOC, as there is no classes.txt"
        raise ValueError(
            f"{shown(mask)}: expected class indices 1 to {len(names)} ({known}), got {some(sorted(counts[mask]))}; "
            f"the masks of the list hold {some(held)}. Name all classes in {root / 'classes.txt'}, one a line; if "
            "these are colours or grey values, let prepare.py folder turn them into indices"
        )
    if counts and not held:
        _refuse_empty(list(counts), root)


def _refuse_empty(masks: Sequence[Path], root: Path) -> None:
    found = sorted({int(value) for mask in islice(masks, READ) for value in np.unique(read_mask(mask))})
    if UNLABELLED not in found:
        raise ValueError(
            f"{root}: expected class indices in the masks, got 0 alone, which is background; check the masks"
        )
    raise ValueError(
        f"{root}: expected class indices in the masks, got {some(found)} alone: these masks are binary, and 255 means "
        "unlabelled here; prepare.py folder --images DIR --masks DIR --names NAME --out DIR writes the class as 1"
    )
