"""The frozen backbone's features of every training image, computed once and kept on disk.

A cache is a folder of plain, memory-mapped .npy arrays. Axes of an array: images or (image, class) pairs, two views
(the picture and its mirror image), rows, columns, channels.

The folder is named by a digest of images, classes, backbone and preparation, and gets that name only when it is whole.
Each array has its digest in the manifest, and is read through once when a run opens the cache. A run that is killed
while it computes leaves a folder `unfinished-…`, which nothing reads, and which a later run deletes when it is a day
old.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from data.image_list import ImageList
from data.transforms import evaluation_transform, read_pair
from model.pfenet import PFENet
from runtime.atomic_files import DAY, remove_unfinished, write_text_atomically
from runtime.interrupts import ignore_interrupts
from runtime.json_files import read_object
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from tqdm import tqdm

Pairs = list[tuple[int, int]]
BY_IMAGE = ("mid", "high_level")
BY_PAIR = ("support_high_level", "masks")


class FeatureCache:
    """Features by image and by (image, class) pair, read from `folder` on demand.

    Args:
        folder: a folder that `open_features` wrote.
        pairs: the (image, class) pairs in the arrays' order, images ascending.
    """

    def __init__(self, folder: Path, pairs: list[tuple[int, int]]) -> None:
        self.folder = folder
        self.pair_rows = {pair: row for row, pair in enumerate(pairs)}
        self.image_rows = {index: row for row, index in enumerate(dict(pairs))}
        # Copy on write, because torch warns about read-only arrays. Nothing here writes.
        self.arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in BY_IMAGE + BY_PAIR
        }

    def of(self, whole: ImageList, part: ImageList) -> "FeatureCache":
        """This cache of the `whole` list, numbered as in `part` of that list: one cache serves every fold."""
        places = {item.image: index for index, item in enumerate(whole.items)}
        numbered = copy(self)
        images = {places[item.image]: index for index, item in enumerate(part.items)}
        numbered.image_rows = {images[i]: row for i, row in self.image_rows.items() if i in images}
        numbered.pair_rows = {(images[i], c): row for (i, c), row in self.pair_rows.items() if i in images}
        return numbered

    def read(self, name: str, index: int, novel_class: int, view: int) -> Tensor:
        """An image's entry in one of the arrays, channels last; the class matters where entries are by pair."""
        row = self.image_rows[index] if name in BY_IMAGE else self.pair_rows[index, novel_class]
        return torch.from_numpy(self.arrays[name][row, view])


def open_features(root: str | Path, model: PFENet, images: ImageList, classes: list[int], size: int) -> FeatureCache:
    """The cache of these images and their (image, class) pairs below `root`, computed now if it is not there.

    Args:
        root: holds caches of any lists and backbones side by side.
        model: its backbone computes the features.
        classes: the classes of the episodes.
        size: side in pixels of the square that the longer side is resized to, the rest padded.

    Raises:
        ValueError: an image or mask changed since the cache was made, the cache is damaged, features are not finite,
            or the model's batch statistics are live.
        OSError: the disk has too little room.
    """
    if model.live_statistics:
        raise ValueError(
            "cache_features: expected frozen batch statistics, got live_statistics=true, under which an image's "
            "features depend on its batch; set live_statistics to false"
        )
    # Even classes of few pixels: a schedule may draw any class that a query shows.
    pairs = [(index, c) for index, item in enumerate(images.items) for c in classes if c in item.pixels]
    views = _Views(images, pairs, size)
    identity = {
        "format": 2,
        # Covers size, decoder and padding: images that are prepared in another way get another cache.
        "first_image": _digest_of_tensors(views[0]),
        # Two networks may differ in nothing but an activation or a stride.
        "layers": _digest([repr(one) for one in model.backbone_layers()]),
        "backbone": _digest_of_tensors(v for one in model.backbone_layers() for v in one.state_dict().values()),
        "pairs": _digest([(str(images.items[i].image.resolve()), c) for i, c in pairs]),
    }
    manifest = identity | {"files": _digest(list(_files(images)))}
    folder = Path(root) / _digest(identity)[:16]
    remove_unfinished(folder.parent, "unfinished-*", DAY)
    if not folder.exists():
        _compute(folder, model, views, len(pairs), manifest)
    _check(folder, manifest)
    return FeatureCache(folder, pairs)


def _check(folder: Path, manifest: dict[str, object]) -> None:
    found = read_object(folder / "manifest.json") or {}
    digests, fix = found.pop("arrays", None), "delete that folder and they are computed again"
    if found != manifest:
        raise ValueError(
            f"cache_features: expected features of the present files in {folder}, got older ones: an image or mask "
            f"changed since; {fix}"
        )
    if digests != _digests_of_arrays(folder):
        raise ValueError(f"cache_features: expected whole features in {folder}, got damaged ones; {fix}")


def _digests_of_arrays(folder: Path) -> dict[str, str]:
    """The digest of the file of each array that is there."""
    digests: dict[str, str] = {}
    for path in tqdm(sorted(folder.glob("*.npy")), "reading cached features", unit=" arrays", delay=2):
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _digest_of_tensors(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _files(images: ImageList) -> Iterator[tuple[int, int]]:
    """Size and time of each file: enough to notice a change without reading it."""
    for item in images.items:
        for path in (item.image, item.mask):
            status = path.stat()
            yield status.st_size, status.st_mtime_ns


class _Views(Dataset[tuple[Tensor, Tensor]]):
    """An image's two views (V, 3, H, W), and the masks of its K pairs (K, V, H, W)."""

    def __init__(self, images: ImageList, pairs: Pairs, size: int) -> None:
        classes: dict[int, list[int]] = {}
        for index, c in pairs:
            classes.setdefault(index, []).append(c)
        self.entries = [(images.items[index], members) for index, members in classes.items()]
        self.transform = evaluation_transform(size)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        item, classes = self.entries[index]
        decoded = [read_pair(item, c) for c in classes]
        # Mirrored before padding, so that padding stays below and on the right, where evaluation has it.
        flipped = [tuple(v2.functional.horizontal_flip(part) for part in pair) for pair in decoded]
        plain, mirrored = ([self.transform(*pair) for pair in view] for view in (decoded, flipped))
        pictures = torch.stack([plain[0][0].as_subclass(Tensor), mirrored[0][0].as_subclass(Tensor)])
        return pictures, torch.stack([_stack_masks(plain), _stack_masks(mirrored)], 1)


def _stack_masks(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([mask.as_subclass(Tensor) for _, mask in pairs])


@torch.no_grad()
def _compute(folder: Path, model: PFENet, views: _Views, pairs: int, manifest: dict[str, object]) -> None:
    """Fill the arrays in a temporary folder beside `folder`, and give it that name when they are whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with TemporaryDirectory(prefix="unfinished-", dir=folder.parent, ignore_cleanup_errors=True) as unfinished:
        arrays: dict[str, np.ndarray] = {}
        loader = DataLoader(views, batch_size=None, num_workers=1, worker_init_fn=ignore_interrupts)
        done = 0
        for index, (pictures, masks) in enumerate(tqdm(loader, desc="features to cache", unit=" images")):
            entry = _entry(model, pictures.to(device), masks.to(device))
            if not arrays:
                arrays = _allocate(Path(unfinished), entry, len(views), pairs)
                tqdm.write(
                    f"caching features: {sum(array.nbytes for array in arrays.values()) / 1e9:.1f} GB in {folder}"
                )
            _check_finite(entry, views.entries[index][0].image)
            for name in BY_IMAGE:
                arrays[name][index] = entry[name]
            for name in BY_PAIR:
                arrays[name][done : done + len(masks)] = entry[name]
            done += len(masks)
        for array in arrays.values():
            array.flush()
        arrays.clear()
        whole = manifest | {"arrays": _digests_of_arrays(Path(unfinished))}
        write_text_atomically(Path(unfinished) / "manifest.json", json.dumps(whole, indent=2) + "\n")
        _publish(Path(unfinished), folder)
    model.train(was_training)


def _entry(model: PFENet, pictures: Tensor, masks: Tensor) -> dict[str, np.ndarray]:
    """The features to keep of one image, channels last: (V, ...) by image, (K, V, ...) by pair."""
    mid, layer3 = model.mid_level(pictures)
    every_mask = masks.flatten(0, 1)
    support = model.masked_high_level(layer3.repeat(len(masks), 1, 1, 1), every_mask)
    maps = {
        "mid": mid,
        "high_level": model.layer4(layer3),
        "support_high_level": support.unflatten(0, masks.shape[:2]),
    }
    kept = {name: value.movedim(-3, -1) for name, value in maps.items()} | {"masks": masks.to(torch.uint8)}
    return {name: value.cpu().numpy() for name, value in kept.items()}


def _check_finite(entry: dict[str, np.ndarray], image: Path) -> None:
    if not all(np.isfinite(value).all() for value in entry.values()):
        raise ValueError(
            f"cache_features: expected finite features, got NaN or infinity for {image}; the backbone's weights are "
            "damaged: get them anew"
        )


def _allocate(folder: Path, entry: dict[str, np.ndarray], images: int, pairs: int) -> dict[str, np.ndarray]:
    """Create empty arrays for all images and pairs, if the disk has room for them."""
    shapes = {name: (images, *entry[name].shape) for name in BY_IMAGE}
    shapes |= {name: (pairs, *entry[name].shape[1:]) for name in BY_PAIR}
    needed = sum(math.prod(shape) * entry[name].itemsize for name, shape in shapes.items())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"cache_features: expected {needed / 1e9:.1f} GB of room below {folder.parent}, got {free / 1e9:.1f}; "
            "name a folder on another disk with --features, or take a smaller size"
        )
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", entry[name].dtype, shape)
        for name, shape in shapes.items()
    }
    for name in arrays:
        _reserve(folder / f"{name}.npy")
    return arrays


def _reserve(path: Path) -> None:
    """Take the file's room on the disk now, where the system can: a mapped file on a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _publish(unfinished: Path, folder: Path) -> None:
    """Give a complete cache its name; if another run was faster, its equal cache stays."""
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():
            raise
