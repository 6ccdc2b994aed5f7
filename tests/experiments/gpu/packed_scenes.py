"""Drawn scenes in a pack, and a command line of train.py that trains and reads tiny cells on them."""

from pathlib import Path

from drawn_scenes import drawn_scenes
from gpu import pack

SIZE = 64
TINY = '{"size": 64, "scales": [4, 2], "channels": 16, "batch": 2, "min_pixels": 500}'


def pack_scenes(root: Path) -> Path:
    """A pack of scenes few enough for a test, below `root`."""
    pack.pack(drawn_scenes(), root / "pack.zip", SIZE, 90)
    return root / "pack.zip"


def words(packed: Path, root: Path, *more: str, arm: str = "SCNet") -> list[str]:
    """Of folds 0 and 1, read after 2 and 4 steps."""
    places = ["--pack", str(packed), "--work", str(root / "work"), "--results", str(root / "results")]
    cells = ["--arm", arm, "--seed", "0", "--folds", "0", "1", "--readings", "2", "4", "--episodes", "6"]
    return [*places, *cells, "--settings", TINY, *more]
