"""What one seed's episodes add up to, under each kind of supports."""

from collections.abc import Mapping, Sequence

import torch
from data.episodes import Episode
from data.transforms import mask_of
from torch import Tensor

from evaluation.margin_counts import MarginCounts
from evaluation.metrics import Evaluation, Reliance, ScoredEpisode, count_pixels
from evaluation.support_reliance import EMPTY, OTHER_CLASS, OWN


class Tally:
    """Counts of one seed.

    Args:
        classes: those of the episodes.
        novel: the fold's novel classes.
        supports: the kinds that each query is predicted with, the own ones among them.
        device: of the margins.
    """

    def __init__(
        self, classes: list[int], novel: list[int], supports: Sequence[str], device: torch.device | str = "cpu"
    ) -> None:
        self.counts = {kind: MarginCounts(classes, novel, torch.device(device)) for kind in supports}
        self.by_episode: list[ScoredEpisode] = []

    def update(self, episode: Episode, margins: Mapping[str, Tensor], labels: Tensor) -> None:
        """Add an episode: its margins (h, w) under each kind of supports, and class indices of the same shape."""
        target = torch.tensor([episode.novel_class], device=labels.device)
        for kind, counts in self.counts.items():
            counts.add(margins[kind][None], labels[None], target)
        pixels = count_pixels(margins[OWN] > 0, mask_of(labels, episode.novel_class))
        self.by_episode.append(ScoredEpisode(episode, pixels))

    def evaluation(self, seed: int, digest: str) -> Evaluation:
        """The scores; `reliance` where the supports were emptied too."""
        own, curves = self.counts[OWN].meter(), {kind: counts.curves() for kind, counts in self.counts.items()}
        miou = {kind: counts.meter().scores().miou for kind, counts in self.counts.items()}
        reliance = Reliance(miou.get(OTHER_CLASS), miou[EMPTY]) if EMPTY in miou else None
        rows = tuple(self.by_episode)
        return Evaluation(own.scores(), own.every_pixel_foreground(), seed, len(rows), digest, rows, reliance, curves)
