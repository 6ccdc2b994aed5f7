"""One cell of the grid: a whole training run and its evaluation, known by a digest of all that decides its result."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

Settings = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is trained and how it is judged; nothing about where files lie.

    Attributes:
        data: "photographs", the folder that the command line names; or the name of a drawing, where `recipe["hidden"]`
            says how many scenes hide a novel object. "scenes" is the drawing before "places".
        host: the model, a name in running/small_hosts.py.
        objective: what a step minimises, a name in running/objectives/.
        recipe: every setting of `Recipe` that can change the result, fold and seed among them.
        task: what the recipe leaves to the defaults of `SelfContrastiveAuxiliary`; empty where the task is off.
        classes: which are evaluated: "novel", or "base", on images without any novel object.
        episodes: how many, by the number of shots as a string, as JSON has it.
    """

    data: str
    host: str
    objective: str
    recipe: Settings
    task: Settings
    classes: str
    episodes: dict[str, int]

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that stand for the whole configuration; equal cells are one cell.

        >>> one = Cell("scenes", "PFENet", "blended", {"fold": 0, "steps": 9}, {}, "novel", {"1": 5})
        >>> one.digest == Cell("scenes", "PFENet", "blended", {"steps": 9, "fold": 0}, {}, "novel", {"1": 5}).digest
        True
        """
        configuration = {one.name: getattr(self, one.name) for one in fields(self)}
        return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:16]
