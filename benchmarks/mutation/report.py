"""What came of the sample: figures of each part of the library, the share killed, and every mutant that lives."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from common.measure import Row, digits, spread

from mutation.sample import Mutant
from mutation.trial import Outcome

ASKED = 0.98


class Tried(NamedTuple):
    """A mutant, what came of it, and why nobody can notice it, where that is known."""

    mutant: Mutant
    outcome: Outcome
    why: str | None

    @property
    def state(self) -> str:
        """`killed`, `equivalent`, or `alive`, which a test should notice.

        A reason for a mutant that a test killed is wrong, and the mutant counts as killed.
        """
        if self.outcome.killed:
            return "killed"
        return "equivalent" if self.why else "alive"


STATES = ("killed", "equivalent", "alive")


def rows(tried: Sequence[Tried]) -> list[Row]:
    """How many mutants of each folder of the library are killed, equivalent and alive."""
    folders = sorted({_folder(one) for one in tried})
    return [
        {
            "arm": folder,
            "measure": state,
            **spread([sum(_folder(one) == folder and one.state == state for one in tried)]),
        }
        for folder in folders
        for state in STATES
    ]


def summary(tried: Sequence[Tried], asked: int) -> dict[str, Any]:
    """The totals, and the share of the mutants that are not equivalent and were killed."""
    counts = {state: sum(one.state == state for one in tried) for state in STATES}
    share = counts["killed"] / max(1, counts["killed"] + counts["alive"])
    return {
        "tried": len(tried),
        "of_a_sample_of": asked,
        "modules": len({one.mutant.module for one in tried}),
        **counts,
        "killed_of_those_not_equivalent": digits(share),
        "bars": [
            {
                "measure": "share killed of the mutants that are not equivalent",
                "asked": ASKED,
                "measured": digits(share),
                "met": share >= ASKED,
            }
        ],
    }


def details(tried: Sequence[Tried]) -> dict[str, Any]:
    """Every mutant: those that live with their lines and the reason, the others with the test that noticed them."""
    living = [one for one in tried if one.state != "killed"]
    return {
        **{state: [_shown(one) for one in living if one.state == state] for state in STATES[1:]},
        "killed": {_place(one.mutant): one.outcome.by for one in tried if one.state == "killed"},
    }


def _shown(one: Tried) -> dict[str, Any]:
    mutant = one.mutant
    change = {"module": mutant.module, "line": mutant.line, "before": mutant.before, "after": mutant.after}
    return change | {"operator": mutant.operator, "tests": one.outcome.by, "why": one.why or "not known"}


def _place(mutant: Mutant) -> str:
    return f"{mutant.module}:{mutant.line} {mutant.operator} {mutant.occurrence}"


def _folder(one: Tried) -> str:
    return PurePosixPath(one.mutant.module).parent.as_posix()
