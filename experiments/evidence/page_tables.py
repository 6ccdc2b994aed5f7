"""Rows in markdown: what stands between a study's two markers of its page in docs/evidence/."""

from collections.abc import Sequence
from typing import Any

from grid.study import FOLDS
from running.pixel_counts import KINDS

NOT_RUN = "not run yet"
TITLES = {"miou": "mIoU", "fb_iou": "FB-IoU"}
Row = dict[str, Any]


def block(report: Row, picture: str | None) -> str:
    """The tables of a study's report, see `assemble.report_of`, and a link to its figure where there is one."""
    if not report["cells"]:
        return NOT_RUN
    parts = [
        _state(report),
        _hidden(report["hidden_share_percent"]),
        _scores(report["scores"]),
        _gains("gain", report["gains"]),
        _gains("change of the gain", report["trends"]),
        _verdicts(report["verdicts"]),
        _errors(report["errors"]),
    ]
    parts += [_paper(report["paper"]), f"![{report['study']}]({picture})" if picture else ""]
    return "\n\n".join(part for part in parts if part)


def budget_block(rows: Sequence[Row]) -> str:
    """The grid's budget, see grid/budget.py."""
    header = ["study", "cells", "not in a study above", "seconds a cell, assumed", "hours on two cores, assumed"]
    header += ["cells finished", "seconds a cell, measured", "hours on two cores, measured"]
    return table(header, [_budget_line(row) for row in rows])


def _budget_line(row: Row) -> list[str]:
    planned = [str(row[key]) for key in ("study", "cells", "new", "seconds", "hours", "finished")]
    return planned + ([str(row["measured"]), str(row["hours_measured"])] if row["finished"] else [NOT_RUN, NOT_RUN])


def purity_block(report: Row | None) -> str:
    """How much of its region a hidden object fills, see ../purity.py."""
    if report is None:
        return NOT_RUN
    counts = list(report["rows"][0]["purity"])
    header = [
        "training images",
        "fold",
        "images looked at",
        "hidden cells in a region, an image",
        *(f"n = {n}, %" for n in counts),
    ]
    return table(
        header,
        [
            [row["data"], str(row["fold"]), str(row["images"]), number_cell(row["hidden_cells"])]
            + [number_cell(row["purity"][n]) for n in counts]
            for row in report["rows"]
        ],
    )


def repeated_block(rows: Sequence[Row]) -> str:
    """Gains of pairs that were run twice, see repeated.py."""
    if not rows:
        return NOT_RUN
    header = ["1-shot mIoU", "study", "pairs", "gain, first run", "gain, on another machine", "difference"]
    header += ["a pair's gain moves by up to", "a score moves by up to"]
    return table(
        header,
        [
            [
                f"{row['arm']} − {row['against']}",
                row["study"],
                str(row["pairs"]),
                *(f"{value:+.1f}" for value in (row["first"], row["again"], row["again"] - row["first"])),
                *(f"{row[what]:.1f}" for what in ("pair", "score")),
            ]
            for row in rows
        ],
    )


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """
    >>> print(table(["arm", "mIoU"], [["PFENet", "1.0"]]))
    | arm | mIoU |
    |---|---|
    | PFENet | 1.0 |
    """
    rows = [list(header), *map(list, lines)]
    text = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([text[0], "|" + "---|" * len(header), *text[1:]])


def _state(report: Row) -> str:
    whole = f"{report['cells']} of {report['wanted']} cells, seeds {', '.join(map(str, report['seeds']))}"
    if not report["missing"]:
        return f"{whole}."
    absent = "; ".join(f"{arm}: {have}" for arm, have in report["missing"].items())
    return f"**Incomplete**: {whole}. {absent}."


def _hidden(shares: dict[str, dict[str, float]]) -> str:
    """A line for each set of training images that arms have in common."""
    arms: dict[str, list[str]] = {}
    for arm, folds in shares.items():
        line = ", ".join(f"fold {fold} {folds[fold]:.1f} %" for fold in sorted(folds))
        arms.setdefault(line, []).append(arm)
    whose = {line: f" ({'; '.join(some)})" if len(arms) > 1 else "" for line, some in arms.items()}
    return "\n".join(f"Training images that hide a novel object{whose[line]}: {line}.\n" for line in arms).rstrip()


def _scores(rows: Sequence[Row]) -> str:
    header = ["arm", "shots", "measure", *(f"fold {fold}" for fold in FOLDS), "mean of the folds"]
    return table(
        header,
        [
            [
                row["arm"],
                row["shot"],
                TITLES[row["measure"]],
                *score_cells(row),
            ]
            for row in rows
        ],
    )


def _gains(title: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    header = [title, "shots", "measure", *(f"fold {fold}" for fold in FOLDS), "over the folds", "above 0"]
    return table(
        header,
        [
            [
                f"for {row['unit']}" if "unit" in row else f"{row['arm']} − {row['against']}",
                row["shot"],
                TITLES[row["measure"]],
                *gain_cells(row),
            ]
            for row in rows
        ],
    )


def _verdicts(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    header = ["1-shot mIoU", "on the folds that choose", "on the others", "kept"]
    return table(
        header,
        [
            [
                f"{row['arm']} − {row['against']}",
                gain_cell(row["chosen"]),
                gain_cell(row["confirmed"]),
                "yes" if row["kept"] else "no",
            ]
            for row in rows
        ],
    )


def _errors(rows: Sequence[Row]) -> str:
    header = ["arm", "shots", "target called background, %"]
    header += [f"{kind} called foreground, %" for kind in ("background", "base objects", "other novel objects")]
    order = (KINDS[-1], *KINDS[:-1])
    return table(header, [[row["arm"], row["shot"], *(number_cell(row[kind]) for kind in order)] for row in rows])


def _paper(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    header = ["the paper, ResNet-50", "its table", *(f"fold {fold}" for fold in FOLDS), "mean as printed", "gain"]
    names = [*(f"fold{fold}" for fold in FOLDS), "mean"]
    return table(
        header,
        [
            [
                row["arm"],
                row["table"],
                *(row[name] for name in names),
                "" if row["gain"] is None else f"{row['gain']:+.1f}",
            ]
            for row in rows
        ],
    )


def score_cells(row: Row) -> list[str]:
    """A score of each fold, and their mean."""
    return [*(number_cell(row["folds"].get(str(fold))) for fold in FOLDS), number_cell(row["all"])]


def gain_cells(row: Row) -> list[str]:
    """A gain of each fold, that over the folds, and how many pairs lie above 0."""
    part = "" if len(row["folds"]) == len(FOLDS) else f" ({len(row['folds'])} folds)"
    each, over_all = [gain_cell(row["folds"].get(str(fold))) for fold in FOLDS], row["all"]
    return [*each, gain_cell(over_all) + part, f"{over_all['won']} of {over_all['pairs']}"]


def number_cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def gain_cell(one: Row | None) -> str:
    if one is None:
        return "–"
    interval = "" if one["low"] is None else f" [{one['low']:+.1f}, {one['high']:+.1f}]"
    return f"{one['mean']:+.1f}{interval}"
