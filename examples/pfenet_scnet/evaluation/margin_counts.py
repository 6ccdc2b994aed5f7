"""Scores that a threshold cannot buy: pixels counted by class, by what lies there and by margin.

A margin is the foreground's logit less the background's; foreground is where it exceeds an offset. From one count of
all margins follow mIoU and FB-IoU at every offset, and what is called foreground where equally much is found.
"""

import torch
from torch import Tensor

from evaluation.metrics import FoldMeter

OFFSETS = tuple(place / 4 for place in range(-12, 13))
# Percent of the target's pixels.
RECALLS = (50, 60, 70)
# What can lie under a pixel of an episode's query: nothing labelled, an object of a base class, of another novel class,
# or of the episode's own. Unlabelled pixels are counted nowhere.
KINDS = ("background", "base", "novel", "target")
TARGET, UNLABELLED = KINDS.index("target"), len(KINDS)
# Margins are counted in bins of 1/20 within ±12; those further out fall into the first and the last one.
REACH, BINS_OF_ONE = 12, 20
BINS = 2 * REACH * BINS_OF_ONE + 2
Curves = dict[str, list[float] | dict[str, float | None]]


class MarginCounts:
    """Counts over episodes, on a device.

    Args:
        classes: those that the episodes segment.
        novel: the fold's novel classes.
        device: of the margins.

    >>> counts = MarginCounts([6], [6, 7], torch.device("cpu"))
    >>> margins, labels = torch.tensor([[[0.3, 0.1, -0.2, 0.0, 9.0]]]), torch.tensor([[[6, 7, 3, 0, 255]]])
    >>> counts.add(margins, labels, torch.tensor([6]))
    >>> curves = counts.curves()
    >>> [curves[name][OFFSETS.index(0)] for name in ("target_found", "novel_called", "base_called", "miou")]
    [100.0, 100.0, 0.0, 50.0]
    """

    def __init__(self, classes: list[int], novel: list[int], device: torch.device) -> None:
        self.classes = classes
        self.pixels = torch.zeros(len(classes) * (len(KINDS) + 1) * BINS, dtype=torch.int64, device=device)
        kinds, places = torch.full((256,), KINDS.index("base")), torch.zeros(256, dtype=torch.int64)
        kinds[novel] = KINDS.index("novel")
        kinds[[0, 255]] = torch.tensor([KINDS.index("background"), UNLABELLED])
        places[classes] = torch.arange(len(classes))
        self._kinds, self._places = kinds.to(device), places.to(device)

    def add(self, margins: Tensor, labels: Tensor, targets: Tensor) -> None:
        """Add episodes: margins (N, H, W), class indices of the same shape, and the classes (N,) that they segment."""
        # Multiplied before anything is added: a margin just above an offset would be rounded to it. One that is just
        # the offset falls below it. `fmax` puts one that is no number below all.
        bins = (margins * BINS_OF_ONE).ceil().add_(REACH * BINS_OF_ONE)
        bins = torch.fmax(bins, bins.new_zeros(())).clamp_(max=BINS - 1).long()
        targets = targets[:, None, None]
        kinds = torch.where(labels == targets, TARGET, self._kinds[labels.long()])
        codes = (self._places[targets] * (len(KINDS) + 1) + kinds) * BINS + bins
        self.pixels += torch.bincount(codes.flatten(), minlength=len(self.pixels))

    def meter(self, offset: float = 0.0) -> FoldMeter:
        """The sums at one of `OFFSETS` as `FoldMeter` has them, where all that is not the target is background."""
        return self._meter(self._above(), _column(offset))

    def curves(self) -> Curves:
        """Scores and shares in percent, a value for each of `OFFSETS`; and the base objects' share at equal recall."""
        above, columns = self._above(), [_column(offset) for offset in OFFSETS]
        scores = [self._meter(above, column).scores() for column in columns]
        shares = _shares(above)
        names = {"target_found": "target"} | {f"{kind}_called": kind for kind in KINDS if kind != "target"}
        called = {name: shares[KINDS.index(kind), columns].tolist() for name, kind in names.items()}
        return {
            "miou": [one.miou for one in scores],
            "fb_iou": [one.fb_iou for one in scores],
            **called,
            "base_called_at_recall": {str(recall): _at_recall(above, recall) for recall in RECALLS},
        }

    def _above(self) -> Tensor:
        """Pixels by class, kind and threshold, (K, kinds, thresholds): those with a margin above it.

        The last column is the number of all pixels.
        """
        pixels = self.pixels.view(len(self.classes), -1, BINS)[:, :UNLABELLED].cpu()
        reached = pixels.flip(2).cumsum(2).flip(2)
        return torch.cat([reached[:, :, 1:], reached[:, :, :1]], 2)

    def _meter(self, above: Tensor, column: int) -> FoldMeter:
        meter = FoldMeter(self.classes)
        called, everything = above[:, :, column], above[:, :, -1]
        by_prediction = torch.stack([everything - called, called], 2)
        meter.pixels = torch.stack([by_prediction[:, :TARGET].sum(1), by_prediction[:, TARGET]], 1)
        return meter


def best_offset(scores: list[float]) -> float:
    """The offset with the highest of the scores, one for each of `OFFSETS`.

    Of equal ones it is the nearest to 0, and of those the lower.

    >>> best_offset([0.0] * 11 + [7.0, 0.0, 7.0] + [0.0] * 11)
    -0.25
    """
    pairs = zip(scores, OFFSETS, strict=True)
    return max(pairs, key=lambda pair: (pair[0], -abs(pair[1]), -pair[1]))[1]


def _column(offset: float) -> int:
    return round((offset + REACH) * BINS_OF_ONE)


def _shares(above: Tensor) -> Tensor:
    """Percent of the pixels of each kind above each threshold, (kinds, thresholds); 0 where there are none."""
    summed = above.sum(0).double()
    return 100 * summed[:, :-1] / summed[:, -1:].clamp(min=1)


def _at_recall(above: Tensor, recall: float) -> float | None:
    """The base objects' share where that much of the target is found, linear between thresholds.

    None where the target is found more or less than that at every threshold, or no object of a base class is shown.
    """
    shares, base_kind = _shares(above), KINDS.index("base")
    found, base = shares[TARGET], shares[base_kind]
    if not (found[-1] <= recall <= found[0] and above[:, base_kind, -1].any()):
        return None
    after = int((found >= recall).sum().clamp(max=len(found) - 1))
    step = float(found[after - 1] - found[after])
    part = float(found[after - 1] - recall) / step if step else 0.0
    return float(base[after - 1] + part * (base[after] - base[after - 1]))
