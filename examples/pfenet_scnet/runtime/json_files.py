"""JSON from files that somebody else may have written: read, or refused as a ValueError, however it is damaged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.say import shown


def parse_json(data: bytes | str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON text says.

    Args:
        pairs: makes an object of its names and values; by default a dict.

    Raises:
        ValueError: it is no JSON, or one that is nested too deep to be read.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: nested too deep
    """
    try:
        return json.loads(data, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file that a command wrote; None where there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        found = parse_json(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{shown(path)}: expected a JSON object, got something else; delete the file or copy it again")
    return found
