"""COCO 2014 as COCO-20i uses it: one class mask an image, drawn from the instances."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runtime.atomic_files import write_text_atomically
from runtime.say import some

from data.outlines.class_mask import draw_classes, say_without_outline
from data.outlines.coco_table import Id, Image, Table, check_names, read_table
from data.pictures import Damaged
from data.preparation.shared import (
    begin_in,
    image_size,
    link_folder,
    mask_names,
    require,
    save_mask,
    say_count,
    write_list,
)
from data.preparation.workers import in_parallel

URLS = "http://images.cocodataset.org/zips/{part}.zip and .../annotations/annotations_trainval2014.zip"
BY_HAND = (
    f"unpack {URLS.format(part='train2014')} and the same of val2014 in one folder, and give that as --coco, see "
    "docs/data.md"
)
# Numbers of images that have an instance; PFENet's lists hold exactly these images.
PUBLISHED = {"train2014": 82081, "val2014": 40137, "train2017": 117266, "val2017": 4952}


class Part(NamedTuple):
    """One of the two lists: its name, what is annotated, and the folder of its images."""

    name: str
    table: Table
    images: Path


class Task(NamedTuple):
    """A mask to draw."""

    image: Image
    picture: Path
    mask: Path
    number_of: Mapping[Id, int]


def prepare_coco(coco: Path, out: Path, skip_damaged: bool = False) -> None:
    """Check COCO's images and instances, draw the masks, and write lists of all images that have an instance.

    Classes are numbered 1..80 in the order of COCO's category numbers. Instances are drawn from the largest to the
    smallest, so that a small one in front stays visible. A crowd's outline is rough: pixels that only a crowd covers
    are 255. Instances without an outline are left out, and that is said.

    Args:
        coco: holds annotations/instances_{train,val}2014.json and the folders train2014 and val2014 (or 2017's).
        out: the folder to write: links to the images, annotations/{train,val}2014/*.png, classes.txt,
            ImageSets/Segmentation/{train,val}.txt.
        skip_damaged: leave out images that are damaged, or whose outlines are, and say how many.
    """
    if out.resolve() == coco.resolve():
        raise ValueError(f"out: expected a folder of its own, got {coco} itself; choose another")
    year = "2017" if (coco / "annotations/instances_train2017.json").is_file() else "2014"
    parts = [_read(coco, name, f"{name}{year}") for name in ("train", "val")]
    train, val = (list(part.table.names.values()) for part in parts)
    if train != val:
        raise ValueError(
            f"coco: expected the same categories in train and val, got others in {parts[1].table.path}; get both anew"
        )
    begin_in(out)
    write_text_atomically(out / "classes.txt", "".join(f"{name}\n" for name in train))
    for part in parts:
        _prepare(part, out, skip_damaged)


def _read(coco: Path, name: str, part: str) -> Part:
    fix = f"unpack {URLS.format(part=part)} there"
    table = read_table(require(coco / "annotations" / f"instances_{part}.json", "coco", fix))
    check_names(list(table.names.values()), table.path)
    for image in table.images:
        _check_path(image, table.path)
    return Part(name, table, require(coco / part, "coco", fix))


def _check_path(image: Image, path: Path) -> None:
    """A list holds no blanks, and a mask must stay below the folder of masks."""
    name = PurePosixPath(image.file_name)
    if name.is_absolute() or ".." in name.parts or len(image.file_name.split()) != 1:
        raise ValueError(
            f"{path}: image {image.id}: expected a path below the folder of images, without blanks, got "
            f"{image.file_name!r}; let prepare.py coco-json read this file"
        )


def _prepare(part: Part, out: Path, skip_damaged: bool) -> None:
    folder, table = part.images.name, part.table
    labelled = _labelled(table)
    present = [image for image in labelled if (part.images / image.file_name).is_file()]
    say_count(f"images with instances in {folder}", len(labelled), PUBLISHED[folder])
    if len(present) < len(labelled):
        missing = [image.file_name for image in labelled if not (part.images / image.file_name).is_file()]
        print(f"{folder}: left out {len(missing)} images that are not there: {some(missing)}")
    if table.strays:
        strays = sorted({str(one["image_id"]) for one in table.strays})
        print(f"{folder}: annotations of images that are not listed, left out: {len(table.strays)} ({some(strays)})")
    link_folder(part.images, out)
    number_of = {category: number for number, category in enumerate(table.names, 1)}
    masks = [f"annotations/{folder}/{name}" for name in mask_names([image.file_name for image in present])]
    tasks = [
        Task(image, part.images / image.file_name, out / mask, number_of)
        for image, mask in zip(present, masks, strict=True)
    ]
    title = f"checking {folder} and drawing masks"
    found = in_parallel(_draw, tasks, title, lambda task: task.picture, skip_damaged)
    say_without_outline(folder, [name for names in found if names for name in names])
    pairs = [
        (f"{folder}/{image.file_name}", mask)
        for image, mask, names in zip(present, masks, found, strict=True)
        if names is not None
    ]
    print(f"{part.name} list, digest {write_list(out, part.name, pairs)}")


def _labelled(table: Table) -> list[Image]:
    """The images that have an annotation, each file once, with all of its annotations."""
    by_file: dict[PurePosixPath, Image] = {}
    for image in table.images:
        known = by_file.setdefault(PurePosixPath(image.file_name), image)
        if known is not image:
            known.annotations.extend(image.annotations)
    twice = len(table.images) - len(by_file)
    if twice:
        print(f"{table.path}: images listed twice, with their annotations put together: {twice}")
    return [image for image in by_file.values() if image.annotations]


def _draw(task: Task) -> list[str]:
    """Write a mask; the annotations that hold no outline."""
    size = image_size(task.picture)
    if task.image.size not in (None, size):
        raise Damaged(
            f"{task.picture}: expected the listed size {task.image.size} (height, width), got {size}; get both anew"
        )
    try:
        drawn = draw_classes(task.image.annotations, task.number_of, size)
    except Damaged as damage:
        raise Damaged(f"{task.picture}: {damage}") from None
    save_mask(drawn.mask, task.picture, task.mask, len(task.number_of))
    return drawn.without_outline
