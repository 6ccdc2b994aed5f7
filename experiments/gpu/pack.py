"""Photographs in one small file, which travels to a machine with a GPU: both lists, the pictures and the masks.

python experiments/gpu/pack.py --data DIR --out runs/voc-small-224.zip      # DIR: photographs in VOC's layout

The file is a zip of a folder in VOC's layout. Pictures and masks have the size that the features are computed at, and
`counts.json` says how many pixels of each class the masks had before, so that the lists, and with them all episodes,
are those of the data set itself. Equal data give equal bytes. The file holds other people's photographs: it is never
committed.
"""

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

sys.path.insert(0, str(Path(__file__).parents[1]))
from running import example_modules  # noqa: F401

# isort: split
import numpy as np
import torch
from data.image_list import ImageList, Item, read_list
from data.list_file import IMAGES, MASKS
from data.masks import read_mask
from data.pictures import read_image
from PIL import Image
from runtime.atomic_files import write_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import ExactParser, Range
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from tqdm import tqdm

from gpu.packed_photographs import COUNTS, LISTS, list_path

# The same at every writing, so that equal data give equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
READABLE = 0o644 << 16
UNIX = 3


def pack(root: Path, out: Path, size: int, quality: int) -> dict[str, object]:
    """Write the file, and say what it holds.

    Args:
        root: photographs in VOC's layout.
        size: pixels of a picture's longer side.
        quality: of WebP, 1 to 100.

    Raises:
        ValueError: two pictures have one name.
    """
    lists = {name: read_list(root, name) for name in LISTS}
    items = list({item.image: item for images in lists.values() for item in images.items}.values())
    _check_names(items)
    decibels: list[float] = []

    def write(file: IO[bytes]) -> None:
        with ZipFile(file, "w", ZIP_STORED) as archive:
            for name, text in _texts(root, lists):
                _add(archive, name, text.encode())
            for item in tqdm(items, desc="packing", unit=" pictures"):
                image, mask = resized(item, size)
                picture = _webp(image, quality)
                decibels.append(_signal_to_noise(image, picture))
                _add(archive, f"{IMAGES}/{item.image.stem}.webp", picture)
                _add(archive, f"{MASKS}/{item.image.stem}.png", _png(mask))

    write_atomically(out, write)
    return {
        "pictures": len(items),
        "lists": {name: len(images.items) for name, images in lists.items()},
        "longer_side": size,
        "webp_quality": quality,
        "mean_signal_to_noise_decibels": round(float(np.mean(decibels)), 2),
        "mebibytes": round(out.stat().st_size / 2**20, 2),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "environment": environment(),
    }


def resized(item: Item, size: int) -> tuple[Tensor, Tensor]:
    """Picture (3, h, w) and class indices (h, w) as bytes, resized as evaluation does, not padded."""
    labels = torch.from_numpy(read_mask(item.mask).copy())
    pair = tv_tensors.Image(read_image(item.image)), tv_tensors.Mask(labels)
    image, mask = v2.Resize(None, max_size=size, antialias=True)(*pair)
    return image.as_subclass(Tensor), mask.as_subclass(Tensor)


def _check_names(items: list[Item]) -> None:
    stems = [item.image.stem for item in items]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise ValueError(f"data: expected pictures of different names, got {twice} twice; rename one of them")


def _texts(root: Path, lists: dict[str, ImageList]) -> Iterator[tuple[str, str]]:
    """Names and contents of the text files."""
    for name, images in lists.items():
        stems = [item.image.stem for item in images.items]
        yield list_path(name), "".join(f"{IMAGES}/{stem}.webp {MASKS}/{stem}.png\n" for stem in stems)
    yield COUNTS, json.dumps({name: [item.pixels for item in images.items] for name, images in lists.items()})
    if (root / "classes.txt").is_file():
        yield "classes.txt", (root / "classes.txt").read_text(encoding="utf-8")


def _add(archive: ZipFile, name: str, data: bytes) -> None:
    entry = ZipInfo(name, EPOCH)
    entry.external_attr, entry.create_system = READABLE, UNIX
    archive.writestr(entry, data)


def _webp(image: Tensor, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _png(mask: Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.numpy()).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _signal_to_noise(image: Tensor, picture: bytes) -> float:
    """The peak signal-to-noise ratio of an encoded picture, in decibels; of an exact one, that of half a grey value."""
    decoded = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(np.float64)
    error = float(np.mean((decoded - image.permute(1, 2, 0).numpy()) ** 2))
    return 10 * float(np.log10(255**2 / max(error, 0.25)))


def main(arguments: list[str] | None = None) -> None:
    """Pack what the command line names, and print what the file holds."""
    parser = ExactParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="photographs in VOC's layout")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--size", type=int, default=224, help="pixels of the longer side")
    parser.add_argument("--quality", type=int, default=80, help="of WebP, 1 to 100")
    given = parser.parse_args(arguments)
    Range(32).check("size", given.size)
    Range(1, 100).check("quality", given.quality)
    torch.set_num_threads(1)
    print(json.dumps(pack(given.data, given.out, given.size, given.quality), indent=2))


if __name__ == "__main__":
    run_command(main)
