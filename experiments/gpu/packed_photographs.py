"""What `pack.py` wrote, read on another machine: a folder in VOC's layout, the data set's lists, and features."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

from data.image_list import ImageList
from model.pfenet import PFENet
from recipe import Recipe
from runtime.atomic_folder import whole_folder
from training.feature_cache import FeatureCache, open_features

LISTS = ("train", "val")
COUNTS = "counts.json"


class Listed(NamedTuple):
    """A list of packed photographs with its features."""

    images: ImageList
    cache: FeatureCache


def list_path(name: str) -> str:
    """Where a list lies below the root."""
    return f"ImageSets/Segmentation/{name}.txt"


def unpack(file: Path, work: Path) -> Path:
    """The folder with what the file holds, written below `work` unless it is there.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `pack.py` did not write it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"pack: expected a file that experiments/gpu/pack.py wrote, got no {file}; write it")
    folder = work / f"photographs-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        try:
            with ZipFile(file) as archive, whole_folder(folder) as unfinished:
                archive.getinfo(COUNTS)
                archive.extractall(unfinished)
        except (BadZipFile, KeyError) as error:
            raise ValueError(
                f"{file}: expected a file that experiments/gpu/pack.py wrote, got another or a damaged one ({error}); "
                "write it again"
            ) from None
    return folder


def as_listed(images: ImageList, root: Path, name: str) -> ImageList:
    """The list with the pixels of each class that the masks had before they were made smaller.

    The rule of `min_pixels` then finds the same images, so that equal seeds draw equal episodes.
    """
    counts = json.loads((root / COUNTS).read_text(encoding="utf-8"))[name]
    numbered = [{int(c): pixels for c, pixels in one.items()} for one in counts]
    pairs = zip(images.items, numbered, strict=True)
    return replace(images, items=tuple(item._replace(pixels=pixels) for item, pixels in pairs))


def open_packed(recipe: Recipe, model: PFENet) -> tuple[Listed, Listed]:
    """Training and evaluation list; features that are not cached yet the model's backbone computes, on its device.

    Args:
        recipe: its `data` is a folder that `unpack` wrote.
    """

    def opened(images: ImageList, name: str) -> Listed:
        listed = as_listed(images, Path(recipe.data), name)
        every_class = list(range(1, len(listed.class_names) + 1))
        return Listed(listed, open_features(recipe.features, model, listed, every_class, recipe.size))

    return opened(recipe.listed_images(), "train"), opened(recipe.evaluation_images(), "val")
