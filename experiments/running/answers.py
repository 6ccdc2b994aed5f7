"""What a trained model answers to each kind of prototype: its mean probability of foreground, there and elsewhere.

It tells whether a comparison compares. A model that matches answers high where map and pixel belong together, low where
they do not. One that only tells background from objects answers the same whatever the map holds.
"""

from collections.abc import Iterator, Sequence

import torch
from data.episodes import Episode
from data.transforms import mask_of
from model.pfenet import Encoded, Extracted, PFENet
from torch import Tensor

from running.kept_features import KeptFeatures
from running.small_hosts import Cosine
from selfcontrast import SelfContrastiveAuxiliary, masked_average_pool
from selfcontrast.contrast import Prepared
from selfcontrast.prototypes import foreground_cells, place_prototypes, resize_nearest

# Which prototype stands at every pixel of the map; all but the host's pass see the prior of the task's pass.
HOST, OWN, OWN_BY_SUPPORT = "the host's pass", "own map", "own map through the support's encoder"
OTHER_IMAGE, OTHER_REGION, FOREGROUND = "another image's background", "another region's", "the foreground's own"
PROTOTYPES = (HOST, OWN, OWN_BY_SUPPORT, OTHER_IMAGE, OTHER_REGION, FOREGROUND)

Answers = dict[str, dict[str, float | None]]


@torch.no_grad()
def answers(
    model: PFENet, kept: KeptFeatures, episodes: Sequence[Episode], size: int, batch: int = 4
) -> Answers | None:
    """By kind of prototype the mean probability of foreground at cells of background and of foreground.

    None stands where a kind has no such cell. A cosine host, which also needs a prototype of the support's background,
    has no answers.

    Args:
        size: side in pixels of the square that masks are resized to.
        batch: at least 2, for another image's prototype.
    """
    if isinstance(model, Cosine):
        return None
    model.eval()
    sums = {kind: torch.zeros(2, 2, dtype=torch.float64) for kind in PROTOTYPES}
    for part in _pairs_or_more(episodes, batch):
        for kind, probability, cells in _answered(model, kept.extracted(part), _masks(kept, part, size)):
            for place, where in enumerate(cells):
                sums[kind][place] += torch.stack([(probability * where).sum(), where.sum()]).double()
    return {
        kind: {
            name: (found / count).item() if count else None
            for name, (found, count) in zip(("background", "foreground"), one, strict=True)
        }
        for kind, one in sums.items()
    }


def _pairs_or_more(episodes: Sequence[Episode], batch: int) -> Iterator[Sequence[Episode]]:
    """Batches; a last single episode, which has no other image beside it, is left out."""
    for start in range(0, len(episodes), batch):
        if len(part := episodes[start : start + batch]) > 1:
            yield part


def _masks(kept: KeptFeatures, episodes: Sequence[Episode], size: int) -> Tensor:
    """M of the queries, (B, size, size): 1 target, 0 all else, 255 unlabelled."""
    masks = (mask_of(kept.labels(episode.query), episode.novel_class).long() for episode in episodes)
    return torch.stack([resize_nearest(mask, (size, size)) for mask in masks])


def _answered(model: PFENet, extracted: Extracted, mask: Tensor) -> Iterator[tuple[str, Tensor, tuple[Tensor, Tensor]]]:
    """By kind of prototype the probabilities (B, h, w) and the cells that count: of background, of foreground."""
    encoded = model.reduce(extracted)
    prepared = SelfContrastiveAuxiliary().prepare(encoded.features, encoded.high_level, mask)
    size = (encoded.features.shape[2], encoded.features.shape[3])
    foreground, background = foreground_cells(mask, size), prepared.regions.any(1)
    yield HOST, _probability(model, encoded, encoded.prototype_map, encoded.prior), (background, foreground)

    neutral = torch.full_like(encoded.prior, 0.5)

    def answer(prototype_map: Tensor) -> Tensor:
        return _probability(model, encoded, prototype_map, neutral)

    nowhere = torch.zeros_like(foreground)
    exists = prepared.regions.flatten(2).any(2)
    any_foreground = foreground & exists.any(1)[:, None, None]
    yield OWN, answer(prepared.prototype_map), (background, any_foreground)
    by_support = masked_average_pool(model.down_supp(extracted.mid), prepared.regions)
    yield OWN_BY_SUPPORT, answer(place_prototypes(by_support, prepared.held)), (background, any_foreground)
    pooled = masked_average_pool(encoded.features, torch.stack([background, foreground], 1))
    of_other = pooled[:, 0].roll(1, 0)[:, :, None, None].expand_as(encoded.features)
    known = background.flatten(1).any(1).roll(1, 0)[:, None, None]
    yield OTHER_IMAGE, answer(of_other), (background & known, foreground & known)
    moved, possible = _next_region(prepared, exists)
    yield OTHER_REGION, answer(place_prototypes(prepared.prototypes, moved)), (background & possible, nowhere)
    own = pooled[:, 1][:, :, None, None].expand_as(encoded.features)
    yield FOREGROUND, answer(own), (nowhere, foreground)


def _next_region(prepared: Prepared, exists: Tensor) -> tuple[Tensor, Tensor]:
    """For each cell the next region that exists after its own, and whether its image has another one at all."""
    moved = prepared.held.clone()
    for image, there in enumerate(exists):
        present = there.nonzero().flatten().tolist()
        for place, region in enumerate(present):
            moved[image][prepared.held[image] == region] = present[(place + 1) % len(present)]
    return moved, (exists.sum(1) > 1)[:, None, None]


def _probability(model: PFENet, encoded: Encoded, prototype_map: Tensor, prior: Tensor) -> Tensor:
    """Of foreground at each cell, (B, h, w)."""
    return model.compare(encoded.features, prototype_map, prior)[0].softmax(1)[:, 1]
