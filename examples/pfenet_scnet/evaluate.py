"""Evaluate a run, or a published PFENet checkpoint, on its novel fold.

python examples/pfenet_scnet/evaluate.py RUN --shot 5 --episodes 1000
python examples/pfenet_scnet/evaluate.py RUN --seeds 1 2 3                        # mean and spread
python examples/pfenet_scnet/evaluate.py RUN --protocol bam                       # its episodes, truths and five seeds
python examples/pfenet_scnet/evaluate.py RUN --choose_offset true                 # a threshold from base classes too
python examples/pfenet_scnet/evaluate.py published.pth --protocol pfenet --recipe pascal_resnet50 --fold 2
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.image_list import ImageList
from evaluation.evaluator import episodes_of, evaluate, evaluate_seeds
from evaluation.metrics import Evaluation
from evaluation.protocols import PROTOCOLS
from evaluation.support_reliance import EVERY
from model.pfenet import PFENet
from recipe import Recipe, recipe_of
from reporting.report import report
from run_folder.contradictions import check_evaluation
from run_folder.weights import load_model
from runtime.atomic_files import check_writable, write_text_atomically
from runtime.command import run_command
from runtime.device import best_device
from runtime.options import ExactParser, check_seeds, given_options


class Asked(NamedTuple):
    """What the command line names.

    Attributes:
        target: a run's folder or a file of weights.
        recipe: to evaluate by.
        seeds: of the episodes.
        choose_offset: whether base classes are evaluated too, to choose a threshold.
    """

    target: Path
    recipe: Recipe
    seeds: list[int]
    choose_offset: bool


def asked(arguments: list[str]) -> Asked:
    """Read the command line.

    Raises:
        ValueError: an option is unknown or out of range, or contradicts the run.
    """
    parser = ExactParser(
        description=__doc__,
        epilog="Every option of train.py is one here too: --shot 5, --data DIR. What contradicts the run is refused.",
    )
    parser.add_argument("target", type=Path, help="a run's folder, or a file of weights, which needs --recipe")
    parser.add_argument("--seeds", type=int, nargs="+", help="which episodes; the scores are means over the seeds")
    parser.add_argument(
        "--choose_offset",
        choices=("true", "false"),
        default="false",
        help="evaluate base classes of held-out images too, and give the scores at the threshold that is best there",
    )
    given, options = parser.parse_known_args(arguments)
    check_seeds(given.seeds or (), "the same episodes twice are no spread")
    recipe = recipe_of(given.target, options).locate()
    if given.target.is_dir():
        check_evaluation(recipe, given.target)
    recipe, seeds = _by_protocol(recipe, given_options(options))
    return Asked(given.target, recipe, given.seeds or seeds, given.choose_offset == "true")


def _by_protocol(recipe: Recipe, given: set[str]) -> tuple[Recipe, list[int]]:
    """A protocol that the command line names brings its own count and seeds, unless others are given."""
    if "protocol" not in given:
        return recipe, [recipe.evaluation_seed]
    protocol = PROTOCOLS[recipe.protocol]
    episodes = recipe.episodes if "episodes" in given else protocol.count(recipe.evaluation_images())
    return replace(recipe, episodes=episodes), list(protocol.seeds)


def main(arguments: list[str]) -> None:
    """Evaluate what the command line names, print the table, and write the scores beside it."""
    target, recipe, seeds, choose_offset = asked(arguments)
    images = recipe.evaluation_images()
    episodes_of(recipe, images)
    if choose_offset:
        episodes_of(*_base_classes(recipe, images))
    path = _result_file(target, recipe, seeds, choose_offset)
    check_writable(path)
    model = load_model(target, recipe).to(best_device())
    origin = None if target.is_dir() else target.name
    novel = evaluate_seeds(model, recipe, images, seeds, supports=EVERY)
    result = report(recipe, novel, images, origin, _on_base_classes(model, recipe, images) if choose_offset else None)
    write_text_atomically(path, json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


def _on_base_classes(model: PFENet, recipe: Recipe, images: ImageList) -> Evaluation:
    print("base classes, on images that show no novel object:")
    return evaluate(model, *_base_classes(recipe, images))


def _base_classes(recipe: Recipe, images: ImageList) -> tuple[Recipe, ImageList, list[int]]:
    """What `evaluate` needs for them. Our protocol draws by class, so that few episodes cover every class."""
    return replace(recipe, protocol="ours"), images.without_novel(recipe.fold), images.base_classes(recipe.fold)


def _result_file(target: Path, recipe: Recipe, seeds: list[int], choose_offset: bool) -> Path:
    """A name that tells the evaluation from every other of the same weights."""
    data = f"{Path(recipe.data).name}-{recipe.held_out}-{recipe.split}-{recipe.size}px"
    seeded, chosen = "-".join(map(str, seeds)), "-chosen-offset" if choose_offset else ""
    name = f"evaluation-{data}-{recipe.protocol}-{recipe.shot}shot-{recipe.episodes}-seeds{seeded}{chosen}.json"
    return target / name if target.is_dir() else target.with_name(f"{target.stem}-{name}")


if __name__ == "__main__":
    run_command(main)
