"""What the task did in one step, over all passes of all processes."""

from math import isnan

import torch
from lightning_fabric import Fabric

# The figure that is a mean over judged pixels alone, and how many of all pixels those are.
AGREEMENT, JUDGED = "agreement", "judged"


class StepFigures:
    """Collects the figures of each pass of a step, and gives those of the whole batch."""

    def __init__(self) -> None:
        self._passes: list[dict[str, float]] = []

    def add(self, figures: dict[str, float]) -> None:
        """The figures of one pass, as `EpisodeLoss.figures` gives them."""
        self._passes.append(figures)

    def over(self, fabric: Fabric) -> dict[str, float | None]:
        """The batch's figures; `agreement` is None where no pixel of the batch is judged.

        All passes hold as many episodes, so the others are plain means.
        """
        names = list(self._passes[0]) if self._passes else []
        if not names:
            return {}
        rows = torch.tensor([[*(_addend(one, name) for name in names), 1.0] for one in self._passes])
        *sums, passes = fabric.all_reduce(rows.sum(0).to(fabric.device), reduce_op="sum").tolist()
        totals = dict(zip(names, sums, strict=True))
        means: dict[str, float | None] = {name: total / passes for name, total in totals.items()}
        if AGREEMENT in totals:
            means[AGREEMENT] = totals[AGREEMENT] / totals[JUDGED] if totals[JUDGED] else None
        return means


def _addend(figures: dict[str, float], name: str) -> float:
    """What a pass adds to a sum; a pass without a judged pixel has no agreement and adds none."""
    if name != AGREEMENT:
        return figures[name]
    return 0.0 if isnan(figures[name]) else figures[name] * figures[JUDGED]
