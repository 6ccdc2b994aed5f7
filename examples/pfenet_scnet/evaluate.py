"""Evaluate a run, or a published PFENet checkpoint, on its novel fold.

python examples/pfenet_scnet/evaluate.py RUN --shot 5 --episodes 1000
python examples/pfenet_scnet/evaluate.py RUN --seeds 1 2 3                        # mean and spread
python examples/pfenet_scnet/evaluate.py RUN --protocol bam                       # its episodes, truths and five seeds
python examples/pfenet_scnet/evaluate.py published.pth --protocol pfenet --recipe pascal_resnet50 --fold 2
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from evaluation.evaluator import evaluate_seeds
from evaluation.protocols import PROTOCOLS
from recipe import Recipe, read_recipe
from reporting.report import report
from runtime.atomic_files import write_text_atomically
from training.checkpoint import load_weights


def asked(arguments: list[str] | None = None) -> tuple[Path, Recipe, list[int]]:
    """Read the command line: a run's folder or a file of weights, the recipe to evaluate by, and the seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every option of train.py is one here too and changes the recipe: --shot 5, --data DIR, --fold 2.",
    )
    parser.add_argument("target", type=Path, help="a run's folder, or a file of weights, which needs --recipe")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="default: the recipe's; brings its own count and seeds")
    parser.add_argument("--episodes", type=int, help="how many, for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", help="which episodes; the scores are means over the seeds")
    given, options = parser.parse_known_args(arguments)
    if not given.target.exists():
        parser.error(f"target: expected a run's folder or a file of weights, got {given.target}; check the path")
    if len(set(given.seeds or ())) < len(given.seeds or ()):
        parser.error(f"--seeds: expected each seed once, got {given.seeds}; the same episodes twice are no spread")
    saved = ["--recipe", str(given.target / "recipe.yaml")] if given.target.is_dir() else []
    recipe = read_recipe([*saved, *options]).resolve()
    seeds = [recipe.evaluation_seed]
    if given.protocol:
        protocol = PROTOCOLS[given.protocol]
        recipe = replace(recipe, protocol=given.protocol, episodes=protocol.count(recipe.evaluation_images()))
        seeds = list(protocol.seeds)
    return given.target, replace(recipe, episodes=given.episodes or recipe.episodes), given.seeds or seeds


def main(arguments: list[str] | None = None) -> None:
    """Evaluate what the command line names, print the table, and write the scores beside it."""
    target, recipe, seeds = asked(arguments)
    model = recipe.build_model().to("cuda" if torch.cuda.is_available() else "cpu")
    load_weights(target, model)
    images = recipe.evaluation_images()
    origin = None if target.is_dir() else target.name
    result = report(recipe, evaluate_seeds(model, recipe, images, seeds), images, origin)
    name = f"evaluation-{recipe.protocol}-{recipe.shot}shot-{recipe.episodes}-seeds{'-'.join(map(str, seeds))}.json"
    path = target / name if target.is_dir() else target.with_name(f"{target.stem}-{name}")
    write_text_atomically(path, json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
