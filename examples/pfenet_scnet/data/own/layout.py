"""Write a data set of one's own in the layout that training reads: whole, or not at all."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image
from runtime.atomic_files import encoded, write_text_atomically
from runtime.atomic_folder import check_free, whole_folder
from runtime.options import Range

from data.list_file import IMAGES, MASKS
from data.masks import count_pixels
from data.outlines.class_mask import Drawn
from data.own.division import choose_validation
from data.own.serving import serving_table
from data.pictures import JPEG, PNG, UPRIGHT, Damaged, orientation, read_image
from data.preparation.shared import list_text, mask_names
from data.preparation.workers import in_parallel

PARTS = ("train", "val")
SEED, VAL_SHARE = Range(0), Range(0.01, 0.99)
# A list holds no blanks, and reads backslashes as slashes. What cannot be written as UTF-8 comes as a surrogate.
UNSAFE = re.compile(r"[\s\\\ufeff\ud800-\udfff]+")


class Sample(NamedTuple):
    """A picture of one's own: its path below the folder of pictures, where it lies, its mask, and its list if known."""

    name: str
    picture: Path
    draw: Callable[[tuple[int, int]], Drawn]
    part: str | None = None


class Task(NamedTuple):
    """What to write for a sample below `out`: a link to its image, or a PNG, and its mask."""

    sample: Sample
    image: str
    png: str
    mask: str
    out: Path


class Written(NamedTuple):
    """What was written of a sample: the line of the list, the pixels of each class, and how the picture came there.

    A picture without an object is not written.
    """

    name: str
    part: str | None
    line: tuple[str, str]
    pixels: dict[int, int]
    how: str
    without_outline: list[str]


def check_own(out: Path, folders: Mapping[str, Path], seed: int, val_share: float) -> None:
    """Refuse what can be told before anything is read: numbers out of range, missing folders, an `out` in use.

    Raises:
        ValueError: names the option.
        FileNotFoundError: a folder is missing.
    """
    SEED.check("seed", seed)
    VAL_SHARE.check("val_share", val_share)
    check_free(out, "out")
    for option, folder in folders.items():
        if not folder.is_dir():
            raise FileNotFoundError(f"{option}: expected a folder, got {folder}, which is none; check the path")
        if out.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"out: expected a folder outside of --{option} {folder}, got {out}; choose another")


def write_own(
    out: Path, samples: Sequence[Sample], names: Sequence[str], seed: int, val_share: float, skip_damaged: bool
) -> list[Written]:
    """Write pictures, masks, lists and the classes' names, and print what the data set can serve as.

    Pictures are links, but one that its camera's note turns, or that is no plain JPEG or PNG of 8 bits, is written
    upright as RGB PNG: masks are drawn on pictures as they are shown, and training reads them as stored.

    Raises:
        Damaged: a picture or mask is not sound, unless such are left out.
        ValueError: a list would be empty.
    """
    with whole_folder(out) as unfinished:
        tasks, title = _tasks(samples, unfinished), "checking pictures and writing masks"
        found = in_parallel(_write, tasks, title, lambda task: task.sample.picture, skip_damaged)
        written = [one for one in found if one is not None]
        lists = _divide([one for one in written if one.pixels], seed, val_share)
        for part, members in lists.items():
            path = unfinished / "ImageSets" / "Segmentation" / f"{part}.txt"
            write_text_atomically(path, list_text([one.line for one in members]))
        write_text_atomically(unfinished / "classes.txt", "".join(f"{name}\n" for name in names))
    _say(out, written, lists, any(sample.part for sample in samples), seed, val_share)
    print(serving_table(names, *([one.pixels for one in lists[part]] for part in PARTS)))
    return written


def safe_names(names: Sequence[str]) -> list[str]:
    """Names without blanks, each once.

    >>> safe_names(["my cup.jpg", "my_cup.jpg", "a/b.jpg"])
    ['my_cup_2.jpg', 'my_cup.jpg', 'a/b.jpg']
    """
    taken = {name for name in names if not UNSAFE.search(name)}
    safe = []
    for name in names:
        candidate, number = UNSAFE.sub("_", name), 1
        path = PurePosixPath(candidate)
        while candidate != name and candidate in taken:
            number += 1
            candidate = str(path.with_stem(f"{path.stem}_{number}"))
        taken.add(candidate)
        safe.append(candidate)
    return safe


def _tasks(samples: Sequence[Sample], out: Path) -> list[Task]:
    images = safe_names([sample.name for sample in samples])
    masks = mask_names(images)
    taken = set(images)
    pngs = [
        mask if mask == image or mask not in taken else f"{mask}.upright.png"
        for image, mask in zip(images, masks, strict=True)
    ]
    names = zip(images, pngs, masks, strict=True)
    return [
        Task(sample, f"{IMAGES}/{image}", f"{IMAGES}/{png}", f"{MASKS}/{mask}", out)
        for sample, (image, png, mask) in zip(samples, names, strict=True)
    ]


def _write(task: Task) -> Written:
    """Check a picture, draw its mask, write both."""
    sample, picture = task.sample, task.sample.picture
    if picture.suffix.lower() in (".heic", ".heif"):
        raise Damaged(f"{picture}: expected a JPEG or PNG, got HEIC, which cannot be read; export it as JPEG")
    pixels = read_image(picture, upright=True)
    drawn = sample.draw((pixels.shape[1], pixels.shape[2]))
    counted = count_pixels(drawn.mask)
    image, how = task.image, "background"
    if counted and _is_plain(picture):
        how = _link(picture, task.out / image)
    elif counted:
        image, how = task.png, "written upright as PNG"
        _save(pixels.permute(1, 2, 0).numpy(), task.out / image)
    if counted:
        _save(drawn.mask, task.out / task.mask)
    return Written(sample.name, sample.part, (image, task.mask), counted, how, drawn.without_outline)


def _is_plain(picture: Path) -> bool:
    """Whether it is a JPEG or PNG of 8 bits, grey or RGB, that no note turns."""
    with picture.open("rb") as file:
        start = file.read(26)
    if orientation(picture) in UPRIGHT:
        return False
    if start.startswith(PNG):
        # The header's bit depth, and its colour type: grey or RGB.
        return start[24] == 8 and start[25] in (0, 2)
    if not start.startswith(JPEG):
        return False
    with Image.open(picture) as opened:
        return opened.mode in ("RGB", "L")


def _link(picture: Path, link: Path) -> str:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(os.path.abspath(picture))
    except (OSError, NotImplementedError):
        shutil.copyfile(picture, link)
        return "copied, as no link can be made here"
    return "linked"


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Phones' pictures are large: the usual level takes more than twice as long, for a twentieth of the size.
    path.write_bytes(encoded(lambda file: Image.fromarray(pixels).save(file, "PNG", compress_level=1)))


def _divide(written: Sequence[Written], seed: int, val_share: float) -> dict[str, list[Written]]:
    """The lists: those that the samples name, or by the seed."""
    if any(one.part for one in written):
        lists = {part: [one for one in written if one.part == part] for part in PARTS}
    else:
        chosen = choose_validation([set(one.pixels) for one in written], val_share, seed)
        lists = {
            part: [one for one, to in zip(written, chosen, strict=True) if to == (part == "val")] for part in PARTS
        }
    empty = [part for part in PARTS if not lists[part]]
    if empty:
        raise ValueError(
            f"{empty[0]}: expected at least one picture with an object, got {len(written)} in all; mark more pictures, "
            "or give predict.py those that you have as --support"
        )
    return lists


def _say(
    out: Path, written: Sequence[Written], lists: dict[str, list[Written]], given: bool, seed: int, val_share: float
) -> None:
    renamed = [one for one in written if one.pixels and UNSAFE.search(one.name)]
    if renamed:
        example = f"{renamed[0].name!r} is {renamed[0].line[0]}"
        print(f"names with blanks, which have _ there, as lists hold no blanks: {len(renamed):,}; {example}")
    for how in sorted({one.how for one in written} - {"background"}):
        print(f"pictures {how}: {sum(one.how == how for one in written):,}")
    background = sum(not one.pixels for one in written)
    if background:
        print(f"pictures of background alone: {background:,}, in no list, as an episode needs an object")
    train, val = (len(lists[part]) for part in PARTS)
    rule = (
        "by the given lists"
        if given
        else f"by seed {seed} with a share of {val_share:g}, each class on both sides where it has two pictures"
    )
    print(f"{out}: {train + val:,} pictures, {train:,} to train on and {val:,} for validation, divided {rule}")
