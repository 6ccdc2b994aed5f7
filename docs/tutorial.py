"""Run the blocks of docs/tutorial.md, keep the figures that they draw, and repeat their comparison with five seeds.

python docs/tutorial.py                            # into docs/pictures/tutorial, and the seeds' table into the page
"""

import json
import re
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "pfenet_scnet"))
# isort: split
import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from jsonargparse import auto_cli
from runtime.atomic_files import write_atomically, write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import Parser
from tqdm import tqdm

HERE = Path(__file__).parent
PAGE = HERE / "tutorial.md"
SEEDS = range(5)
# λ and steps. A step with the task passes through the comparison twice.
ARMS = {"baseline": (0, 150), "SCNet": (0.5, 150), "baseline, as many passes": (0, 300)}
Names = dict[str, Any]


def tutorial(out: Path = HERE / "pictures" / "tutorial") -> None:
    """Write the page's figures, tutorial.json with what the blocks printed and what they ran on, and the seeds' table.

    Args:
        out: the folder of the figures; those of the same names are replaced.
    """
    page = PAGE.read_text()
    with TemporaryDirectory() as work:
        names, printed = run_blocks(page, Path(work))
        drawn = {name: (Path(work) / name).read_bytes() for name in figures(page)}
    seeds = [_scores(names, seed) for seed in tqdm(SEEDS, desc="seeds")]
    for name, picture in drawn.items():
        write_atomically(out / name, lambda file, picture=picture: file.write(picture))
    made = {"printed": printed, "seeds": seeds, "environment": environment()}
    write_text_atomically(out / "tutorial.json", json.dumps(made, indent=2) + "\n")
    write_text_atomically(PAGE, with_table(PAGE.read_text(), seeds))


def run_blocks(page: str, work: Path) -> tuple[Names, list[str]]:
    """Run a page's Python blocks in order, in one namespace and in the folder `work`.

    Returns:
        The namespace, and the lines that the blocks printed.

    Raises:
        ValueError: a block does not draw the figures that follow it.
    """
    names: Names = {"__name__": "tutorial"}
    printed = StringIO()
    _, *parts = re.split(r"```python\n(.*?)```", page, flags=re.DOTALL)
    for block, text in zip(tqdm(parts[::2], desc="blocks"), parts[1::2], strict=True):
        with chdir(work), redirect_stdout(printed):
            exec(compile(block, str(PAGE), "exec"), names)
        missing = [name for name in figures(text) if not (work / name).is_file()]
        if missing:
            raise ValueError(f"{PAGE.name}: expected {missing[0]} from the block before it, got none; save it there")
    return names, printed.getvalue().splitlines()


def figures(text: str) -> list[str]:
    """The names of the tutorial's own figures in a part of the page.

    >>> figures("![a star](pictures/tutorial/star.jpg) ![a chart](pictures/readme/chart.png)")
    ['star.jpg']
    """
    return re.findall(r"\]\(pictures/tutorial/([\w.-]+\.(?:jpg|png))\)", text)


def with_table(page: str, seeds: list[dict[str, float]]) -> str:
    """The page with the table of the seeds between its markers."""
    columns = "".join(f" seed {row['seed']} |" for row in seeds)
    lines = [f"| IoU on novel classes, % |{columns} mean |", "|---|" + "---|" * (len(seeds) + 1)]
    for name in [name for name in seeds[0] if name != "seed"]:
        values = [row[name] for row in seeds]
        lines.append(f"| {name} |" + "".join(f" {value:.0f} |" for value in [*values, sum(values) / len(values)]))
    start, rest = page.split("<!-- spread -->\n")
    return start + "<!-- spread -->\n" + "\n".join(lines) + "\n" + rest[rest.index("<!-- /spread -->") :]


def _scores(names: Names, seed: int) -> dict[str, float]:
    """The mean IoU of each arm on each kind of training pictures, by the page's own functions."""
    row: dict[str, float] = {"seed": seed}
    usual = names["episodes"]
    for kind, episodes in (("", usual), (", nothing hidden", _nothing_hidden(names))):
        names["episodes"] = episodes
        for arm, (weight, steps) in ARMS.items():
            trained, _ = names["train"](weight, seed, steps)
            row[arm + kind] = round(names["score"](trained)[1].mean().item(), 2)
    names["episodes"] = usual
    return row


def _nothing_hidden(names: Names) -> list[Any]:
    """The page's training episodes, with a second base object where it hides a novel one."""
    base, extracted = names["BASE"], names["extracted"]
    return [extracted(base[n % 6], base[(n + 2) % 6], 100 + n) for n in range(len(names["episodes"]))]


if __name__ == "__main__":
    run_command(lambda words: auto_cli(tutorial, as_positional=False, args=words, parser_class=Parser))
