"""The committed comparison over many seeds, for whoever runs one pair by the very same recipe."""

import json
from pathlib import Path
from typing import Any

from recipe import Recipe

from comparison.summary import part_of_the_result

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "results" / "scenes_comparison.json"


def measured(recipe: Recipe, episodes_digest: str) -> dict[str, Any] | None:
    """What was measured over many seeds with this recipe and these episodes; None where nothing was."""
    if not COMMITTED.is_file():
        return None
    found = json.loads(COMMITTED.read_text(encoding="utf-8"))
    same = found["recipe"] == json.loads(json.dumps(part_of_the_result(recipe)))
    return found if same and found["episodes_digest"] == episodes_digest else None
