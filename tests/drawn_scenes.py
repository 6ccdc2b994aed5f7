"""Drawn scenes for tests that only read them: a process draws them once."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from data.synthetic import make_scenes


@cache
def drawn_scenes() -> Path:
    """60 to train on, a quarter of which hide an object, and 100 for validation; seed 4 has enough of every class."""
    folder = TemporaryDirectory(prefix="scenes-")
    atexit.register(folder.cleanup)
    return make_scenes(Path(folder.name) / "scenes", 0.25, 60, 100, seed=4)
