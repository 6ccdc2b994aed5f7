"""How long the grid takes on one thread a cell: assumed, as the schedule's cells suggest, before a study has run."""

from grid.cell import Cell
from grid.studies import STUDIES, every_cell
from grid.study import RECIPE

# Assumed, in seconds of one thread beside another: a cached training episode, an evaluated episode of 1 and of 5 shots,
# and what a process needs before its first step.
ASSUMED = {"SCNet": 0.022, "baseline": 0.013, "1-shot": 0.006, "5-shot": 0.012, "start": 5.0}
Row = dict[str, float | str]


def expected_seconds(cell: Cell) -> float:
    """Of one cell.

    >>> from grid.study import BASELINE, cell
    >>> round(expected_seconds(cell(0, 0, steps=100)) - expected_seconds(cell(0, 0, steps=100, **BASELINE)), 9)
    3.6
    """
    episode = ASSUMED["baseline" if cell.recipe["weight"] == 0 else "SCNet"]
    evaluation = sum(ASSUMED[f"{shot}-shot"] * count for shot, count in cell.episodes.items())
    # A further task takes as long as SCNet's, and larger pictures have so many more cells.
    episode *= (cell.recipe["size"] / RECIPE["size"]) ** 2
    return ASSUMED["start"] + episode * cell.recipe["steps"] * cell.recipe["batch"] + evaluation


def budget() -> list[Row]:
    """For each study, the cells that no study before it has, and their hours on two cores; then the sum."""
    new: dict[str, list[Cell]] = {name: [] for name in STUDIES}
    for name, cell in every_cell():
        new[name].append(cell)
    rows = [_row(name, len(STUDIES[name].cells()), cells) for name, cells in new.items()]
    every = [cell for cells in new.values() for cell in cells]
    return [*rows, _row("all", sum(len(study.cells()) for study in STUDIES.values()), every)]


def _row(name: str, named: int, cells: list[Cell]) -> Row:
    seconds = sum(map(expected_seconds, cells))
    return {
        "study": name,
        "cells": named,
        "new": len(cells),
        "seconds": round(seconds / len(cells)),
        "hours": round(seconds / 7200, 2),
    }
