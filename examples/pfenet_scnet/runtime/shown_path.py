"""Paths as a person would type them."""

from pathlib import Path


def shown_path(path: Path) -> str:
    """`path` from here where it lies below the present folder, else the whole of it.

    A path that climbs out of the present folder is hard to read, and on Windows none leads to another drive.

    >>> shown_path(Path.cwd() / "runs" / "scnet") == str(Path("runs") / "scnet")
    True
    """
    whole, here = Path(path).resolve(), Path.cwd().resolve()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
