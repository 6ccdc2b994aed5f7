"""A VOC-layout data set of drawn scenes: 20 texture-and-shape classes in 4 folds.

`hidden` sets the share of training scenes that hide novel objects, the same for every fold: the paper measures this
share in its Fig. 2. A seed gives the same bytes under the same versions of numpy and Pillow.

    python examples/pfenet_scnet/prepare.py scenes --root runs/scenes --hidden 0.25
"""

import colorsys
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from runtime.options import Range
from tqdm import tqdm

from data.folds import FOLDS, novel_classes

WIDTH, HEIGHT = 256, 192
MIN_PIXELS = 500
CLASSES_A_FOLD = 5
GREATEST_HIDDEN_SHARE = 0.5
TEXTURES = ("striped", "checked", "dotted", "ringed", "wavy")
SHAPES = ("disc", "square", "triangle", "star", "cross")

_PALETTE = [value for c in range(256) for value in ((c * 67) % 256, (c * 113) % 256, (c * 199) % 256)]
_PALETTE[:3] = [0, 0, 0]


def make_scenes(
    root: str | Path, hidden: float = 0.25, train_scenes: int = 480, val_scenes: int = 200, seed: int = 0
) -> Path:
    """Write the data set below `root`, whole or not at all, and return it.

    Args:
        root: a folder that does not exist yet; an existing one is left as it is.
        hidden: share of each fold's usable training scenes that also show a novel object, 0 to 0.5.
        train_scenes: scenes in `train.txt`.
        val_scenes: scenes in `val.txt`, whose objects come from all folds.
        seed: seeds everything random.
    """
    if not 0 <= hidden <= GREATEST_HIDDEN_SHARE:
        raise ValueError(
            f"hidden: expected 0 to {GREATEST_HIDDEN_SHARE}, got {hidden}; every fold must keep base scenes"
        )
    for option, scenes in {"train_scenes": train_scenes, "val_scenes": val_scenes}.items():
        Range(1).check(option, scenes)
    Range(0).check("seed", seed)
    root = Path(root)
    if root.exists():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_split(unfinished, "train", _training_classes(train_scenes, hidden, seed), seed)
        _write_split(unfinished, "val", _validation_classes(val_scenes, seed), seed + 1)
        (unfinished / "classes.txt").write_text("\n".join(class_names()) + "\n")
        unfinished.chmod(0o755)
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return root


def class_names() -> list[str]:
    """The classes' names, which say what they look like.

    >>> class_names()[:2]
    ['striped disc 1', 'checked square 2']
    """
    return [f"{TEXTURES[_texture_of(c)]} {SHAPES[_shape_of(c)]} {c}" for c in range(1, FOLDS * CLASSES_A_FOLD + 1)]


def _texture_of(c: int) -> int:
    return (c - 1) % CLASSES_A_FOLD


def _shape_of(c: int) -> int:
    return (_texture_of(c) + (c - 1) // CLASSES_A_FOLD) % CLASSES_A_FOLD


def mixed_share(hidden: float) -> float:
    """The share of scenes that must mix two folds' classes so that `hidden` of each fold's usable scenes hide a novel
    object.

    With a share p mixed, evenly over the pairs of folds, a fold can use all scenes but its own pure ones, which are
    1 − (1 − p)/4, and p/2 of all scenes hide its classes: hidden = (p/2) / (3/4 + p/4).

    >>> mixed_share(0.5)
    1.0
    """
    return 3 * hidden / (2 - hidden)


def _training_classes(scenes: int, hidden: float, seed: int) -> list[list[int]]:
    """The classes of each scene, from one fold or, if mixed, from two. Folds take turns, so their shares are equal."""
    random = np.random.default_rng([seed, 2])
    pairs = [(a, b) for a in range(FOLDS) for b in range(a)]
    mixed = round(scenes * mixed_share(hidden))
    plan = [pairs[i % len(pairs)] for i in range(mixed)] + [(i % FOLDS,) for i in range(scenes - mixed)]
    drawn = [[int(random.choice(novel_classes(fold))) for fold in folds] for folds in plan]
    for classes, folds in zip(drawn, plan, strict=True):
        extra = random.integers(0, 3 if len(folds) == 1 else 2)
        classes += [int(random.choice(novel_classes(int(random.choice(folds))))) for _ in range(extra)]
    random.shuffle(drawn)
    return drawn


def _validation_classes(scenes: int, seed: int) -> list[list[int]]:
    random = np.random.default_rng([seed, 3])
    every = FOLDS * CLASSES_A_FOLD
    return [[1 + i % every, *random.integers(1, every + 1, random.integers(0, 3)).tolist()] for i in range(scenes)]


def _write_split(root: Path, split: str, scenes: list[list[int]], seed: int) -> None:
    for folder in ("JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = [f"{split}_{index:05d}" for index in range(len(scenes))]
    for index, (name, classes) in enumerate(zip(tqdm(names, desc=f"drawing {split} scenes"), scenes, strict=True)):
        image, mask = draw_scene(classes, np.random.default_rng([seed, 4, index]))
        image.save(root / "JPEGImages" / f"{name}.jpg", quality=90)
        mask.save(root / "SegmentationClassAug" / f"{name}.png")
    (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")


def draw_scene(classes: list[int], random: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """An image and its palette mask: one object of each class, the first in front, an unlabelled rim around each."""
    image = _background(random)
    mask = Image.new("P", (WIDTH, HEIGHT))
    mask.putpalette(_PALETTE)
    for c in reversed(classes):
        shape = _outline(c, random)
        left, top, right, bottom = shape.getbbox()
        texture = _texture(c, right - left, bottom - top, random)
        image.paste(texture, (left, top), mask=shape.crop((left, top, right, bottom)))
        rim = np.asarray(shape.filter(ImageFilter.MaxFilter(3))) != np.asarray(shape.filter(ImageFilter.MinFilter(3)))
        mask.paste(c, mask=shape)
        mask.paste(255, mask=Image.fromarray(rim.astype(np.uint8) * 255))
    return image, mask


def _background(random: np.random.Generator) -> Image.Image:
    """A smooth, muted field with grain and two unlabelled blotches: nothing that any class looks like."""
    coarse = Image.fromarray(random.integers(70, 186, (4, 5, 3), dtype=np.uint8))
    image = coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(2):
        x, y, radius = random.integers(0, WIDTH), random.integers(0, HEIGHT), random.integers(15, 40)
        colour = tuple(random.integers(60, 200, 3).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    grain = random.normal(0, 7, (HEIGHT, WIDTH, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def _texture(c: int, width: int, height: int, random: np.random.Generator) -> Image.Image:
    """Stripes, checks, dots, rings or waves in the two colours, and at the pitch, of class c."""
    fold = (c - 1) // CLASSES_A_FOLD
    angle = 0.8 * fold + random.uniform(-0.3, 0.3)
    pitch = (9 + 3 * fold) * random.uniform(0.85, 1.15)
    y, x = np.mgrid[:height, :width] * (2 * np.pi / pitch)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(x - random.uniform(0, x.max()), y - random.uniform(0, y.max()))
    wave = (
        np.sin(u),
        np.sin(u) * np.sin(v),
        np.cos(u) + np.cos(v) - 0.7,
        np.sin(radius),
        np.sin(u + 2 * np.sin(v / 2)),
    )
    hue = (0.618 * c) % 1 + random.uniform(-0.03, 0.03)
    light, dark = (
        np.array(colorsys.hsv_to_rgb((hue + shift) % 1, 0.75, value * random.uniform(0.85, 1.0)))
        for shift, value in ((0, 1.0), (0.4, 0.55))
    )
    blend = (1 / (1 + np.exp(-4 * wave[_texture_of(c)])))[..., None]
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray((255 * (blend * light + (1 - blend) * dark) + grain).clip(0, 255).astype(np.uint8))


def _outline(c: int, random: np.random.Generator) -> Image.Image:
    """A disc, square, triangle, star or cross, turned, of random size and place."""
    corners, inner = ((40, 1.0), (4, 1.0), (3, 1.0), (5, 0.45), (4, 0.4))[_shape_of(c)]
    angles = np.arange(2 * corners) * np.pi / corners + random.uniform(0, 2 * np.pi)
    # Between two corners lies an inner one; for a convex polygon it lies on the edge.
    inward = np.cos(np.pi / corners) if inner == 1.0 else inner
    radii = np.where(np.arange(2 * corners) % 2 == 0, 1.0, inward) * random.uniform(30, 58)
    x, y = random.uniform(0.2, 0.8) * WIDTH, random.uniform(0.2, 0.8) * HEIGHT
    picture = Image.new("L", (WIDTH, HEIGHT))
    points = zip((x + radii * np.cos(angles)).tolist(), (y + radii * np.sin(angles)).tolist(), strict=True)
    ImageDraw.Draw(picture).polygon(list(points), fill=255)
    return picture
