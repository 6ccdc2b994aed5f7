"""Train PFENet without and with SCNet's task on the same episodes, and show both side by side.

python examples/pfenet_scnet/compare.py                                   # drawn scenes, minutes on two cores
python examples/pfenet_scnet/compare.py --seeds 0 1 2 3 4                 # five pairs of runs: mean and interval
SELFCONTRAST_VOC=DIR python examples/pfenet_scnet/compare.py              # photographs in VOC's layout
python examples/pfenet_scnet/compare.py --resume true                     # go on where it stopped
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from comparison.carrying_out import carry_out
from comparison.chart import draw_seeds
from comparison.measured import measured
from comparison.pairs import Pair, check_runs, comparison_folder, pairs_of
from comparison.summary import Compared, compared, summary
from comparison.table import table
from comparison.worth import heading, worth
from lightning_fabric import Fabric
from recipe import Recipe, read_recipe
from reporting.pictures import draw_sheet
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import ExactParser, check_seeds, given_options
from training.fit import start_fabric


def asked(arguments: list[str]) -> tuple[Recipe, list[int]]:
    """Read the command line: the recipe that both runs share, and the seeds.

    Raises:
        ValueError: an option is unknown, out of range, or leaves nothing to compare.
    """
    parser = ExactParser(
        description=__doc__,
        epilog="Every option of train.py is one here too: --steps 400, --data DIR. --out names a folder for the "
        "comparison and both runs, --baseline a run of weight 0 that is there already. Without --recipe and data the "
        "recipe is scenes: recipes/scenes.yaml.",
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="a pair of runs for each; by default the one of --seed")
    given, words = parser.parse_known_args(arguments)
    seeds = given.seeds or []
    check_seeds(seeds, "a pair that is run twice is no second pair")
    named = given_options(words)
    if seeds and "seed" in named:
        raise ValueError("seed: expected none beside --seeds, got one; leave --seed out")
    if len(seeds) > 1 and "baseline" in named:
        raise ValueError(f"baseline: expected none beside {len(seeds)} seeds, got one; each seed has its own baseline")
    drawn = not named & {"recipe", "data"} and not os.environ.get("SELFCONTRAST_VOC")
    recipe = read_recipe([*(["--recipe", "scenes"] if drawn else []), *words])
    if recipe.weight == 0:
        raise ValueError("weight: expected more than 0, got 0; the run without the task is trained beside it anyway")
    return recipe, seeds or [recipe.seed]


def main(arguments: list[str]) -> None:
    """Carry out the runs that are missing, draw, and say what the difference is worth."""
    recipe, seeds = asked(arguments)
    _check_alone()
    pairs = pairs_of(recipe, seeds)
    check_runs(pairs)
    folder = comparison_folder(recipe, pairs)
    try:
        conclude(folder, pairs, start_fabric(recipe.precision))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("add --resume true to the same command to go on") from None


def conclude(folder: Path, pairs: Sequence[Pair], fabric: Fabric) -> None:
    """Compare the runs of every seed, and write comparison.json and comparison.png."""
    images = pairs[0].scnet.evaluation_images()
    found: list[Compared] = []
    for pair in pairs:
        arms = carry_out(pair, fabric, images)
        found.append(compared(pair.seed, *arms.values()))
    first = found[0]
    folder.mkdir(parents=True, exist_ok=True)
    models = {"baseline": first.baseline.model(fabric), "SCNet": first.scnet.model(fabric)}
    draw_sheet(folder / "comparison.png", models, first.scnet.recipe, images, heading(first))
    if len(found) > 1:
        draw_seeds(folder / "seeds.png", found)
    sentences = worth(found, measured(first.scnet.recipe, first.baseline.evaluation.digest))
    content = summary(found, images, sentences, environment())
    write_text_atomically(folder / "comparison.json", json.dumps(content, indent=2) + "\n")
    print(f"\n{table(found, images)}\n")
    print("\n".join(sentences))
    print(f"written: {folder}/comparison.png, comparison.json{', seeds.png' if len(found) > 1 else ''}")


def _check_alone() -> None:
    """Many processes would train one run together, but each would evaluate and draw.

    Raises:
        ValueError: torchrun started more than one.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise ValueError(
            f"torchrun: expected one process, got {processes}; train both runs with torchrun train.py, without and "
            "with --weight 0, and compare.py takes them as they are"
        )


if __name__ == "__main__":
    run_command(main)
