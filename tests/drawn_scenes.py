"""Drawn scenes for tests that only read them: the processes of a run draw them once."""

import os
from functools import cache
from pathlib import Path

from data.synthetic import make_scenes
from filelock import FileLock

SHARED = Path(os.environ["SELFCONTRAST_TESTS"])


@cache
def drawn_scenes() -> Path:
    """60 to train on, a quarter of which hide an object, and 100 for validation; seed 4 has enough of every class."""
    with FileLock(SHARED / "scenes.lock"):
        return make_scenes(SHARED / "scenes", 0.25, 60, 100, seed=4)
