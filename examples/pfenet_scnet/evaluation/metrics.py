"""Fold mIoU and FB-IoU from summed intersections and unions, as in the published code."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from data.episodes import Episode
from torch import Tensor


class ScoredEpisode(NamedTuple):
    """An episode and the pixels of its query, (2, 2) int64: by truth and by prediction, 0 background, 1 foreground."""

    episode: Episode
    pixels: Tensor


@dataclass(frozen=True)
class FoldScores:
    """Scores in percent: mean IoU over the fold's classes, FB-IoU, and each class's IoU (None: no pixel seen)."""

    miou: float
    fb_iou: float
    class_iou: dict[int, float | None]


class Reliance(NamedTuple):
    """mIoU of the same queries and truths with other supports, in percent, see support_reliance.py.

    `other_class` is None where there is only one class.
    """

    other_class: float | None
    empty: float


class Evaluation(NamedTuple):
    """A model's scores on one seed's episodes.

    `chance` is the mIoU of calling every pixel foreground; a model that learnt anything beats it. `by_episode` holds
    the episodes with their pixels, sorted by class. `reliance` is None where it was not asked for. `curves` are
    those of margin_counts.py, by kind of supports.
    """

    scores: FoldScores
    chance: float
    seed: int
    episodes: int
    digest: str
    by_episode: tuple[ScoredEpisode, ...] = ()
    reliance: Reliance | None = None
    curves: Mapping[str, dict[str, Any]] = MappingProxyType({})


def count_pixels(prediction: Tensor, truth: Tensor) -> Tensor:
    """Pixels (2, 2) int64 by truth and by prediction, which are of one shape; where the truth is 255 none counts.

    Raises:
        ValueError: the shapes are not the same.

    >>> count_pixels(torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 0, 255]))
    tensor([[1, 1],
            [0, 1]])
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f"prediction: expected the truth's shape {tuple(truth.shape)}, got {tuple(prediction.shape)}; "
            "resize the logits to the truth first"
        )
    codes = torch.where(truth == 255, 4, 2 * truth.to(torch.uint8) + prediction.to(torch.uint8))
    return torch.bincount(codes.flatten(), minlength=5)[:4].view(2, 2).cpu()


def foreground_iou(pixels: Tensor) -> float | None:
    """IoU of the foreground in percent, of pixels that `count_pixels` counted; None where it is nowhere and not found.

    >>> foreground_iou(torch.tensor([[5, 1], [2, 3]])), foreground_iou(torch.tensor([[5, 0], [0, 0]]))
    (50.0, None)
    """
    (_, added), (missed, hit) = pixels.tolist()
    union = added + missed + hit
    return 100 * hit / union if union else None


class FoldMeter:
    """Sums intersections and unions over all episodes of a fold.

    >>> meter = FoldMeter([6, 7])
    >>> meter.update(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 0, 0, 255]]), 6)
    tensor([[1, 1],
            [0, 1]])
    >>> _ = meter.update(torch.tensor([[1, 1]]), torch.tensor([[1, 1]]), 7)
    >>> scores = meter.scores()
    >>> scores.class_iou, scores.miou, round(scores.fb_iou, 2)
    ({6: 50.0, 7: 100.0}, 75.0, 62.5)
    """

    def __init__(self, classes: list[int]) -> None:
        self.classes = classes
        # By class, truth and prediction.
        self.pixels = torch.zeros(len(classes), 2, 2, dtype=torch.int64)

    def update(self, prediction: Tensor, truth: Tensor, novel_class: int) -> Tensor:
        """Add one episode, prediction and truth (H, W) of 0 and 1, and return its pixels; see `count_pixels`."""
        counts = count_pixels(prediction, truth)
        self.pixels[self.classes.index(novel_class)] += counts
        return counts

    def scores(self) -> FoldScores:
        """A class that no episode showed has no IoU and stays out of the mean."""
        intersection = self.pixels.diagonal(dim1=1, dim2=2).double()
        union = self.pixels.sum(1) + self.pixels.sum(2) - intersection
        seen = union[:, 1] > 0
        if not seen.any():
            raise ValueError("FoldMeter: expected at least one episode with foreground, got none; update it first")
        iou = 100 * intersection[:, 1] / union[:, 1]
        sums = 100 * intersection.sum(0) / union.sum(0)
        per_class = {c: round(float(v), 4) if s else None for c, v, s in zip(self.classes, iou, seen, strict=True)}
        return FoldScores(float(iou[seen].mean()), float(sums[~sums.isnan()].mean()), per_class)

    def every_pixel_foreground(self) -> float:
        """The mIoU of calling every pixel foreground; a model that learnt anything beats it."""
        everywhere = FoldMeter(self.classes)
        everywhere.pixels[:, :, 1] = self.pixels.sum(2)
        return everywhere.scores().miou
