"""COCO 2014 as COCO-20i uses it: one class mask an image, drawn from the instances."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from runtime.atomic_files import write_text_atomically

from data.masks import UNLABELLED
from data.preparation import SHOWN, Damaged, in_parallel, link_folder, require, save_mask, say_count, write_list

URLS = "http://images.cocodataset.org/zips/{part}.zip and .../annotations/annotations_trainval2014.zip"
# Numbers of images that have an instance; PFENet's lists hold exactly these images.
PUBLISHED = {"train2014": 82081, "val2014": 40137, "train2017": 117266, "val2017": 4952}

Task = tuple[list[dict[str, Any]], dict[int, int], dict[str, Any], Path, Path]


def prepare_coco(coco: Path, out: Path) -> None:
    """Check COCO's images and instances, draw the masks, and write lists of all images that have an instance.

    Classes are numbered 1..80 in the order of COCO's category numbers. Instances are drawn from the largest to the
    smallest, so that a small one in front stays visible. A crowd's outline is rough: pixels that only a crowd covers
    are 255.

    Args:
        coco: holds annotations/instances_{train,val}2014.json and the folders train2014 and val2014 (or 2017's).
        out: the folder to write: links to the images, annotations/{train,val}2014/*.png, classes.txt,
            ImageSets/Segmentation/{train,val}.txt.
    """
    year = "2017" if (coco / "annotations/instances_train2017.json").is_file() else "2014"
    names: list[str] | None = None
    for name in ("train", "val"):
        part = f"{name}{year}"
        fix = f"unpack {URLS.format(part=part)} there"
        instances = _read(require(coco / "annotations" / f"instances_{part}.json", "coco", fix))
        found = [category["name"] for _, category in sorted(instances.cats.items())]
        if names not in (None, found):
            raise ValueError(
                f"coco: expected the same categories in train and val, got others in {part}; get both anew"
            )
        names = found
        _prepare_part(instances, require(coco / part, "coco", fix), out, name)
    write_text_atomically(out / "classes.txt", "\n".join(names or []) + "\n")


def _read(path: Path) -> COCO:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            instances = COCO(path)
        assert instances.cats and instances.imgs and instances.anns
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(
            f"{path}: expected COCO's instances with images, annotations and categories, got something else "
            f"({type(error).__name__}: {error}); unpack it again"
        ) from None
    return instances


def _prepare_part(instances: COCO, images: Path, out: Path, name: str) -> None:
    part = images.name
    labelled = [image for number, image in sorted(instances.imgs.items()) if instances.imgToAnns.get(number)]
    present = [image for image in labelled if (images / image["file_name"]).is_file()]
    say_count(f"images with instances in {part}", len(labelled), PUBLISHED[part])
    if len(present) < len(labelled):
        missing = [image["file_name"] for image in labelled if not (images / image["file_name"]).is_file()]
        print(f"{part}: left out {len(missing)} images that are not there: {', '.join(missing[:SHOWN])}")
    link_folder(images, out)
    folder = f"annotations/{part}"
    tasks = _tasks(instances, present, images, out / folder)
    in_parallel(_draw, tasks, len(present), f"checking {part} and drawing masks")
    stems = [Path(image["file_name"]).stem for image in present]
    pairs = [
        (f"{part}/{image['file_name']}", f"{folder}/{stem}.png") for image, stem in zip(present, stems, strict=True)
    ]
    print(f"{name} list, digest {write_list(out, name, pairs)}")


def _tasks(instances: COCO, present: list[dict[str, Any]], images: Path, masks: Path) -> Iterator[Task]:
    number_of = {category: number for number, category in enumerate(sorted(instances.cats), 1)}
    for image in present:
        path = images / image["file_name"]
        yield instances.imgToAnns[image["id"]], number_of, image, path, masks / f"{path.stem}.png"


def _draw(task: Task) -> str | None:
    instances, number_of, image, path, out = task
    try:
        size = (image["height"], image["width"])
        mask = np.zeros(size, np.uint8)
        for one in sorted(instances, key=lambda one: (one["iscrowd"], one["area"]), reverse=True):
            value = UNLABELLED if one["iscrowd"] else number_of[one["category_id"]]
            mask[_pixels(one["segmentation"], size)] = value
        save_mask(mask, path, out, len(number_of))
    except Damaged as damage:
        return str(damage)
    except Exception as error:  # pycocotools raises bare exceptions for invalid outlines
        return f"{path}: an instance cannot be drawn ({type(error).__name__}: {error})"
    return None


def _pixels(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """The instance's pixels (H, W), from polygons or from run lengths, packed or not."""
    if isinstance(segmentation, list):
        packed = run_lengths.merge(run_lengths.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        packed = run_lengths.frPyObjects(segmentation, *size)
    else:
        packed = segmentation
    return run_lengths.decode(packed).astype(bool)
