"""PASCAL VOC 2012 with SBD's masks, as PASCAL-5i uses them."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from runtime.say import some
from scipy.io import loadmat

from data.folds import VOC_CLASSES
from data.list_file import IMAGES, MASKS
from data.masks import read_mask
from data.pictures import Damaged
from data.preparation.shared import begin_in, link_folder, read_names, require, save_mask, say_count, write_list
from data.preparation.workers import in_parallel

VOC_URL = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"
SBD_URL = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
GET_VOC = f"unpack {VOC_URL} and give its VOCdevkit/VOC2012"
GET_SBD = f"unpack {SBD_URL} and give its benchmark_RELEASE/dataset"
# PFENet's lists: the number of images and the digest of their sorted names.
PUBLISHED = {"train": (5953, "677f4a7eaef1"), "val": (1449, "6f8edc379937")}


class Pieces(NamedTuple):
    """Where each ID's mask comes from, and the IDs of the two lists."""

    masks: dict[str, Path]
    train: list[str]
    val: list[str]


class Task(NamedTuple):
    """A mask to convert, the image it belongs to, and where to write it."""

    source: Path
    image: Path
    mask: Path


def prepare_pascal(
    voc: Path, out: Path, sbd: Path | None = None, train_list: Path | None = None, skip_damaged: bool = False
) -> None:
    """Check VOC 2012 and SBD, convert their masks, and write PFENet's lists.

    Args:
        voc: VOCdevkit/VOC2012. Its own masks win over SBD's, as they do in the published masks.
        out: the folder to write: links to the images, SegmentationClassAug/, ImageSets/Segmentation/{train,val}.txt.
        sbd: benchmark_RELEASE/dataset. Without it `voc` must hold a SegmentationClassAug made by somebody else.
        train_list: a list of training images to use. By default PFENet's rule: the training images of SBD and of VOC
            that are not in VOC's val, 5,953 of them.
        skip_damaged: leave out images and masks that are damaged, and say how many.
    """
    if out.resolve() == voc.resolve():
        raise ValueError(f"out: expected a folder of its own, got {voc} itself; VOC's own train.txt would be lost")
    pieces = _find(voc, sbd, train_list)
    begin_in(out)
    link_folder(voc / IMAGES, out)
    tasks = [
        Task(mask, voc / IMAGES / f"{name}.jpg", out / MASKS / f"{name}.png") for name, mask in pieces.masks.items()
    ]
    present = [task for task in tasks if task.image.is_file()]
    say_count(f"masks in {MASKS}", len(present), 12031)
    title = "checking and converting masks"
    sound = in_parallel(_convert, present, title, lambda task: task.image, skip_damaged)
    usable = {name for name in sound if name is not None}
    for name in ("train", "val"):
        _write(out, name, getattr(pieces, name), usable)


def _find(voc: Path, sbd: Path | None, train_list: Path | None) -> Pieces:
    need = partial(require, what="voc", fix=GET_VOC)
    images = need(voc / IMAGES)
    lists = {name: read_names(need(voc / "ImageSets/Segmentation" / f"{name}.txt")) for name in ("train", "val")}
    say_count(f"{IMAGES} of VOC", sum(1 for _ in images.glob("*.jpg")), 17125)
    say_count("VOC's train.txt", len(lists["train"]), 1464)
    say_count("VOC's val.txt", len(lists["val"]), 1449)
    if sbd is None:
        ready = require(voc / MASKS, "sbd", f"{GET_SBD}, or put finished masks there")
        masks = {path.stem: path for path in ready.glob("*.png")}
        train = read_names(require(train_list, "train_list", "check the path")) if train_list else None
        if train is None:
            raise ValueError(f"train_list: expected a list where no SBD is given, got none; write one, or {GET_SBD}")
        return Pieces(masks, train, lists["val"])
    own = {path.stem: path for path in need(voc / "SegmentationClass").glob("*.png")}
    say_count("masks of VOC", len(own), 2913)
    theirs = {path.stem: path for path in require(sbd / "cls", "sbd", GET_SBD).glob("*.mat")}
    say_count("masks of SBD", len(theirs), 11355)
    names = read_names(require(sbd / "train.txt", "sbd", GET_SBD))
    say_count("SBD's train.txt", len(names), 8498)
    if train_list:
        train = read_names(require(train_list, "train_list", "check the path"))
    else:
        train = sorted({*names, *lists["train"]} - set(lists["val"]))
    return Pieces(theirs | own, train, lists["val"])


def _convert(task: Task) -> str:
    """Write a mask; the ID of its image."""
    labels = _read_sbd(task.source) if task.source.suffix == ".mat" else _read_png(task.source)
    save_mask(labels, task.image, task.mask, len(VOC_CLASSES))
    return task.image.stem


def _read_png(path: Path) -> np.ndarray:
    try:
        return read_mask(path)
    except ValueError as error:
        raise Damaged(str(error)) from None


def _read_sbd(path: Path) -> np.ndarray:
    """`GTcls.Segmentation` of a MATLAB 5 file: class indices, no 255."""
    try:
        return np.asarray(loadmat(path)["GTcls"][0, 0]["Segmentation"])
    except Exception as error:  # whatever scipy's parser stumbles over in a damaged file
        raise Damaged(f"{path}: not SBD's GTcls.Segmentation ({type(error).__name__}: {error}); get it anew") from None


def _write(out: Path, name: str, wanted: list[str], usable: set[str]) -> None:
    kept = [one for one in wanted if one in usable]
    count, published = PUBLISHED[name]
    missing = [one for one in wanted if one not in usable]
    if missing:
        print(f"{name}: left out {len(missing)} images without image or mask: {some(missing)}")
    digest = write_list(out, name, [(f"{IMAGES}/{one}.jpg", f"{MASKS}/{one}.png") for one in kept])
    say_count(f"{name} list, digest {digest}", len(kept), count)
    print(f"{name}: " + ("PFENet's published list" if digest == published else "not PFENet's published list"))
