"""How long the grid takes on one thread a cell: assumed before a study has run."""

from cells import Cell
from grid import STUDIES, every_cell

# Assumed, in seconds of one thread, from trials on the machine that the grid was planned for: a step of eight cached
# episodes, an evaluated episode of 1 and of 5 shots, and what a process needs before its first step.
ASSUMED = {"scnet_step": 0.17, "baseline_step": 0.08, "1-shot_episode": 0.04, "5-shot_episode": 0.07, "start": 10.0}
Row = dict[str, float | str]


def expected_seconds(cell: Cell) -> float:
    """Of one cell.

    >>> from grid import BASELINE, cell
    >>> expected_seconds(cell(0, 0, steps=100)) - expected_seconds(cell(0, 0, steps=100, **BASELINE))
    9.0
    """
    step = ASSUMED["baseline_step" if cell.recipe["weight"] == 0 else "scnet_step"]
    evaluation = sum(ASSUMED[f"{shot}-shot_episode"] * count for shot, count in cell.episodes.items())
    return ASSUMED["start"] + step * cell.recipe["steps"] + evaluation


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
