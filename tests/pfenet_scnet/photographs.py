"""Smooth pictures, masks for them, and what a prediction made of them."""

import csv

import numpy as np
from PIL import Image


def pixels(height, width, seed=0):
    """A smooth picture, which a JPEG keeps."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def block(height, width, value=1):
    mask = np.zeros((height, width), np.uint8)
    mask[8 : height - 20, 12 : width - 8] = value
    return mask


def write_photographs(folder):
    """A marked picture, and a folder of photographs with a subfolder."""
    Image.fromarray(pixels(64, 80)).save(folder / "marked.jpg")
    Image.fromarray(block(64, 80, 255)).save(folder / "marked.png")
    for name, size in {"a.jpg": (50, 70), "b.png": (90, 40), "sub/a.jpg": (64, 64)}.items():
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(*size, seed=len(name))).save(path)


def read(path):
    return np.asarray(Image.open(path))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def table(folder):
    return list(csv.DictReader((folder / "table.csv").open()))
