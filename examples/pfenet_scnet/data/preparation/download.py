"""Fetch VOC 2012 and SBD by torchvision's own classes, and only where the user says so.

torchvision compares each archive with the MD5 that it knows, fetches one that is torn anew, and unpacks what it has
verified. An archive is unpacked in a folder `….unfinished`, which gets its name when it is whole.
"""

import shutil
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from data.list_file import IMAGES
from data.preparation.shared import check_link, require
from data.preparation.voc import GET_SBD, GET_VOC, prepare_pascal

PAGE = "docs/data.md"
# What an archive and its files need together, as a multiple of the archive.
UNPACKED = 2.2


class Archive(NamedTuple):
    """An archive: its file, where it comes from, and the torchvision class that fetches it into a folder."""

    name: str
    url: str
    file: str
    gigabytes: float
    fetch: Callable[[Path], object]
    by_hand: str


def pascal(
    out: Path,
    voc: Path | None = None,
    sbd: Path | None = None,
    train_list: Path | None = None,
    skip_damaged: bool = False,
    download: bool = False,
    into: Path | None = None,
) -> None:
    """Check VOC 2012 and SBD, convert their masks, and write PFENet's lists.

    Args:
        out: the folder to write: links to the images, SegmentationClassAug/, ImageSets/Segmentation/{train,val}.txt.
        voc: VOCdevkit/VOC2012. Its own masks win over SBD's, as they do in the published masks.
        sbd: benchmark_RELEASE/dataset. Without it `voc` must hold a SegmentationClassAug made by somebody else.
        train_list: a list of training images to use. By default PFENet's rule: the training images of SBD and of VOC
            that are not in VOC's val, 5,953 of them.
        skip_damaged: leave out images and masks that are damaged, and say how many.
        download: fetch both archives, 3.4 GB, in place of `voc` and `sbd`; what is there already is used again.
        into: the folder to fetch them into.
    """
    if download:
        voc, sbd = _fetched(into, out, voc or sbd, train_list)
    elif into is not None:
        raise ValueError(f"into: expected none without --download true, got {into}; add --download true")
    elif voc is None:
        raise ValueError(f"voc: expected VOCdevkit/VOC2012, got none; {GET_VOC}, or add --download true --into DIR")
    prepare_pascal(voc, out, sbd, train_list, skip_damaged)


def _fetched(into: Path | None, out: Path, named: Path | None, train_list: Path | None) -> tuple[Path, Path]:
    """VOC's and SBD's folders below `into`; everything else is checked before the first byte is fetched."""
    if into is None:
        raise ValueError("into: expected the folder to fetch the archives into, got none; add --into DIR")
    if named is not None:
        raise ValueError(f"download: expected false beside --voc and --sbd, got true beside {named}; leave one out")
    if into.exists() and not into.is_dir():
        raise ValueError(f"into: expected a folder, got {into}, which is a file; name another")
    if train_list:
        require(train_list, "train_list", "check the path")
    voc = into / "VOC" / "VOCdevkit" / "VOC2012"
    check_link(voc / IMAGES, out)
    fetch(into)
    return voc, into / "SBD"


def fetch(into: Path) -> None:
    """Fill `into/VOC` and `into/SBD`, those of them that are not there yet.

    Raises:
        ImportError: torchvision is missing.
        OSError: there is no network, too little room, or another file than the one that torchvision knows.
    """
    missing: list[Archive] = []
    for one in _archives():
        folder = into / one.name
        if folder.is_dir():
            print(f"{one.name}: {folder} is there and is used again")
        else:
            missing.append(one)
            print(f"{one.name}: {one.file}, {one.gigabytes:.1f} GB, from {one.url} into {folder}")
    _check_room(into, missing)
    for one in missing:
        _fetch(one, into)


def _archives() -> list[Archive]:
    try:
        from torchvision.datasets import SBDataset, VOCSegmentation
        from torchvision.datasets.voc import DATASET_YEAR_DICT
    except ImportError:
        raise ImportError(
            "download: expected torchvision, which fetches the archives, got none; install it with: pip install "
            f"torchvision, or get them by hand, see {PAGE}"
        ) from None
    known = DATASET_YEAR_DICT["2012"]

    def voc(root: Path) -> object:
        return VOCSegmentation(root, year="2012", image_set="train", download=True)

    def sbd(root: Path) -> object:
        # Its list `train_noval` is another than PFENet's, which prepare_pascal makes of `train` itself.
        return SBDataset(root, image_set="train", mode="segmentation", download=True)

    return [
        Archive("VOC", known["url"], known["filename"], 2.0, voc, f"{GET_VOC} as --voc"),
        Archive("SBD", SBDataset.url, SBDataset.filename, 1.4, sbd, f"{GET_SBD} as --sbd"),
    ]


def _check_room(into: Path, missing: list[Archive]) -> None:
    there = next(folder for folder in (into, *into.resolve().parents) if folder.is_dir())
    needed, free = UNPACKED * sum(one.gigabytes for one in missing), shutil.disk_usage(there).free / 1e9
    if needed > free:
        raise OSError(
            f"into: expected {needed:.1f} GB of room in {into}, got {free:.1f}; name a folder on another disk"
        )


def _fetch(one: Archive, into: Path) -> None:
    """Fetch an archive and unpack it; of an earlier attempt only the archive is kept, and used again if it is whole."""
    folder = into / one.name
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    archive = unfinished / one.file
    for path in unfinished.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != archive:
            path.unlink()
    try:
        one.fetch(unfinished)
    except (OSError, HTTPException, RuntimeError) as error:
        raise OSError(
            f"download: expected {one.file} from {one.url}, got none ({error}); try again, or {one.by_hand}, see {PAGE}"
        ) from None
    unfinished.rename(folder)
