"""Scores of a model over the episodes of a recipe, on backbone features that all episodes share."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from data.episodes import Episode, digest
from data.image_list import ImageList
from data.transforms import mask_of
from model.pfenet import Extracted, PFENet
from prediction.margins import at_size, margins
from recipe import Recipe
from torch import Tensor
from tqdm import tqdm

from evaluation.metrics import Evaluation
from evaluation.protocols import PROTOCOLS
from evaluation.shared_features import SharedFeatures, Trial, in_portions
from evaluation.support_reliance import EMPTY, OTHER_CLASS, OWN, draw_lenders, without_supports
from evaluation.tally import Tally


def episodes_of(recipe: Recipe, images: ImageList, classes: list[int] | None = None) -> list[Episode]:
    """The evaluation's episodes, by default of the novel classes.

    Runs that share list, fold, shot, protocol, seed and count get the same episodes.
    """
    draw = PROTOCOLS[recipe.protocol].draw
    return draw(images, classes or recipe.held_out_classes(), recipe.shot, recipe.evaluation_seed, recipe.episodes)


def evaluate(
    model: PFENet,
    recipe: Recipe,
    images: ImageList,
    classes: list[int] | None = None,
    supports: Sequence[str] = (OWN,),
) -> Evaluation:
    """Scores over the episodes of the recipe's seed; `classes` are the novel ones by default."""
    return evaluate_seeds(model, recipe, images, [recipe.evaluation_seed], classes, supports)[0]


@torch.no_grad()
def evaluate_seeds(
    model: PFENet,
    recipe: Recipe,
    images: ImageList,
    seeds: Sequence[int],
    classes: list[int] | None = None,
    supports: Sequence[str] = (OWN,),
) -> list[Evaluation]:
    """One evaluation for each seed, all on the same backbone features; the model stays in eval mode.

    Args:
        supports: which supports the queries are predicted with. With `EVERY` of support_reliance.py each evaluation
            says how far the model relies on its supports.
    """
    model.eval()
    classes = classes or recipe.held_out_classes()
    drawn = [episodes_of(replace(recipe, evaluation_seed=seed), images, classes) for seed in seeds]
    lenders = [draw_lenders(*pair) for pair in zip(drawn, seeds, strict=True)] if OTHER_CLASS in supports else []
    if not all(lenders):
        supports, lenders = [kind for kind in supports if kind != OTHER_CLASS], []
    device = next(model.parameters()).device
    tallies = [Tally(classes, recipe.held_out_classes(), supports, device) for _ in seeds]
    todo = [
        (Trial(episode, lenders[place][index] if lenders else None), tallies[place])
        for place, episodes in enumerate(drawn)
        for index, episode in enumerate(episodes)
    ]
    # Episodes of one class share images, so sorting by class needs the fewest backbone passes.
    todo.sort(key=lambda pair: pair[0].episode.novel_class)
    found = _margins(model, recipe, images, [trial for trial, _ in todo], supports)
    for (trial, tally), (its_margins, labels) in zip(todo, found, strict=True):
        tally.update(trial.episode, its_margins, labels)
    return [
        tally.evaluation(seed, digest(images, episodes))
        for tally, seed, episodes in zip(tallies, seeds, drawn, strict=True)
    ]


def predictions(
    model: PFENet, recipe: Recipe, images: ImageList, episodes: Sequence[Episode], title: str | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Foreground (h, w) and truth of each episode, in order, as they are scored; `title` stands before the bar."""
    found = _margins(model, recipe, images, [Trial(episode) for episode in episodes], (OWN,), title)
    pairs = zip(episodes, found, strict=True)
    return ((one[OWN] > 0, mask_of(labels, episode.novel_class)) for episode, (one, labels) in pairs)


@torch.no_grad()
def _margins(
    model: PFENet,
    recipe: Recipe,
    images: ImageList,
    trials: Sequence[Trial],
    supports: Sequence[str],
    title: str | None = None,
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Margins (h, w) under each kind of supports, and class indices (h, w) of each trial's query, in order."""
    with tqdm(total=len(trials), desc=title or f"{recipe.shot}-shot evaluation", unit=" episodes") as progress:
        for portion in in_portions(trials, _room(model, recipe)):
            episodes, lenders = [one.episode for one in portion], [one.lender for one in portion if one.lender]
            protocol = PROTOCOLS[recipe.protocol]
            shared = SharedFeatures(model, images, episodes, protocol, recipe.size, recipe.workers, lenders)
            for start in range(0, len(portion), recipe.batch):
                batch = portion[start : start + recipe.batch]
                found = {kind: margins(model, _shown(shared, batch, kind), recipe.size) for kind in supports}
                for place, (episode, _) in enumerate(batch):
                    labels = shared.labels[episode.query]
                    yield {kind: at_size(margin[place], labels.shape) for kind, margin in found.items()}, labels
                progress.update(len(batch))


def _shown(shared: SharedFeatures, batch: Sequence[Trial], kind: str) -> Extracted:
    """A batch with one kind of supports."""
    episodes = [trial.episode for trial in batch]
    if kind == OTHER_CLASS:
        return shared.extracted(episodes, [trial.lender for trial in batch if trial.lender])
    return without_supports(shared.extracted(episodes)) if kind == EMPTY else shared.extracted(episodes)


def _room(model: PFENet, recipe: Recipe) -> int:
    """How many images' features `recipe.evaluation_memory` holds."""
    device = next(model.parameters()).device
    mid, layer3 = model.mid_level(torch.zeros(1, 3, recipe.size, recipe.size, device=device))
    return int(1e9 * recipe.evaluation_memory / (mid.nbytes + model.layer4(layer3).nbytes))
