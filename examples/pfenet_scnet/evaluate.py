"""Evaluate a run, or a published PFENet checkpoint, on its novel fold.

python examples/pfenet_scnet/evaluate.py RUN --shot 5 --episodes 1000
python examples/pfenet_scnet/evaluate.py RUN --seeds 1 2 3                        # mean and spread
python examples/pfenet_scnet/evaluate.py RUN --protocol bam                       # its episodes, truths and five seeds
python examples/pfenet_scnet/evaluate.py published.pth --protocol pfenet --recipe pascal_resnet50 --fold 2
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from training.checkpoint import load_weights
from data.episodes import Episode, ImageList, digest
from runtime.atomic_files import write_text_atomically
from evaluation.metrics import Evaluation, FoldMeter
from model.pfenet import PFENet
from evaluation.protocols import PROTOCOLS
from recipe import Recipe, read_recipe
from reporting.report import report
from evaluation.shared_features import SharedFeatures, in_portions
from torch import Tensor
from tqdm import tqdm


def episodes_of(recipe: Recipe, images: ImageList, classes: list[int] | None = None) -> list[Episode]:
    """The evaluation's episodes, by default of the novel classes: the same for every run that shares list, fold, shot,
    protocol, seed and count."""
    draw = PROTOCOLS[recipe.protocol].draw
    return draw(images, classes or recipe.novel_classes(), recipe.shot, recipe.evaluation_seed, recipe.episodes)


def evaluate(model: PFENet, recipe: Recipe, images: ImageList, classes: list[int] | None = None) -> Evaluation:
    """Scores over the episodes of the recipe's seed, of `classes`, by default the novel ones."""
    return evaluate_seeds(model, recipe, images, [recipe.evaluation_seed], classes)[0]


@torch.no_grad()
def evaluate_seeds(
    model: PFENet, recipe: Recipe, images: ImageList, seeds: Sequence[int], classes: list[int] | None = None
) -> list[Evaluation]:
    """One evaluation a seed, all on the same backbone features; the model stays in eval mode."""
    model.eval()
    classes = classes or recipe.novel_classes()
    drawn = [episodes_of(replace(recipe, evaluation_seed=seed), images, classes) for seed in seeds]
    meters = [FoldMeter(classes) for _ in seeds]
    todo = [(episode, meter) for episodes, meter in zip(drawn, meters, strict=True) for episode in episodes]
    # A class's episodes share their images, so side by side they need the fewest backbone passes.
    todo.sort(key=lambda pair: pair[0].novel_class)
    predictions = _predictions(model, recipe, images, [episode for episode, _ in todo])
    for (episode, meter), (prediction, truth) in zip(todo, predictions, strict=True):
        meter.update(prediction, truth, episode.novel_class)
    return [
        Evaluation(meter.scores(), meter.every_pixel_foreground(), seed, len(episodes), digest(images, episodes))
        for meter, seed, episodes in zip(meters, seeds, drawn, strict=True)
    ]


def _predictions(
    model: PFENet, recipe: Recipe, images: ImageList, episodes: list[Episode]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Foreground (h, w) and truth of each episode, in order."""
    square = (recipe.size, recipe.size)
    with tqdm(total=len(episodes), desc=f"{recipe.shot}-shot evaluation", unit=" episodes") as progress:
        for portion in in_portions(episodes, _room(model, recipe)):
            shared = SharedFeatures(model, images, portion, PROTOCOLS[recipe.protocol], recipe.size, recipe.workers)
            for start in range(0, len(portion), recipe.batch):
                batch = portion[start : start + recipe.batch]
                logits = model.segment(shared.extracted(batch), square)
                for margin, episode in zip(logits[:, 1:] - logits[:, :1], batch, strict=True):
                    truth = shared.truth(episode)
                    resized = F.interpolate(margin[None], truth.shape, mode="bilinear", align_corners=True)
                    yield resized[0, 0] > 0, truth
                progress.update(len(batch))


def _room(model: PFENet, recipe: Recipe) -> int:
    """How many images' features `recipe.evaluation_memory` holds."""
    device = next(model.parameters()).device
    mid, layer3 = model.mid_level(torch.zeros(1, 3, recipe.size, recipe.size, device=device))
    return int(1e9 * recipe.evaluation_memory / (mid.nbytes + model.layer4(layer3).nbytes))


def asked(arguments: list[str] | None = None) -> tuple[Path, Recipe, list[int]]:
    """What the command line names: a run's folder or a file of weights, the recipe to evaluate by, and the seeds."""
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
