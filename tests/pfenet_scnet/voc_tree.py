"""A small tree in VOC's real layout: JPEGs, palette PNGs, lists."""

import numpy as np
from PIL import Image


def write_voc(root, masks, split="train", published_lines=False, names=None):
    """One image a mask, named train0, train1, … unless `names` says so; returns the root."""
    for folder in ("JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = names or [f"{split}{i}" for i in range(len(masks))]
    for i, (name, mask) in enumerate(zip(names, masks, strict=True)):
        pixels = np.random.default_rng(i).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg")
        picture = Image.fromarray(mask.astype(np.uint8), mode="P")
        picture.putpalette([v for c in range(256) for v in (c, 255 - c, c // 2)])
        picture.save(root / "SegmentationClassAug" / f"{name}.png")
    lines = [f"JPEGImages/{n}.jpg SegmentationClassAug/{n}.png" if published_lines else n for n in names]
    (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def write_twenty_classes(root, **images_a_class):
    """VOC's twenty classes, as in `train=2, val=3`: each image shows one."""
    for split, count in images_a_class.items():
        write_voc(root, [mask_with(c) for c in range(1, 21) for _ in range(count)], split)
    return root


def mask_with(*classes, size=(40, 60)):
    """A mask with a block of 10 x 10 pixels a class, and an unlabelled column."""
    mask = np.zeros(size, dtype=np.uint8)
    for i, c in enumerate(classes):
        mask[10:20, 12 * i : 12 * i + 10] = c
    mask[:, -1] = 255
    return mask
