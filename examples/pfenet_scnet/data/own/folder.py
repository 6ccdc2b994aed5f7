"""A data set from a folder of pictures and a folder of masks."""

from functools import partial
from pathlib import Path

from runtime.say import some

from data.outlines.class_mask import Drawn
from data.outlines.coco_table import check_names
from data.own.layout import Sample, check_own, write_own
from data.own.lists import read_parts
from data.own.masks import Meaning, meaning_of_colours, meaning_of_values, survey, to_classes
from data.own.pairs import Pair, find_pairs
from data.preparation.shared import require
from data.preparation.workers import in_parallel


def prepare_folder(
    images: Path,
    masks: Path,
    out: Path,
    colours: Path | None = None,
    names: str | None = None,
    seed: int = 0,
    val_share: float = 0.25,
    train_list: Path | None = None,
    val_list: Path | None = None,
    skip_damaged: bool = False,
) -> None:
    """Turn pictures and masks of your own into a data set for train.py, and print what each class can serve as.

    Masks hold 0 and 1, or 0 and 255 (one class), or class indices as grey values or a palette's (255 is unlabelled), or
    colours, which --colours names. They are taken as drawn on the pictures as viewers show them.

    Args:
        images: the pictures, also in subfolders.
        masks: one for each picture, of the same name: x.jpg goes with x.png, x.jpg.png or x_mask.png.
        out: a new folder: links to the pictures, masks, lists, classes.txt.
        colours: a file with a line `name r g b` for each class. Black is background if it has no name.
        names: the classes' names in order, such as cup,plate,fork.
        seed: draws the pictures for validation.
        val_share: the share of each class's pictures for validation.
        train_list: the pictures to train on, one name a line, in place of drawn ones.
        val_list: the pictures for validation, the same way.
        skip_damaged: leave out damaged pictures and masks, and say how many.
    """
    check_own(out, {"images": images, "masks": masks}, seed, val_share)
    if colours is not None and names is not None:
        raise ValueError(f"names: expected none beside --colours {colours}, which names the classes; leave one out")
    named = _names(names)
    coloured = meaning_of_colours(require(colours, "colours", "check the path")) if colours else None
    pairs, part_of = _pairs(images, masks, train_list, val_list)
    meaning, pairs = (coloured, pairs) if coloured else _told(pairs, named, skip_damaged)
    print(meaning.said)
    samples = [
        Sample(pair.name, pair.picture, partial(_draw, pair.mask, meaning), part_of.get(pair.name)) for pair in pairs
    ]
    write_own(out, samples, meaning.names, seed, val_share, skip_damaged)


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    check_names(names, "names")
    return names


def _pairs(
    images: Path, masks: Path, train_list: Path | None, val_list: Path | None
) -> tuple[list[Pair], dict[str, str]]:
    """The pictures to use with their masks, and the list of each where lists are given; those select, too."""
    found = find_pairs(images, masks)
    if found.others:
        print(f"files that are no pictures, left out: {len(found.others)} ({some(found.others)})")
    part_of = read_parts(train_list, val_list, [pair.name for pair in found.pairs] + found.without_mask, images)
    if not (found.pairs or found.without_mask):
        raise ValueError(f"images: expected pictures below {images}, got none; check the path")
    lonely = [name for name in found.without_mask if name in part_of or not part_of]
    wrong = [] if part_of else found.without_picture
    if lonely or wrong or not found.pairs:
        raise ValueError(
            f"masks: expected a mask for each picture, got pictures without one: {_counted(lonely)}; and masks without "
            f"a picture: {_counted(wrong)}. Call a mask as its picture: x.jpg goes with x.png, x.jpg.png or x_mask.png "
            "of the same subfolder. --train_list and --val_list use some of the pictures"
        )
    pairs = [pair for pair in found.pairs if pair.name in part_of or not part_of]
    if len(pairs) < len(found.pairs):
        print(f"pictures in neither list, left out: {len(found.pairs) - len(pairs):,}")
    return pairs, part_of


def _counted(names: list[str]) -> str:
    return f"{len(names)} ({some(names)})" if names else "none"


def _told(pairs: list[Pair], names: list[str] | None, skip_damaged: bool) -> tuple[Meaning, list[Pair]]:
    """What the masks' values mean, and the pairs whose masks are sound."""
    surveys = in_parallel(survey, [pair.mask for pair in pairs], "looking at masks", str, skip_damaged)
    sound = [pair for pair, one in zip(pairs, surveys, strict=True) if one is not None]
    if not sound:
        raise ValueError(f"{pairs[0].mask}: expected a whole mask, got a damaged one, as all {len(pairs)} are")
    return meaning_of_values([one for one in surveys if one is not None], names), sound


def _draw(mask: Path, meaning: Meaning, size: tuple[int, int]) -> Drawn:
    return Drawn(to_classes(mask, meaning, size), [])
