"""The limits set for the clustering, beside the measured values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

OURS, NAIVE, FLOOR, PRODUCT = "selfcontrast", "normalise and einsum", "floor", "product of two rows"
CONTIGUOUS, CHANNELS_LAST = "contiguous", "channels last"
PAPER, TWICE, SMALL = "4 x 2048 x 60 x 60", "8 x 2048 x 60 x 60", "4 x 512 x 30 x 30"

Row = Mapping[str, Any]


class Bar(NamedTuple):
    """A measured value and its limit; `asked` says on which side of the limit it must stay."""

    measure: str
    asked: str
    limit: float
    measured: float

    def met(self) -> bool:
        return self.measured <= self.limit if self.asked == "at most" else self.measured >= self.limit


def bars(rows: Sequence[Row], kept: Mapping[str, Mapping[str, float]]) -> list[Bar]:
    """All bars, from a benchmark's rows and from the shares of labels that its `properties` found by size."""
    rows = [row for row in rows if "layout" in row]
    own = [row for row in rows if row["arm"] == OURS]
    return [
        *_speed(rows),
        *_peers(rows),
        *(
            _at_most(f"extra memory by input, {_place(row)}", 0.15, row["extra_memory"])
            for row in own
            if row["size"] == PAPER
        ),
        *(_at_least(f"labels equal to float64, {_place(row)}", 0.9995, row["labels_as_float64"]) for row in own),
        *(_at_least(f"{name}, {size}", 1.0, value) for size, one in kept.items() for name, value in one.items()),
        *_objective(rows, own),
    ]


def _speed(rows: Sequence[Row]) -> Iterator[Bar]:
    """At the paper's size and twice its batch: the plain k-means' time over ours."""
    for row in rows:
        if row["arm"] == NAIVE and row["size"] != SMALL:
            yield _at_least(f"{NAIVE} by ours, {_place(row)}", 5.0, row["times_ours"])


def _peers(rows: Sequence[Row]) -> Iterator[Bar]:
    """The fastest peer of every size and layout; at the small size only faiss has a limit."""
    peers = [row for row in rows if row["arm"] not in (NAIVE, PRODUCT) and not row["arm"].startswith(OURS)]
    for place in sorted({_place(row) for row in peers}):
        small = SMALL in place
        here = [row for row in peers if _place(row) == place and (not small or "faiss" in row["arm"])]
        for row in sorted(here, key=lambda row: row["times_ours"])[:1]:
            yield _at_least(f"fastest peer by ours, {place}: {row['arm']}", 1.0 if small else 1.4, row["times_ours"])


def _objective(rows: Sequence[Row], own: Sequence[Row]) -> Iterator[Bar]:
    ours = {_place(row): row["objective"] for row in own}
    for row in rows:
        if row["arm"].startswith("faiss"):
            distance = abs(row["objective"] / ours[_place(row)] - 1)
            yield _at_most(f"objective's relative distance from {row['arm']}, {_place(row)}", 1e-6, distance)


def _place(row: Row) -> str:
    return f"{row['size']}, {row['layout']}"


def _at_most(measure: str, limit: float, measured: float) -> Bar:
    return Bar(measure, "at most", limit, measured)


def _at_least(measure: str, limit: float, measured: float) -> Bar:
    return Bar(measure, "at least", limit, measured)
