"""Pictures of a run: learning curves, and a sheet of query, truth, regions and predictions."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import EpisodeDataset, displayable
from evaluation.evaluator import episodes_of
from evaluation.protocols import PROTOCOLS
from matplotlib import pyplot
from model.pfenet import PFENet
from recipe import Recipe
from run_folder.rows import read_rows
from torch import Tensor

from selfcontrast import overlay_labels

matplotlib.use("Agg")

ROWS = 8


def draw_curves(run: Path) -> None:
    """`curves.png`: both losses over the steps, from metrics.jsonl."""
    rows = read_rows(run / "metrics.jsonl")
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for key, label in (("main_loss", "L1, support to query"), ("contrast_loss", "L2, self-contrastive")):
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label)
    axes.set(xlabel="step", ylabel="loss", title=run.name)
    axes.legend()
    figure.savefig(run / "curves.png", dpi=110)
    pyplot.close(figure)


def draw_sheet(run: Path, models: dict[str, PFENet], recipe: Recipe, images: ImageList) -> None:
    """`sheet.png`: the first episodes of the evaluation, a column for each model in `models`."""
    shown = episodes_of(recipe, images)[:ROWS]
    notes = [images.class_names[episode.novel_class - 1] for episode in shown]
    draw_episodes(run / "sheet.png", models, recipe, images, shown, notes)


@torch.no_grad()
def draw_episodes(
    path: Path,
    models: dict[str, PFENet],
    recipe: Recipe,
    images: ImageList,
    shown: Sequence[Episode],
    notes: Sequence[str],
) -> None:
    """Draw a row for each episode, with a note on its support."""
    dataset = EpisodeDataset(images, shown, PROTOCOLS[recipe.protocol].transform(recipe.size))
    titles = ["support", "query", "truth", "regions", *models]
    figure, grid = pyplot.subplots(
        len(shown), len(titles), figsize=(2 * len(titles), 2 * len(shown)), squeeze=False, layout="constrained"
    )
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title)
    samples = (dataset[i] for i in range(len(shown)))
    for row, sample, note in zip(grid, samples, notes, strict=True):
        for axis, picture in zip(row, _row(sample, list(models.values()), recipe), strict=True):
            axis.imshow(picture.permute(1, 2, 0).numpy())
            axis.set_axis_off()
        row[0].text(3, 14, note, color="white", backgroundcolor="black", fontsize=7)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def _row(sample: dict[str, Tensor], models: list[PFENet], recipe: Recipe) -> list[Tensor]:
    query, support = displayable(sample["query"]), displayable(sample["supports"][0])
    device = next(models[0].parameters()).device
    episode = [sample[key][None].to(device) for key in ("query", "supports", "support_masks")]
    logits = [model.eval()(*episode) for model in models]
    encoded = models[-1].encode(*episode)
    generator = torch.Generator().manual_seed(recipe.seed)
    regions = (
        recipe.build_auxiliary(generator)
        .contrast(
            encoded.features,
            encoded.high_level,
            sample["mask"][None].to(device),
            compare=models[-1].compare,
            prior=encoded.prior,
        )
        .regions[0]
    )
    in_region, region = regions.byte().max(0)
    return [
        overlay_labels(support, _foreground(sample["support_masks"][0])),
        query,
        overlay_labels(query, _foreground(sample["mask"])),
        overlay_labels(query, torch.where(in_region.bool(), region, -1).cpu()),
        *(overlay_labels(query, one[0].argmax(0).cpu() - 1) for one in logits),
    ]


def _foreground(mask: Tensor) -> Tensor:
    return torch.where(mask == 1, 0, -1)
