"""Compute the features of the packed photographs once, before several trainings read them.

python experiments/gpu/features.py --pack runs/voc-small-224.zip
"""

import sys
from argparse import Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from running import example_modules  # noqa: F401

# isort: split
from running.folders import Folders
from runtime.command import run_command
from runtime.device import best_device
from runtime.options import ExactParser

from gpu.arms import ARMS, FOLDS, READINGS, SEEDS, gpu_cell
from gpu.packed_photographs import open_packed, unpack
from gpu.places import add_places


def compute(given: Namespace) -> None:
    """Unpack the photographs and fill both caches, unless they are there. Every cell has the same features."""
    folders = Folders(given.work, given.results, unpack(given.pack, given.work))
    recipe = folders.recipe(gpu_cell(next(iter(ARMS)), FOLDS[0], SEEDS[0], READINGS[-1], **given.settings))
    open_packed(recipe, recipe.build_model().to(best_device()).eval())


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = ExactParser(description=__doc__)
    add_places(parser)
    compute(parser.parse_args(arguments))


if __name__ == "__main__":
    run_command(main)
