"""What all benchmarks share: interleaved rounds, medians with their spread, a printed table, one JSON file."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

ROOT = Path(__file__).parents[2]
# A rehearsal writes into a folder of its own.
RESULTS = Path(os.environ.get("SELFCONTRAST_RESULTS") or ROOT / "benchmarks" / "results")
sys.path[:0] = [str(ROOT / "examples" / "pfenet_scnet")]

from runtime.atomic_files import write_atomically, write_text_atomically  # noqa: E402
from runtime.environment import environment  # noqa: E402

Row = dict[str, Any]


class Timed(NamedTuple):
    """What an arm's first call returned, and the seconds of its rounds."""

    first: Any
    seconds: list[float]


def interleave(arms: Mapping[str, Callable[[], Any]], rounds: int, budget: float = float("inf")) -> dict[str, Timed]:
    """Time arms in turn, A B C A B C, so that other work on the machine disturbs all arms alike.

    Args:
        arms: what to call; the first call of each is a warm-up.
        rounds: timed calls of each arm.
        budget: seconds; an arm whose timed calls together took longer sits out the rounds that are left.
    """
    timed = {name: Timed(arm(), []) for name, arm in arms.items()}
    for _ in range(rounds):
        for name, arm in arms.items():
            if sum(timed[name].seconds) <= budget:
                started = time.perf_counter()
                arm()
                timed[name].seconds.append(time.perf_counter() - started)
    return timed


def waiting(call: Callable[[], Any], device: str) -> Callable[[], Any]:
    """The call, which returns only when the device has finished."""

    def timed() -> Any:
        result = call()
        if device == "cuda":
            torch.cuda.synchronize()
        return result

    return timed


def processor_seconds() -> float:
    """Processor seconds of this process and of ended loader processes, since the start."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def spread(values: Sequence[float]) -> Row:
    """The four figures of every row: median, minimum and maximum to four digits, and the number of rounds."""
    return {
        "median": digits(median(values)),
        "min": digits(min(values)),
        "max": digits(max(values)),
        "rounds": len(values),
    }


def digits(value: float) -> float:
    """Round to four significant digits; more would be noise.

    >>> digits(0.123456)
    0.1235
    """
    return float(f"{value:.4g}")


def use_threads(count: int | None) -> int:
    """Set the threads of torch and of libraries that are imported later; by default one for every core."""
    count = count or os.cpu_count() or 1
    torch.set_num_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)
    return count


def command() -> str:
    """The command line, with only the last part of the data folder's path."""
    data = os.environ.get("SELFCONTRAST_VOC")
    given = [f"SELFCONTRAST_VOC={Path(data).name}"] if data else []
    script = Path(sys.argv[0]).resolve()
    inside = ROOT / "benchmarks" in script.parents
    name = script.relative_to(ROOT / "benchmarks").as_posix() if inside else script.name
    return " ".join([*given, f"python benchmarks/{name}", *sys.argv[1:]])


def machine(packages: Sequence[str] = ()) -> dict[str, Any]:
    """`environment()` with the processor, its load, and the versions of `packages`."""
    about = {"processor": _processor(), "cores": os.cpu_count(), "load": [round(load, 2) for load in os.getloadavg()]}
    return environment() | about | {name: version(name) for name in packages}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def publish(name: str, report: Mapping[str, Any], columns: Sequence[str]) -> Path:
    """Print `columns` of the rows and the summary, and write the report to results/NAME.json."""
    print_table(report["rows"], columns)
    for title, part in report.get("summary", {}).items():
        _print_part(title, part)
    path = RESULTS / f"{name}.json"
    write_text_atomically(path, json.dumps(report, indent=2) + "\n")
    print(f"written: {path}")
    return path


def publish_picture(name: str, figure: Any) -> None:
    """Write a matplotlib figure to results/NAME.png."""
    write_atomically(RESULTS / f"{name}.png", lambda file: figure.savefig(file, format="png", dpi=110))


def _print_part(name: str, part: Any) -> None:
    """Print a list of rows as a table, anything else as JSON."""
    if isinstance(part, list):
        print(f"\n{name}")
        print_table(part, list(part[0]))
    else:
        print(f"{name}: {json.dumps(part, indent=2)}")


def print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Print aligned columns; a missing value is a dash, and a row without figures says why."""
    cells = [list(columns)] + [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line, row in zip(cells, [{}, *rows], strict=True):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(f"{padded}  {row.get('not_run', '')}".rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
