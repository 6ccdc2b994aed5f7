"""What a prediction writes: masks, overlays, probabilities and a table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from runtime.say import shown
from torch import Tensor

from prediction.query_pictures import Query
from selfcontrast import overlay_labels

PRINTED = 30
ROWS = 256
# Overlays are as large as photographs; more effort takes seconds each and saves little.
FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


class Row(NamedTuple):
    """A line of the table."""

    picture: str
    width: int
    height: int
    foreground_percent: float


def write_results(folder: Path, answer: tuple[Query, Tensor, Tensor], threshold: float, probabilities: bool) -> Row:
    """Write a picture's mask and overlay, and its probabilities if asked for; returns its line of the table.

    Args:
        answer: the query, its picture (3, h, w) uint8, and the probabilities (h, w).
        threshold: foreground is more probable than this.
    """
    query, image, probability = answer
    mask = probability > threshold
    _save(folder / "masks", query, mask.numpy().astype(np.uint8) * 255)
    _save(folder / "overlays", query, _overlay(image, mask).permute(1, 2, 0).numpy()[..., ::-1])
    if probabilities:
        _save(folder / "probabilities", query, (probability * 65535).round().numpy().astype(np.uint16))
    height, width = mask.shape
    return Row(shown(query.path), width, height, 100 * mask.sum().item() / mask.numel())


def as_csv(rows: Sequence[Row]) -> str:
    """The table as CSV with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows([*row[:3], f"{row.foreground_percent:.3f}"] for row in rows)
    return text.getvalue()


def as_text(rows: Sequence[Row]) -> str:
    """The first lines of the table, to print."""
    width = max(len(row.picture) for row in rows[:PRINTED])
    lines = [f"{'picture':{width}}  {'width':>6}  {'height':>6}  foreground %"]
    lines += [f"{one.picture:{width}}  {one.width:6}  {one.height:6}  {one.foreground_percent:12.1f}" for one in rows]
    more = [f"and {len(rows) - PRINTED} more"] if len(rows) > PRINTED else []
    return "\n".join(lines[: PRINTED + 1] + more)


def _overlay(image: Tensor, mask: Tensor) -> Tensor:
    """The picture with its foreground coloured, strip by strip: a large photograph at once would take gigabytes."""
    strips = zip(image.split(ROWS, 1), mask.split(ROWS), strict=True)
    return torch.cat([overlay_labels(part, foreground.long() - 1) for part, foreground in strips], 1)


def _save(folder: Path, query: Query, pixels: np.ndarray) -> None:
    path = folder / query.name.parent / f"{query.name.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(pixels), FAST)[1].tobytes())
