"""Scores of a model over the episodes of a recipe, on backbone features that all episodes share."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from data.episodes import Episode, digest
from data.image_list import ImageList
from model.pfenet import PFENet
from prediction.margins import at_size, margins
from recipe import Recipe
from torch import Tensor
from tqdm import tqdm

from evaluation.metrics import Evaluation, FoldMeter
from evaluation.protocols import PROTOCOLS
from evaluation.shared_features import SharedFeatures, in_portions


def episodes_of(recipe: Recipe, images: ImageList, classes: list[int] | None = None) -> list[Episode]:
    """The evaluation's episodes, by default of the novel classes.

    Runs that share list, fold, shot, protocol, seed and count get the same episodes.
    """
    draw = PROTOCOLS[recipe.protocol].draw
    return draw(images, classes or recipe.held_out_classes(), recipe.shot, recipe.evaluation_seed, recipe.episodes)


def evaluate(model: PFENet, recipe: Recipe, images: ImageList, classes: list[int] | None = None) -> Evaluation:
    """Scores over the episodes of the recipe's seed; `classes` are the novel ones by default."""
    return evaluate_seeds(model, recipe, images, [recipe.evaluation_seed], classes)[0]


@torch.no_grad()
def evaluate_seeds(
    model: PFENet, recipe: Recipe, images: ImageList, seeds: Sequence[int], classes: list[int] | None = None
) -> list[Evaluation]:
    """One evaluation for each seed, all on the same backbone features; the model stays in eval mode."""
    model.eval()
    classes = classes or recipe.held_out_classes()
    drawn = [episodes_of(replace(recipe, evaluation_seed=seed), images, classes) for seed in seeds]
    meters = [FoldMeter(classes) for _ in seeds]
    todo = [(episode, meter) for episodes, meter in zip(drawn, meters, strict=True) for episode in episodes]
    # Episodes of one class share images, so sorting by class needs the fewest backbone passes.
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
    with tqdm(total=len(episodes), desc=f"{recipe.shot}-shot evaluation", unit=" episodes") as progress:
        for portion in in_portions(episodes, _room(model, recipe)):
            shared = SharedFeatures(model, images, portion, PROTOCOLS[recipe.protocol], recipe.size, recipe.workers)
            for start in range(0, len(portion), recipe.batch):
                batch = portion[start : start + recipe.batch]
                found = margins(model, shared.extracted(batch), recipe.size)
                for margin, episode in zip(found, batch, strict=True):
                    truth = shared.truth(episode)
                    yield at_size(margin, truth.shape) > 0, truth
                progress.update(len(batch))


def _room(model: PFENet, recipe: Recipe) -> int:
    """How many images' features `recipe.evaluation_memory` holds."""
    device = next(model.parameters()).device
    mid, layer3 = model.mid_level(torch.zeros(1, 3, recipe.size, recipe.size, device=device))
    return int(1e9 * recipe.evaluation_memory / (mid.nbytes + model.layer4(layer3).nbytes))
