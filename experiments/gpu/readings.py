"""The lines of a stack's readings: which are there, and what the next stretch of steps will take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from run_folder.rows import read_rows, write_rows

Row = dict[str, Any]


class Readings:
    """The lines of the cells of a stack in one file, a line for each cell and reading.

    Args:
        path: of the file.
        digests: of the cells.
        steps: after which the cells are read, ascending.

    Raises:
        ValueError: the file holds lines of other cells.
    """

    def __init__(self, path: Path, digests: Sequence[str], steps: Sequence[int]) -> None:
        self.path = path
        self.steps = steps
        self.rows = read_rows(path)
        strange = sorted({row["digest"] for row in self.rows} - set(digests))
        if strange:
            raise ValueError(
                f"{path}: expected lines of {', '.join(digests)}, got {strange[0]}; name another --results"
            )

    def last(self) -> int:
        """The last step that was read; 0 before the first."""
        return max((row["step"] for row in self.rows), default=0)

    def go_on_from(self, step: int) -> None:
        """Leave out the lines of a reading whose checkpoint was not written any more.

        Raises:
            ValueError: more than one reading is later than the checkpoint.
        """
        later = sorted({row["step"] for row in self.rows if row["step"] > step})
        if len(later) > 1:
            raise ValueError(
                f"{self.path}: expected no reading after step {step}, where the checkpoint is, got {later[-1]}; name "
                "the --work folder with the later checkpoint, or another --results"
            )
        self.rows = [row for row in self.rows if row["step"] <= step]

    def add(self, rows: Sequence[Row]) -> None:
        """Add the lines of a reading; the file is written whole or not at all."""
        self.rows = [*self.rows, *rows]
        write_rows(self.path, self.rows)

    def expected_seconds(self, step: int) -> float:
        """From the reading after `step` steps to the end of the next one, as the last took; 0 before the first."""
        if not self.rows:
            return 0.0
        place = self.steps.index(step)
        before = self.steps[place - 1] if place else 0
        seconds = self.rows[-1]["seconds"]
        return seconds["training"] * (self.steps[place + 1] - step) / (step - before) + seconds["reading"]
