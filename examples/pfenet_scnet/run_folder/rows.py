"""Logs of one JSON object a line, each with its step; the last line may be torn, as a killed process leaves it."""

import json
from pathlib import Path
from typing import Any

from runtime.atomic_files import write_text_atomically
from runtime.json_files import parse_json


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a log, none where there is no file; a torn last line is dropped.

    Raises:
        ValueError: a line before the last is damaged.
    """
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and type(row.get("step")) is int:
            rows.append(row)
        elif number < len(lines):
            raise ValueError(f"{path}: expected a JSON object in line {number}, got {line[:40]!r}; delete that line")
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a whole log, or leave the old one."""
    write_text_atomically(path, "".join(json.dumps(row) + "\n" for row in rows))


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a line to a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")
