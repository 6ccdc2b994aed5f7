"""Small pictures and masks of one's own, in files, and a COCO export of them."""

import json

import numpy as np
from PIL import Image

SIZE = (48, 64)
TURNED_A_QUARTER = 6


def write_picture(path, size=SIZE, note=None, mode="RGB", seed=0):
    """A picture of noise; `note` is the camera's, 6 for a phone that was held upright."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    exif = picture.getexif()
    if note:
        exif[0x0112] = note
    picture.save(path, exif=exif)
    return path


def write_mask(path, values, mode=None):
    """A mask from its values (H, W) or colours (H, W, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values), mode)
    if mode == "P":
        picture.putpalette([value for c in range(256) for value in (c, 255 - c, c // 2)])
    picture.save(path)
    return path


def block(value, size=SIZE, corner=(4, 6), side=20):
    """A mask of background with a square of a value or a colour."""
    mask = np.zeros((*size, *np.shape(value)), np.uint8)
    mask[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = value
    return mask


def write_pairs(root, values, ending="png", mode=None):
    """Pictures images/0.jpg, 1.jpg, ... and masks masks/0.png, ... with a square of each value."""
    for number, value in enumerate(values):
        write_picture(root / f"images/{number}.jpg", seed=number)
        write_mask(root / f"masks/{number}.{ending}", block(value), mode)
    return root


def outline(x=6, y=4, side=20):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def write_export(root, annotations, images=None, categories=((3, "cup"), (7, "plate")), name="export.json"):
    """An export with one picture for each number of images, called 0.jpg, 1.jpg, ...; returns its path."""
    if images is None:
        images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(len(annotations))]
    for number, image in enumerate(images):
        path = root / "images" / image["file_name"]
        if not path.exists():
            write_picture(path, seed=number)
    table = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": word} for number, word in categories],
    }
    (root / name).write_text(json.dumps(table))
    return root / name
