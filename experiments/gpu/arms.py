"""The study as data: its arms, folds and seeds, and after how many steps a cell is read."""

from dataclasses import replace
from typing import Any

from grid.cell import Cell, Settings
from grid.study import BASELINE, EPISODES, SCNET, cell

# Each with the name of what its steps minimise, see running/objectives, and what it changes in the recipe.
ARMS: dict[str, tuple[str, Settings]] = {
    "PFENet": ("blended", BASELINE),
    "SCNet": ("blended", SCNET),
    "pseudo-episode": ("pseudo-episode", SCNET),
}
# Those where SCNet gained most and where it gained least. Cells of both are trained side by side.
FOLDS = (2, 0)
# One after the other: where time runs out a seed is missing, and no steps are.
SEEDS = (0, 1)
READINGS = (1_000, 2_000, 4_000, 8_000, 16_000, 25_000)
BATCH = 16
# The loss is taken at so many pixels a side, four times the feature grid's, and not at the picture's 224.
LOSS_SIDE = 56


def gpu_cell(arm: str, fold: int, seed: int, steps: int, episodes: dict[str, int] = EPISODES, **changes: Any) -> Cell:
    """A cell of an arm; `changes` are settings of the recipe that differ, as in a rehearsal.

    >>> one = gpu_cell("PFENet", 2, 0, steps=25_000)
    >>> one.recipe["weight"], one.recipe["batch"], one.objective
    (0.0, 16, 'blended, loss at 56 pixels')
    """
    objective, settings = ARMS[arm]
    one = cell(fold, seed, episodes=episodes, **{"batch": BATCH, "steps": steps} | settings | changes)
    # Neither is what a cell of another study has under the shorter name.
    return replace(one, data="packed photographs", objective=f"{objective}, loss at {LOSS_SIDE} pixels")
