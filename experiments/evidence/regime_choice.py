"""The rule of the study `regime`, written before it ran: which recipe the studies under it train with."""

from collections.abc import Sequence
from typing import Any

ENOUGH = 5.0
MIOU, RELIANCE = "mIoU at the base-chosen offset", "support reliance at the base-chosen offset"


def chosen_regime(scores: Sequence[dict[str, Any]]) -> str | None:
    """The arm with the highest mIoU among those whose reliance is at least 5, else that with the highest reliance.

    Args:
        scores: rows of `measured_again`, of the study's base classes; means over all four folds count alone.

    Returns:
        None until every arm has both.

    >>> rows = [{"arm": a, "measure": m, "all": v} for a, *both in (("short", 40.0, 1.0), ("long", 38.0, 6.0))
    ...         for m, v in zip((MIOU, RELIANCE), both)]
    >>> chosen_regime(rows), chosen_regime(rows[:3])
    ('long', None)
    """
    miou, reliance = ({row["arm"]: row["all"] for row in scores if row["measure"] == name} for name in (MIOU, RELIANCE))
    if not miou or miou.keys() != reliance.keys() or None in (*miou.values(), *reliance.values()):
        return None
    enough = [arm for arm in miou if reliance[arm] >= ENOUGH]
    return max(enough, key=miou.__getitem__) if enough else max(reliance, key=reliance.__getitem__)
