"""Train the cells of an arm and a seed side by side, and read them along the way; the same command goes on.

python experiments/gpu/train.py --arm SCNet --seed 0 --pack runs/voc-small-224.zip --minutes 9

At each reading a line for each cell goes to RESULTS/gpu/ARM-seedSEED.jsonl, and the checkpoint to WORK/stacks. With
--minutes it stops at a reading, where the next one would come too late.
"""

import sys
from argparse import Namespace
from dataclasses import asdict
from math import inf
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).parents[1]))
from running import example_modules  # noqa: F401

# isort: split
from grid.cell import Cell
from grid.study import EPISODES
from recipe import Recipe
from running.folders import Folders
from runtime.command import run_command
from runtime.device import best_device
from runtime.environment import environment
from runtime.options import ExactParser, Range, check_choice
from tqdm import tqdm

from gpu.arms import ARMS, FOLDS, READINGS, gpu_cell
from gpu.device_features import DeviceFeatures
from gpu.packed_photographs import open_packed, unpack
from gpu.places import add_places
from gpu.reading import EvaluationData, labels_of, read_cell
from gpu.readings import Readings, Row
from gpu.stack import Stack


def train(given: Namespace) -> None:
    """Train from the last checkpoint to the last reading, or as far as the minutes allow."""
    started = monotonic()
    cells = cells_of(given)
    digests = [one.digest for one in cells]
    readings = Readings(given.results / "gpu" / f"{given.arm}-seed{given.seed}.jsonl", digests, given.readings)
    if readings.last() == given.readings[-1]:
        print(f"{readings.path}: finished")
        return
    recipes = recipes_of(given, cells)
    stack, data = prepare(given.arm, recipes)
    checkpoint = given.work / "stacks" / "-".join(digests) / "checkpoint.pt"
    done = stack.resume(checkpoint)
    readings.go_on_from(done)
    title = f"{given.arm}, seed {given.seed}, folds {' and '.join(map(str, given.folds))}"
    with tqdm(total=given.readings[-1], initial=done, desc=title, unit=" steps") as progress:
        for stop in [step for step in given.readings if step > done]:
            needed = readings.expected_seconds(done)
            left = 60 * given.minutes - (monotonic() - started)
            if needed > left:
                progress.write(
                    f"stopped after step {done}: the next reading needs {needed:.0f} s, and {left:.0f} s are left; the "
                    "same command goes on"
                )
                return
            readings.add(_stretch(stack, data, cells, recipes, (done, stop), progress))
            stack.save(checkpoint, stop)
            done = stop


def cells_of(given: Namespace) -> list[Cell]:
    """The cells that a command line means, a fold each."""
    steps, settings = given.readings[-1], given.settings
    episodes = {shot: max(given.episodes * count // EPISODES["1"], 1) for shot, count in EPISODES.items()}
    return [gpu_cell(given.arm, fold, given.seed, steps, episodes, **settings) for fold in given.folds]


def recipes_of(given: Namespace, cells: list[Cell]) -> list[Recipe]:
    """The cells' recipes on this machine; unpacks the photographs where they are not there yet."""
    folders = Folders(given.work, given.results, unpack(given.pack, given.work))
    return [folders.recipe(one) for one in cells]


def prepare(arm: str, recipes: list[Recipe]) -> tuple[Stack, EvaluationData]:
    """What training and reading need, on the device."""
    device = best_device()
    training, evaluation = open_packed(recipes[0], recipes[0].build_model().to(device).eval())
    features = DeviceFeatures(training.cache, training.images, device)
    data = EvaluationData(
        evaluation.images,
        DeviceFeatures(evaluation.cache, evaluation.images, device),
        labels_of(evaluation.images, recipes[0].size, device),
    )
    return Stack(recipes, ARMS[arm][0], training.images, features), data


def _stretch(
    stack: Stack, data: EvaluationData, cells: list[Cell], recipes: list[Recipe], steps: tuple[int, int], progress: tqdm
) -> list[Row]:
    """Train from the one step to the other, read every cell, and return the lines; seconds are those of all cells."""
    started = monotonic()
    loss = stack.train(*steps, progress)
    trained = monotonic()
    pairs = zip(stack.trained_models(), cells, recipes, strict=True)
    found = [read_cell(model, recipe, data, one.episodes) for model, one, recipe in pairs]
    seconds = {"training": round(trained - started, 2), "reading": round(monotonic() - trained, 2)}
    shared = {"loss": loss, "seconds": seconds, "environment": environment()}
    return [
        {"cell": asdict(one), "digest": one.digest, "step": steps[1], **figures, **shared}
        for one, figures in zip(cells, found, strict=True)
    ]


def parse(arguments: list[str] | None = None) -> Namespace:
    """What a command line says.

    Raises:
        ValueError: an option is unknown or outside its range.
    """
    parser = ExactParser(description=__doc__)
    parser.add_argument("--arm", required=True, help=", ".join(ARMS))
    parser.add_argument("--seed", type=int, required=True, help="of weights, episodes and draws")
    parser.add_argument("--folds", type=int, nargs="+", default=FOLDS, help="a cell each")
    parser.add_argument(
        "--readings", type=int, nargs="+", default=READINGS, help="steps; the last one ends the training"
    )
    parser.add_argument("--episodes", type=int, default=EPISODES["1"], help="1-shot episodes of a reading")
    parser.add_argument("--minutes", type=float, default=inf, help="stop at the last reading before they are over")
    add_places(parser)
    given = parser.parse_args(arguments)
    check_choice("arm", given.arm, tuple(ARMS))
    Range(0).check("seed", given.seed)
    Range(1).check("episodes", given.episodes)
    Range(0, above=True).check("minutes", given.minutes)
    for fold in given.folds:
        Range(0, 3).check("folds", fold)
    if given.readings[0] < 1 or sorted(set(given.readings)) != list(given.readings):
        raise ValueError(f"readings: expected ascending steps from 1 on, got {given.readings}; change --readings")
    return given


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    train(parse(arguments))


if __name__ == "__main__":
    run_command(main)
