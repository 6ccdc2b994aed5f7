"""What all preparations share: finding pieces, checking pictures, writing one layout.

The layout is VOC's and PFENet's: lists of `image mask` lines under ImageSets/Segmentation, masks of one byte a pixel,
links to the images, and the names of the classes.
"""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from runtime.atomic_files import UNFINISHED, remove_unfinished, write_picture_atomically, write_text_atomically
from runtime.say import some
from tqdm import tqdm

from data.image_list import read_list
from data.list_file import read_lines
from data.masks import UNLABELLED
from data.pictures import Damaged, check_pixels, is_cut_off


def require(path: Path, what: str, fix: str) -> Path:
    """Return `path`, or raise an error that says which piece is missing and where to get it."""
    if not path.exists():
        raise FileNotFoundError(f"{what}: expected {path}, got no such file or folder; {fix}")
    return path


def begin_in(out: Path) -> None:
    """Remove what a preparation that was killed left unfinished in its folder."""
    remove_unfinished(out, f"**/{UNFINISHED}")


def read_names(path: Path) -> list[str]:
    """The IDs in a list of either kind: the first word of each line, without folder and ending."""
    return [PurePosixPath(line.replace("\\", "/").split()[0]).stem for line in read_lines(path)]


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as stored.

    Raises:
        Damaged: the file is no picture, or is cut off.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise Damaged(f"{path}: expected a picture, got a file that is none ({error}); get it anew") from None
    check_pixels(path, width, height)
    if is_cut_off(path):
        raise Damaged(f"{path}: expected a whole picture, got a file that is cut off; get it anew")
    return height, width


def save_mask(mask: np.ndarray, image: Path, path: Path, classes: int) -> None:
    """Write class indices as a grey PNG, from which the published code reads the same indices.

    Raises:
        Damaged: the mask has another size than its image, or a value that is no class.
    """
    size = image_size(image)
    if mask.shape != size:
        raise Damaged(
            f"{image}: expected a mask of the image's size {size} (height, width), got {mask.shape}; get both anew"
        )
    strange = sorted(set(np.unique(mask).tolist()) - {*range(classes + 1), UNLABELLED})
    if strange:
        raise Damaged(f"{image}: expected a mask of 0 to {classes} and {UNLABELLED}, got {some(strange)}; get it anew")
    write_picture_atomically(path, lambda file: Image.fromarray(mask.astype(np.uint8)).save(file, "PNG"))


def mask_names(images: Sequence[str]) -> list[str]:
    """The mask's name below its folder for each image's: a PNG. The image's ending stays only where two would clash.

    >>> mask_names(["a/x.jpg", "b/x.jpg", "c.jpg", "c.png"])
    ['a/x.png', 'b/x.png', 'c.jpg.png', 'c.png.png']
    """
    stems = [str(PurePosixPath(image).with_suffix("")) for image in images]
    count = Counter(stems)
    names = [f"{image if count[stem] > 1 else stem}.png" for image, stem in zip(images, stems, strict=True)]
    # An image that is itself called c.jpg.png would clash with the mask of c.jpg.
    return names if len(set(names)) == len(names) else [f"{image}.png" for image in images]


def say_count(what: str, found: int, full: int) -> None:
    """Print a count beside that of the full set."""
    print(f"{what:>32}: {found:>7,}" + ("" if found == full else f"   (the full set has {full:,})"))


def link_folder(source: Path, out: Path) -> None:
    """Make `out/NAME` a link to the folder of images, so that none is copied.

    Where no such link can be made, as on Windows without a privilege, the folder is made of hard links, or of copies
    where source and target lie on two disks, and that is said.

    Raises:
        FileExistsError: something else lies there.
    """
    check_link(source, out)
    link = out / source.name
    if link.is_symlink():
        return
    out.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        try:
            link.symlink_to(source.resolve(), target_is_directory=True)
            return
        except (OSError, NotImplementedError) as error:
            print(f"{link}: no link to a folder can be made here ({error}), so each file gets a hard link or is copied")
    _fill(link, source)


def check_link(source: Path, out: Path) -> None:
    """Refuse an `out` in which `link_folder` would find another `NAME`.

    Raises:
        FileExistsError: it holds one.
    """
    link = out / source.name
    if link.is_symlink():
        same = link.resolve() == source.resolve()
    else:
        same = not link.exists() or (link.is_dir() and all(_same(source / one, link / one) for one in _files(link)))
    if not same:
        raise FileExistsError(f"out: expected no {link} or a link to {source}, got another; choose an empty folder")


def _fill(folder: Path, source: Path) -> None:
    """Give every file of `source` a second name in `folder`, or a copy of its own; those that are there stay."""
    for one in tqdm(_files(source), f"linking {source.name}", unit=" files"):
        path = folder / one
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.hardlink_to(source / one)
        except (OSError, NotImplementedError):
            unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
            shutil.copy2(source / one, unfinished)
            unfinished.replace(path)


def _files(folder: Path) -> list[Path]:
    """The files below a folder, as paths below it, without those that a process which was killed left unfinished."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.relative_to(folder) for path in found if path.suffix != ".unfinished"]


def _same(one: Path, other: Path) -> bool:
    """Whether two names are those of one file, or of a file and its copy."""
    if not one.is_file():
        return False
    ours, theirs = one.stat(), other.stat()
    return os.path.samestat(ours, theirs) or (ours.st_size, ours.st_mtime) == (theirs.st_size, theirs.st_mtime)


def write_list(out: Path, name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Write a list of (image, mask) pairs, count the pixels of its masks, and return its digest.

    The digest is taken over the sorted names, so it does not depend on their order.
    """
    if not pairs:
        raise ValueError(f"{name}: expected images that have a mask, got none; see what is missing above")
    path = out / "ImageSets" / "Segmentation" / f"{name}.txt"
    write_text_atomically(path, list_text(pairs))
    read_list(out, name)
    return hashlib.sha256("\n".join(sorted(read_names(path))).encode()).hexdigest()[:12]


def list_text(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of `image mask` lines."""
    return "".join(f"{image} {mask}\n" for image, mask in pairs)
