"""Does a model look at its supports? The mIoU with the right ones, less the mIoU with others, on the same queries.

With other supports neither query nor truth changes. A model that reads its supports then loses much, and a model that
finds whatever looks like an object loses nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from data.episodes import Episode
from model.pfenet import Extracted
from torch import Tensor

from evaluation.metrics import FoldMeter, Reliance

# Which supports an episode is predicted with.
OWN, OTHER_CLASS, EMPTY = "own", "other class", "empty"
EVERY = (OWN, OTHER_CLASS, EMPTY)

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


class Sample(NamedTuple):
    """An episode as tensors.

    Attributes:
        query: (3, H, W).
        supports: (S, 3, H, W).
        masks: of the supports, (S, H, W), with 1 for the foreground.
        truth: of the query, (h, w) of 0, 1 and 255, at any size.
    """

    query: Tensor
    supports: Tensor
    masks: Tensor
    truth: Tensor


def draw_lenders(episodes: Sequence[Episode], seed: int) -> list[Episode] | None:
    """For each episode another one of another class, whose supports stand in for its own.

    The class is drawn uniformly among the other classes, then one of its episodes, none of whose supports is the
    query's picture. Lenders come from the same evaluation, so that they cost no backbone pass. None if an episode has
    no lender, as where all episodes are of one class.

    >>> draw_lenders([Episode(1, 0, (1,)), Episode(2, 2, (3,))], seed=0)
    [Episode(novel_class=2, query=2, supports=(3,)), Episode(novel_class=1, query=0, supports=(1,))]
    """
    # Episodes are drawn by the seed and the shot; with their count in its place the draws have nothing in common.
    random = np.random.default_rng([seed, len(episodes)])
    by_class: dict[int, list[Episode]] = {}
    for episode in episodes:
        by_class.setdefault(episode.novel_class, []).append(episode)
    lenders: list[Episode] = []
    for episode in episodes:
        others = random.permutation([c for c in sorted(by_class) if c != episode.novel_class]).tolist()
        found = (_lender(episode, by_class[c], random) for c in others)
        lender = next((one for one in found if one is not None), None)
        if lender is None:
            return None
        lenders.append(lender)
    return lenders


def _lender(episode: Episode, pool: list[Episode], random: np.random.Generator) -> Episode | None:
    """The first that can lend, from a drawn place on."""
    start = int(random.integers(len(pool)))
    turns = (pool[(start + step) % len(pool)] for step in range(len(pool)))
    return next((one for one in turns if episode.query not in one.supports), None)


def without_supports(extracted: Extracted) -> Extracted:
    """The same queries with empty support masks: no pixel of a support is foreground.

    PFENet's prototype is then 0 in every channel, and its prior mask is 0 everywhere.
    """
    return extracted._replace(
        support_high_level=torch.zeros_like(extracted.support_high_level),
        support_masks=torch.zeros_like(extracted.support_masks),
    )


@torch.no_grad()
def support_reliance(
    predict: Predict, episodes: Sequence[Episode], samples: Iterable[Sample] | Sequence[Sample], seed: int = 0
) -> tuple[float, Reliance]:
    """The mIoU of any model, and its mIoU with supports of another class and with empty masks, in percent.

    Args:
        predict: (query (1, 3, H, W), supports (1, S, 3, H, W), masks (1, S, H, W)) → logits (1, 2, h, w) of background
            and foreground, on any grid.
        episodes: whose classes and numbers of pictures decide which episode lends which its supports.
        samples: the episodes' tensors; `samples[i]` is asked for more than once.
        seed: of the draw.

    Raises:
        ValueError: there are not as many samples as episodes.
    """
    if len(samples) != len(episodes):
        raise ValueError(
            f"samples: expected one for each of the {len(episodes)} episodes, got {len(samples)}; give both in the "
            "same order"
        )
    places = {episode: place for place, episode in enumerate(episodes)}
    lenders = draw_lenders(episodes, seed)
    kinds = EVERY if lenders else (OWN, EMPTY)
    meters = {kind: FoldMeter(sorted({episode.novel_class for episode in episodes})) for kind in kinds}
    for place, episode in enumerate(episodes):
        sample = samples[place]
        shown = {OWN: sample[1:3], EMPTY: (sample.supports, torch.zeros_like(sample.masks))}
        if lenders:
            shown[OTHER_CLASS] = samples[places[lenders[place]]][1:3]
        for kind, (supports, masks) in shown.items():
            logits = predict(sample.query[None], supports[None], masks[None])
            logits = F.interpolate(logits, sample.truth.shape, mode="bilinear", align_corners=True)
            meters[kind].update(logits[0, 1] > logits[0, 0], sample.truth, episode.novel_class)
    miou = {kind: meter.scores().miou for kind, meter in meters.items()}
    return miou[OWN], Reliance(miou.get(OTHER_CLASS), miou[EMPTY])
