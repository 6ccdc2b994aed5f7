"""A data set from the COCO export of an annotation tool: CVAT, Label Studio, Roboflow, converters of LabelMe."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from runtime.say import some

from data.damage import SKIP
from data.outlines.class_mask import Drawn, draw_classes, is_crowd, say_without_outline
from data.outlines.coco_table import FIX, Id, Image, Table, check_names, read_table
from data.outlines.instances import has_outline
from data.own.layout import Sample, check_own, write_own
from data.own.masks import TURNED
from data.own.pairs import ENDINGS, files_below
from data.own.picture_search import Pictures, Untold, same_name
from data.pictures import Damaged
from data.preparation.shared import require


def prepare_coco_json(
    json: Path,
    images: Path,
    out: Path,
    seed: int = 0,
    val_share: float = 0.25,
    val_json: Path | None = None,
    skip_damaged: bool = False,
) -> None:
    """Turn a COCO-format export of an annotation tool into a data set for train.py, and print what it can serve as.

    Classes are the categories that have an outline, in the order of their ids. Instances are drawn from the largest to
    the smallest, crowds as others, since tools call brushed masks so. Pictures count as viewers show them.

    Args:
        json: the export. Ids may have gaps; iscrowd, area and the annotations' ids may be missing.
        images: the pictures, also in subfolders.
        out: a new folder: links to the pictures, masks, lists, classes.txt.
        seed: draws the pictures for validation.
        val_share: the share of each class's pictures for validation.
        val_json: a second export whose pictures are for validation, in place of drawn ones.
        skip_damaged: leave out pictures that are not there, or that are damaged as their outlines may be; say how many.
    """
    check_own(out, {"images": images}, seed, val_share)
    files = {"json": json} | ({"val_json": val_json} if val_json else {})
    tables = [read_table(require(path, option, "check the path")) for option, path in files.items()]
    names = _names(tables)
    pictures = Pictures([name for name in files_below(images) if Path(name).suffix.lower() in ENDINGS])
    samples: list[Sample] = []
    for table, part in zip(tables, ("train", "val") if val_json else (None,), strict=True):
        _say_left_out(table)
        number_of = {category: names.index(name) + 1 for category, name in table.names.items() if name in names}
        for name, members in _found(table, pictures, images, skip_damaged).items():
            draw = partial(_draw, images / name, members, number_of)
            samples.append(Sample(name, images / name, draw, part))
    both = {one.name for one in samples if one.part == "train"} & {one.name for one in samples if one.part == "val"}
    if both:
        raise ValueError(f"{val_json}: expected other pictures than {json}, got {some(sorted(both))} in both; mend one")
    written = write_own(out, samples, names, seed, val_share, skip_damaged)
    say_without_outline(json, [name for one in written for name in one.without_outline])


def _names(tables: Sequence[Table]) -> list[str]:
    """The names of the categories that have an outline, in the order of their ids."""
    names: list[str] = []
    every: list[str] = []
    for table in tables:
        outlined = {one["category_id"] for image in table.images for one in image.annotations if has_outline(one)}
        if not outlined:
            raise ValueError(
                f"{table.path}: expected outlines, got none in any annotation (a box is none); export polygons or masks"
            )
        used = [name for category, name in table.names.items() if category in outlined]
        if not used:
            raise ValueError(f"{table.path}: expected annotations of listed categories, got {some([*outlined])}; {FIX}")
        check_names(used, table.path)
        names += [name for name in used if name not in names]
        every += table.names.values()
    check_names(names, tables[-1].path)
    unused = [name for name in dict.fromkeys(every) if name not in names]
    if unused:
        print(f"categories without an outline, left out: {len(unused)} ({some(unused)})")
    return names


def _say_left_out(table: Table) -> None:
    if table.strays:
        strays = sorted({str(one["image_id"]) for one in table.strays})
        print(
            f"{table.path}: annotations of images that are not listed, left out: {len(table.strays)} ({some(strays)})"
        )
    background = sum(not image.annotations for image in table.images)
    if background:
        print(f"{table.path}: images without annotations, in no list, as an episode needs an object: {background}")
    crowds = sum(is_crowd(one) for image in table.images for one in image.annotations)
    if crowds:
        print(
            f"{table.path}: {crowds} annotations say iscrowd; they are drawn as others, as tools mark brushed masks so"
        )


def _found(table: Table, pictures: Pictures, folder: Path, skip_damaged: bool) -> dict[str, list[Image]]:
    """The images of each picture that is annotated; where a tool lists a picture twice, both."""
    near = table.path.resolve().parent
    below = near.relative_to(folder.resolve()).as_posix() if near.is_relative_to(folder.resolve()) else ""
    found: dict[str, list[Image]] = {}
    missing: list[str] = []
    for image in table.images:
        if not image.annotations:
            continue
        try:
            found.setdefault(pictures.find(image.file_name, below), []).append(image)
        except Untold as problem:
            missing.append(f"{image.file_name} ({problem})")
    for name, members in found.items():
        _check_same(name, members, table.path)
    if missing and not skip_damaged:
        raise Damaged(
            f"{table.path}: expected its pictures below {folder}, got none for {some(missing)}; add them, or {SKIP}"
        )
    if missing:
        print(f"{table.path}: images that are not below {folder}, left out: {len(missing)} ({some(missing)})")
    if not found:
        raise ValueError(f"{table.path}: expected annotated pictures below {folder}, got none; check --images")
    twice = [name for name, members in found.items() if len(members) > 1]
    if twice:
        print(f"{table.path}: pictures listed twice, with their annotations put together: {some(twice)}")
    return found


def _check_same(name: str, members: Sequence[Image], path: Path) -> None:
    """Two images of one picture must be called the same, or one of their pictures is missing."""
    other = next((one for one in members if not same_name(one.file_name, members[0].file_name)), None)
    if other:
        raise ValueError(
            f"{path}: expected a picture of its own for {members[0].file_name} and for {other.file_name}, got {name} "
            "for both; complete the pictures, or take one image out"
        )


def _draw(picture: Path, members: Sequence[Image], number_of: Mapping[Id, int], size: tuple[int, int]) -> Drawn:
    for image in members:
        if image.size not in (None, size):
            fix = "the annotations belong to another picture"
            if image.size == size[::-1]:
                fix = f"they fit the picture turned by a quarter: {TURNED}"
            raise Damaged(f"{picture}: expected the listed size {image.size} (height, width), got {size}; {fix}")
    annotations: list[dict[str, Any]] = [{**one, "iscrowd": 0} for image in members for one in image.annotations]
    try:
        return draw_classes(annotations, number_of, size)
    except Damaged as damage:
        raise Damaged(f"{picture}: {damage}") from None
