"""What the preparation of VOC and of COCO share: finding pieces, checking pictures, writing one layout.

The layout is VOC's and PFENet's: lists of `image mask` lines under ImageSets/Segmentation, masks of one byte a pixel,
links to the folders of images, and the names of the classes.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from runtime.atomic_files import write_atomically, write_text_atomically
from tqdm import tqdm

from data.episodes import read_list
from data.masks import UNLABELLED

SHOWN = 10


class Damaged(Exception):
    """A file exists, but its content is not what it should be."""


def require(path: Path, what: str, fix: str) -> Path:
    """Return `path`, or raise an error that says which piece is missing and where to get it."""
    if not path.exists():
        raise FileNotFoundError(f"{what}: expected {path}, got no such file or folder; {fix}")
    return path


def read_names(path: Path) -> list[str]:
    """The IDs in a list of either kind: the first word of each line, without folder and ending."""
    return [Path(line.split()[0]).stem for line in path.read_text().splitlines() if line.strip()]


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture; a picture that is cut off in the middle is damaged."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if not _ends_as_jpeg(path):
                picture.load()
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise Damaged(f"{path}: {error}") from None
    return height, width


def _ends_as_jpeg(path: Path) -> bool:
    """Whether the file ends as a whole JPEG does. This is far cheaper than decoding it."""
    with path.open("rb") as file:
        file.seek(-2, os.SEEK_END)
        return file.read() == b"\xff\xd9"


def save_mask(mask: np.ndarray, image: Path, path: Path, classes: int) -> None:
    """Write class indices as a grey PNG, from which the published code reads the same indices.

    Raises:
        Damaged: the mask has another size than its image, or a value that is no class.
    """
    if mask.shape != image_size(image):
        raise Damaged(f"{image}: {image_size(image)} pixels high and wide, its mask {mask.shape}")
    strange = sorted(set(np.unique(mask).tolist()) - {*range(classes + 1), UNLABELLED})
    if strange:
        raise Damaged(f"{image}: its mask holds {strange[:SHOWN]}, which are no classes")
    write_atomically(path, lambda file: Image.fromarray(mask.astype(np.uint8)).save(file, "PNG"))


def in_parallel(work: Callable[[Any], str | None], tasks: Iterable[Any], total: int, title: str) -> None:
    """Run `work` on every task, over all cores; each returns what is damaged, or None.

    Raises:
        ValueError: lists the damaged files.
    """
    with Pool() as pool:
        damages = [damage for damage in tqdm(pool.imap(work, tasks, chunksize=16), title, total) if damage]
    if damages:
        more = f"\n  and {len(damages) - SHOWN} more" if len(damages) > SHOWN else ""
        listed = "\n  ".join(damages[:SHOWN])
        raise ValueError(
            f"{title}: expected whole files, got {len(damages)} damaged ones; unpack or download them again:\n"
            f"  {listed}{more}"
        )


def say_count(what: str, found: int, full: int) -> None:
    """Print a count beside that of the full set."""
    print(f"{what:>32}: {found:>7,}" + ("" if found == full else f"   (the full set has {full:,})"))


def link_folder(source: Path, out: Path) -> None:
    """Make `out/NAME` a link to the folder of images; images are never copied."""
    link = out / source.name
    if link.is_symlink() and link.resolve() == source.resolve():
        return
    if link.exists() or link.is_symlink():
        raise FileExistsError(f"out: expected no {link} or a link to {source}, got another; choose an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    link.symlink_to(source.resolve(), target_is_directory=True)


def write_list(out: Path, name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Write a list of (image, mask) pairs, count the pixels of its masks, and return its digest.

    The digest is taken over the sorted names, so it does not depend on their order.
    """
    if not pairs:
        raise ValueError(f"{name}: expected images that have a mask, got none; see what is missing above")
    path = out / "ImageSets" / "Segmentation" / f"{name}.txt"
    write_text_atomically(path, "".join(f"{image} {mask}\n" for image, mask in pairs))
    read_list(out, name)
    return hashlib.sha256("\n".join(sorted(read_names(path))).encode()).hexdigest()[:12]
