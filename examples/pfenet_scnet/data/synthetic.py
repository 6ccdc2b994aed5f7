"""A VOC-layout data set of drawn scenes: 20 texture-and-shape classes in 4 folds.

`hidden` sets the share of training scenes that hide novel objects, the same for every fold: the paper measures this
share in its Fig. 2. A seed gives the same bytes under the same versions of numpy and Pillow. What a scene looks like is
said in scenes/.

    python examples/pfenet_scnet/prepare.py scenes --root runs/scenes --hidden 0.25
"""

from functools import partial
from pathlib import Path

import numpy as np
from runtime.atomic_files import encoded
from runtime.atomic_folder import whole_folder
from runtime.options import Range
from tqdm import tqdm

from data.folds import FOLDS, novel_classes
from data.scenes.scene import draw_scene
from data.scenes.things import CLASSES_A_FOLD, class_names

# The name of the drawing. Whoever changes what is drawn changes the name: scores on other drawings are other scores.
DRAWING = "places"
MIN_PIXELS = 500
GREATEST_HIDDEN_SHARE = 0.5


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
    with whole_folder(root) as unfinished:
        _write_split(unfinished, "train", _training_classes(train_scenes, hidden, seed), seed)
        _write_split(unfinished, "val", _validation_classes(val_scenes, seed), seed + 1)
        (unfinished / "classes.txt").write_text("\n".join(class_names()) + "\n", encoding="utf-8")
    return root


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
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(encoded(partial(image.save, format="JPEG", quality=90)))
        (root / "SegmentationClassAug" / f"{name}.png").write_bytes(encoded(partial(mask.save, format="PNG")))
    (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
