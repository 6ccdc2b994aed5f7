"""Fold mIoU and FB-IoU by summed intersections and unions, as the published code counts them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FoldScores:
    """Scores in percent: mean IoU over the fold's classes, FB-IoU, and each class's IoU (None: no pixel seen)."""

    miou: float
    fb_iou: float
    class_iou: dict[int, float | None]


class FoldMeter:
    """Sums intersections and unions over all episodes of a fold.

    >>> meter = FoldMeter([6, 7])
    >>> meter.update(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 0, 0, 255]]), 6)
    >>> meter.update(torch.tensor([[1, 1]]), torch.tensor([[1, 1]]), 7)
    >>> scores = meter.scores()
    >>> scores.class_iou, scores.miou, round(scores.fb_iou, 2)
    ({6: 50.0, 7: 100.0}, 75.0, 62.5)
    """

    def __init__(self, classes: list[int]) -> None:
        self.classes = classes
        # Rows: classes. Columns: background, foreground.
        self.intersection = torch.zeros(len(classes), 2, dtype=torch.float64)
        self.union = torch.zeros(len(classes), 2, dtype=torch.float64)

    def update(self, prediction: Tensor, truth: Tensor, novel_class: int) -> None:
        """Add one episode: prediction and truth (H, W) of 0 and 1; where the truth is 255 nothing counts."""
        if prediction.shape != truth.shape:
            raise ValueError(
                f"prediction: expected the truth's shape {tuple(truth.shape)}, got {tuple(prediction.shape)}; "
                "resize the logits to the truth first"
            )
        row = self.classes.index(novel_class)
        labelled = truth != 255
        for value in (0, 1):
            predicted, true = (prediction == value) & labelled, truth == value
            self.intersection[row, value] += (predicted & true).sum().item()
            self.union[row, value] += (predicted | true).sum().item()

    def scores(self) -> FoldScores:
        """A class that no episode showed has no IoU and stays out of the mean."""
        iou = 100 * self.intersection[:, 1] / self.union[:, 1]
        seen = self.union[:, 1] > 0
        if not seen.any():
            raise ValueError("FoldMeter: expected at least one episode with foreground, got none; update it first")
        sums = 100 * self.intersection.sum(0) / self.union.sum(0)
        per_class = {c: round(float(v), 4) if s else None for c, v, s in zip(self.classes, iou, seen, strict=True)}
        return FoldScores(float(iou[seen].mean()), float(sums[~sums.isnan()].mean()), per_class)
