"""Cell files as a finished cell writes them, with scores that a test chooses."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grid.cell import Cell
from grid.cell_store import file_of


def write_cell(results: Path, cell: Cell, miou: float, episodes: str = "same") -> Path:
    """A result whose FB-IoU is ten points above its mIoU, and which calls a quarter of the target background."""
    pixels = {"background": [8, 2], "base": [5, 5], "novel": [0, 0], "target": [1, 3]}
    evaluation: dict[str, Any] = {"miou": miou, "fb_iou": miou + 10, "pixels": {"bus": pixels}}
    result = {
        "cell": asdict(cell),
        "evaluations": {shot: evaluation | {"episodes_digest": episodes} for shot in cell.episodes},
        "training": {"hidden_share_percent": 7.5 if cell.recipe["novel"] == "keep" else 0.0},
        "seconds": {"training": 60.0, "evaluation": 40.0},
        "environment": {"commit": "abc"},
    }
    path = file_of(results, cell)
    lines = path.read_text().splitlines() if path.exists() else []
    others = [line for line in lines if json.loads(line)["cell"] != json.loads(json.dumps(asdict(cell)))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in [*others, json.dumps(result)]))
    return path
