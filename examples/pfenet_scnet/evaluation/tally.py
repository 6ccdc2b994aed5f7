"""What one seed's episodes add up to, under each kind of supports."""

from collections.abc import Mapping, Sequence

from data.episodes import Episode
from torch import Tensor

from evaluation.metrics import Evaluation, FoldMeter, Reliance, ScoredEpisode
from evaluation.support_reliance import EMPTY, OTHER_CLASS, OWN


class Tally:
    """Counts of one seed.

    Args:
        classes: those of the episodes.
        supports: the kinds that each query is predicted with, the own ones among them.
    """

    def __init__(self, classes: list[int], supports: Sequence[str]) -> None:
        self.meters = {kind: FoldMeter(classes) for kind in supports}
        self.by_episode: list[ScoredEpisode] = []

    def update(self, episode: Episode, answers: Mapping[str, Tensor], truth: Tensor) -> None:
        """Add an episode: its foreground (h, w) under each kind of supports, and the truth."""
        counted = {kind: meter.update(answers[kind], truth, episode.novel_class) for kind, meter in self.meters.items()}
        self.by_episode.append(ScoredEpisode(episode, counted[OWN]))

    def evaluation(self, seed: int, digest: str) -> Evaluation:
        """The scores; `reliance` where the supports were emptied too."""
        own = self.meters[OWN]
        miou = {kind: meter.scores().miou for kind, meter in self.meters.items()}
        reliance = Reliance(miou.get(OTHER_CLASS), miou[EMPTY]) if EMPTY in miou else None
        rows = tuple(self.by_episode)
        return Evaluation(own.scores(), own.every_pixel_foreground(), seed, len(rows), digest, rows, reliance)
