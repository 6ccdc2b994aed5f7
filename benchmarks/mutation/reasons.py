"""Mutants that no test can notice, each with its reason: `equivalent.toml`, matched by text, not by line numbers."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mutation.sample import Mutant

FILE = Path(__file__).with_name("equivalent.toml")


class Reason(NamedTuple):
    """Why nobody can tell a mutant from the library.

    Attributes:
        module: its path from the root.
        before: the lines that change.
        after: what they become.
        why: the reason, in a sentence.
    """

    module: str
    before: str
    after: str
    why: str


def read_reasons(path: Path, sources: Mapping[str, str]) -> list[Reason]:
    """The reasons of a file.

    Raises:
        ValueError: an entry lacks a part, or names lines that its module does not hold.
    """
    reasons = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        if set(entry) != set(Reason._fields):
            raise ValueError(
                f"{path.name}: expected {', '.join(Reason._fields)}, got {', '.join(entry)}; mend the entry"
            )
        reason = Reason(**{name: text.strip() for name, text in entry.items()})
        if reason.before not in sources.get(reason.module, ""):
            raise ValueError(f"{path.name}: expected lines of {reason.module}, got {reason.before!r}; delete the entry")
        reasons.append(reason)
    return reasons


def reason_for(mutant: Mutant, reasons: Sequence[Reason]) -> str | None:
    """Why this mutant cannot be noticed, if that is known."""
    for reason in reasons:
        if (reason.module, reason.before, reason.after) == (mutant.module, mutant.before, mutant.after):
            return reason.why
    return None
