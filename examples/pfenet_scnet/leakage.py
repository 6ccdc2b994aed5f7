"""How many training images hide objects of the novel classes as background: the paper's Fig. 2 for any list.

python examples/pfenet_scnet/leakage.py data/pascal --out leakage.png
python examples/pfenet_scnet/leakage.py data/coco --split interleaved
"""

import errno
import json
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.folds import FOLDS, Split
from data.image_list import ImageList, read_list
from jsonargparse import auto_cli
from matplotlib import pyplot
from runtime.atomic_files import write_picture_atomically, write_text_atomically
from runtime.command import run_command
from runtime.options import Parser, Range


class Leakage(NamedTuple):
    """How many training images a fold has, and two shares in percent.

    `hidden` is the share of images that hide a novel object. `pairs` is the share of novel classes among all
    (image, class) pairs, as we read the caption of the paper's Fig. 2.
    """

    images: int
    hidden: float
    pairs: float


def measure(images: ImageList, fold: int) -> Leakage:
    """Count a fold's training images, none dropped."""
    usable = images.training(fold, "keep")
    novel = set(images.novel_classes(fold))
    shown = [c for item in usable.items for c in item.pixels]
    return Leakage(
        len(usable.items), usable.hidden_share(fold), 100 * sum(c in novel for c in shown) / max(len(shown), 1)
    )


def main(
    data: Path,
    name: str = "train",
    split: str = "sequential",
    folds: int = FOLDS,
    min_pixels: int = 2048,
    skip_damaged: bool = False,
    out: Path | None = None,
) -> list[Leakage]:
    """Print the shares of each fold, and draw them.

    Args:
        data: a folder that prepare.py wrote, or any VOC layout.
        name: a list in ImageSets/Segmentation, or the path of a list.
        split: "sequential" or "interleaved" folds.
        folds: how many nearly equal parts the classes are cut into.
        min_pixels: an (image, class) pair counts from so many pixels on, for an image to be usable.
        skip_damaged: leave out pictures and masks that are damaged, and say how many.
        out: where to draw the bar chart; the numbers lie beside it as .json.
    """
    Range(1).check("min_pixels", min_pixels)
    Range(2).check("folds", folds)
    # A mistyped folder is not made.
    if out and not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out))
    images = read_list(data, name, min_pixels, Split(split, folds), skip_damaged)
    shares = [measure(images, fold) for fold in range(folds)]
    print(f"{len(images.items)} images of {name}, {split} folds")
    print("fold   training images   hide a novel object   novel among (image, class) pairs")
    for fold, share in enumerate(shares):
        print(f"{fold:>4}   {share.images:>15}   {share.hidden:>17.1f} %   {share.pairs:>30.1f} %")
    if out:
        # Matplotlib would add the ending without a word.
        out = out if out.suffix else out.with_suffix(".png")
        draw(shares, out)
        found = {"data": data.name, "list": name, "split": split, "min_pixels": min_pixels}
        found |= {"folds": [share._asdict() for share in shares]}
        write_text_atomically(out.with_suffix(".json"), json.dumps(found, indent=2) + "\n")
        print(f"written: {out} and {out.with_suffix('.json')}")
    return shares


def draw(shares: list[Leakage], out: Path) -> None:
    """Draw two bars for each fold."""
    pyplot.switch_backend("Agg")
    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    for side, (label, values) in enumerate(
        (
            ("images that hide a novel object", [share.hidden for share in shares]),
            ("novel among (image, class) pairs", [share.pairs for share in shares]),
        )
    ):
        bars = axes.bar([fold + 0.4 * side - 0.2 for fold in range(len(shares))], values, 0.38, label=label)
        axes.bar_label(bars, fmt="%.1f")
    axes.set(xlabel="fold", ylabel="% of the training side", xticks=range(len(shares)))
    axes.margins(y=0.3)
    axes.legend(loc="upper left")
    write_picture_atomically(out, partial(figure.savefig, format=out.suffix[1:], dpi=110))
    pyplot.close(figure)


if __name__ == "__main__":
    run_command(lambda words: auto_cli(main, as_positional=True, args=words, parser_class=Parser))
