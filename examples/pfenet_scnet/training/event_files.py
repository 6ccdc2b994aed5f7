"""TensorBoard's files of a run, below RUN/tensorboard, where `--tensorboard true` asks for them.

training      losses, learning rate and figures of the task, at the steps of metrics.jsonl
checkpoints   scores of the candidates, at the steps of selection.jsonl, and pictures of a few training episodes
result        the scores of the end, and the sheet

A run that goes on from a checkpoint purges what was written after it, so no step is shown twice.
"""

from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from model.pfenet import PFENet
from PIL import Image
from recipe import Recipe

from training.shown_episodes import ShownEpisodes

FOLDER = "tensorboard"
LOSSES = {"main_loss": "loss/L1", "contrast_loss": "loss/L2", "loss": "loss/blended", "lr": "learning_rate"}
SCORES = ("miou", "fb_iou")


def check_tensorboard() -> None:
    """Refuse to begin a run whose files could not be written.

    Raises:
        ImportError: the package is missing.
    """
    if find_spec("tensorboard") is None:
        raise ImportError(
            "tensorboard: expected the package that writes TensorBoard's files, got none; install it with: pip install "
            "tensorboard"
        )


class EventFiles:
    """Writes a run's files while it trains.

    Args:
        run: the run's folder.
        recipe: says which episodes are shown.
        start: the steps that were done before; what is there of later ones is purged.
    """

    def __init__(self, run: Path, recipe: Recipe, start: int) -> None:
        self._shown = ShownEpisodes(recipe)
        # A row of metrics.jsonl is of a step counted from 0, a checkpoint is after so many steps.
        self._training = _writer(run, "training", start)
        self._checkpoints = _writer(run, "checkpoints", start + 1)

    def step(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl; what is None there is left out."""
        for name, value in row.items():
            if name != "step" and value is not None:
                self._training.add_scalar(LOSSES.get(name, f"task/{name}"), value, row["step"])

    def checkpoint(self, model: PFENet, done: int, candidate: Mapping[str, float] | None) -> None:
        """Pictures, and a row of selection.jsonl where there is a new one; all is on disk when this returns."""
        if candidate:
            _add_scores(self._checkpoints, candidate, done)
        for name, picture in self._shown.pictures(model).items():
            self._checkpoints.add_image(name, picture, done)
        self._training.flush()
        self._checkpoints.flush()

    def close(self) -> None:
        """Write what is left."""
        self._training.close()
        self._checkpoints.close()


def write_result(run: Path, result: Mapping[str, Any], sheet: Path | None = None) -> None:
    """The scores of result.json, and the sheet where there is one, in the place of those of an earlier end."""
    # Purging would need the files' order, which their names do not keep within one second.
    for file in (run / FOLDER / "result").glob("events.out.tfevents.*"):
        file.unlink()
    with closing(_writer(run, "result", result["steps"])) as writer:
        _add_scores(writer, result, result["steps"])
        if sheet:
            with Image.open(sheet) as picture:
                writer.add_image("sheet", np.asarray(picture.convert("RGB")), result["steps"], dataformats="HWC")


def _writer(run: Path, part: str, purge_step: int) -> Any:
    # Only runs that ask for it pay for the import.
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / FOLDER / part), purge_step=purge_step)


def _add_scores(writer: Any, scores: Mapping[str, Any], step: int) -> None:
    for name in SCORES:
        writer.add_scalar(f"score/{name}", scores[name], step)
