"""The paper's scores of PFENet and SCNet (Tables 1 and 2, in paper.csv), and where a run departs from the paper."""

import csv
from pathlib import Path
from typing import NamedTuple

from recipe import Recipe

CELLS = Path(__file__).parent / "paper.csv"


class Setting(NamedTuple):
    """One setting of the published runs: an attribute of `Recipe`, its value, and the source."""

    name: str
    value: object
    source: str


PAPER, CODE = "the paper says", "PFENet's code, on which the paper builds, has"
COMMON = (
    Setting("novel", "keep", CODE),
    Setting("min_pixels", 2048, CODE),
    Setting("channels", 256, CODE),
    Setting("scales", (60, 30, 15, 8), CODE),
    Setting("live_statistics", True, CODE),
    Setting("draw", "image", CODE),
    Setting("size", 473, PAPER),
    Setting("optimizer", "sgd", CODE),
    Setting("momentum", 0.9, PAPER),
    Setting("weight_decay", 1e-4, CODE),
    Setting("precision", "32-true", CODE),
    Setting("select", "novel", CODE),
    Setting("protocol", "pfenet", CODE),
    Setting("num_prototypes", 3, PAPER),
    Setting("partition", "kmeans", PAPER),
)
SETTINGS = {
    "PASCAL-5i": (
        Setting("split", "sequential", CODE),
        Setting("batch", 4, PAPER),
        Setting("epochs", 200, PAPER),
        Setting("learning_rate", 0.0025, f"{CODE} 0.0025 times ten, and the paper says"),
        Setting("episodes", 5000, PAPER),
        *COMMON,
    ),
    "COCO-20i": (
        Setting("split", "interleaved", CODE),
        Setting("batch", 8, PAPER),
        Setting("epochs", 50, PAPER),
        Setting("learning_rate", 0.005, f"{CODE} 0.005 times ten, and the paper says"),
        Setting("episodes", 20000, PAPER),
        *COMMON,
    ),
}
TRAINING_IMAGES = {"PASCAL-5i": 5953, "COCO-20i": 82081}


class Comparison(NamedTuple):
    """A run's mIoU beside the paper's, in percent; None where the paper prints no such cell."""

    method: str
    paper_miou: float | None
    difference: float | None
    departures: list[str]


def compare(recipe: Recipe, miou: float, listed: int) -> Comparison:
    """The paper's score that a run reproduces, and every known point where its protocol departs from the paper's.

    Args:
        recipe: a resolved recipe with a `benchmark`.
        miou: in percent.
        listed: images in the training list, before the fold's selection.
    """
    cell = paper_cell(recipe)
    difference = None if cell is None else round(miou - cell, 2)
    return Comparison(method_of(recipe), cell, difference, departures(recipe, listed))


def method_of(recipe: Recipe) -> str:
    return "PFENet" if recipe.weight == 0 else "SCNet"


def paper_cell(recipe: Recipe) -> float | None:
    """The mIoU that the paper prints for this benchmark, backbone, shot, method and fold."""
    wanted = (recipe.benchmark, recipe.backbone, str(recipe.shot), method_of(recipe))
    with CELLS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["benchmark"], row["backbone"], row["shot"], row["method"]) == wanted:
                return float(row[f"fold{recipe.fold}"])
    return None


def departures(recipe: Recipe, listed: int) -> list[str]:
    """One sentence for each departure: first the settings, then everything else."""
    found = [
        f"{one.name} is {_plain(getattr(recipe, one.name))}; {one.source} {_plain(one.value)}"
        for one in SETTINGS[recipe.benchmark]
        if _plain(getattr(recipe, one.name)) != _plain(one.value)
    ]
    if recipe.weight not in (0, 0.5):
        found.append(f"weight is {recipe.weight:g}; {PAPER} 0.5 for SCNet, and 0 is PFENet")
    if listed != TRAINING_IMAGES[recipe.benchmark]:
        found.append(f"the training list holds {listed} images; PFENet's {TRAINING_IMAGES[recipe.benchmark]}")
    if recipe.backbone_weights == "imagenet":
        found.append("the backbone's weights are torchvision's; PFENet has its own, and a deep stem in its ResNets")
    if recipe.benchmark == "COCO-20i":
        found.append(
            "images are scaled by 0.9 to 1.1, as on PASCAL-5i; on COCO PFENet's code has 0.8 to 1.25, and crops of 641 "
            f"pixels where {PAPER} 473"
        )
    if recipe.shot > 1:
        found.append("training episodes have one support; the paper does not say how its 5-shot models were trained")
    return [*found, "evaluation episodes are drawn by a seed of ours; the published ones were never written down"]


def _plain(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple | list) else str(value)


def say(recipe: Recipe, miou: float, comparison: Comparison) -> None:
    """Print the comparison."""
    cell = f"{recipe.benchmark}, {recipe.backbone}, fold {recipe.fold}, {recipe.shot}-shot, {comparison.method}"
    if comparison.paper_miou is None:
        print(f"{cell}: mIoU {miou:.1f}; the paper prints no such cell")
    else:
        print(
            f"{cell}: mIoU {miou:.1f}, the paper {comparison.paper_miou:.1f}, difference {comparison.difference:+.1f}"
        )
    print("the protocol departs from the paper's in:")
    for one in comparison.departures:
        print(f"  - {one}")
