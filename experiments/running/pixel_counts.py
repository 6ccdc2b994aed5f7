"""Which pixels a model calls foreground: counted by class and by what lies there, so that any score follows."""

from typing import Any

import torch
from evaluation.margin_counts import KINDS, UNLABELLED
from evaluation.metrics import FoldMeter
from torch import Tensor


class Counts:
    """Pixels by class, kind and prediction, summed over episodes.

    Args:
        classes: those that episodes segment.
        novel: the fold's novel classes.

    >>> counts = Counts([6], [6, 7])
    >>> counts.update(torch.tensor([[1, 1, 0, 1, 0]]), torch.tensor([[6, 7, 3, 0, 255]], dtype=torch.uint8), 6)
    >>> counts.report(["bus"])["pixels"]
    {'bus': {'background': [0, 1], 'base': [1, 0], 'novel': [0, 1], 'target': [0, 1]}}
    """

    def __init__(self, classes: list[int], novel: list[int]) -> None:
        self.classes = classes
        self.pixels = torch.zeros(len(classes), len(KINDS), 2, dtype=torch.int64)
        self._kinds = torch.full((256,), KINDS.index("base"))
        self._kinds[novel] = KINDS.index("novel")
        self._kinds[[0, 255]] = torch.tensor([KINDS.index("background"), UNLABELLED])

    def update(self, prediction: Tensor, labels: Tensor, target: int) -> None:
        """Add an episode: prediction (H, W) of 0 and 1, class indices (H, W), and the class that it segments."""
        kinds = torch.where(labels == target, KINDS.index("target"), self._kinds[labels.long()])
        counts = torch.bincount((2 * kinds + prediction.long()).flatten(), minlength=2 * UNLABELLED + 2)
        self.pixels[self.classes.index(target)] += counts[: 2 * UNLABELLED].view(-1, 2)

    def meter(self) -> FoldMeter:
        """The same sums as the example's meter has them, where all that is not the target is background."""
        meter = FoldMeter(self.classes)
        meter.pixels = torch.stack([self.pixels[:, :-1].sum(1), self.pixels[:, -1]], 1)
        return meter

    def report(self, names: list[str]) -> dict[str, Any]:
        """Scores in percent, and the pixels themselves: [called background, called foreground] by class and kind."""
        scores = self.meter().scores()
        missed, found = self.pixels[:, -1].sum(0).tolist()
        return {
            "miou": scores.miou,
            "fb_iou": scores.fb_iou,
            "class_iou": dict(zip(names, scores.class_iou.values(), strict=True)),
            "every_pixel_foreground_miou": self.meter().every_pixel_foreground(),
            "target_called_background_percent": 100 * missed / (missed + found),
            "false_positives": int(self.pixels[:, :-1, 1].sum()),
            "false_negatives": missed,
            "pixels": {
                name: dict(zip(KINDS, kinds, strict=True))
                for name, kinds in zip(names, self.pixels.tolist(), strict=True)
            },
        }
