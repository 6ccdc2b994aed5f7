"""Which classes each fold holds out, and what they are called."""

from pathlib import Path

FOLDS = 4
SPLITS = ("sequential", "interleaved")
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def novel_classes(fold: int, classes: int = len(VOC_CLASSES), split: str = "sequential") -> list[int]:
    """The quarter of the classes 1 .. `classes` that fold 0..3 holds out.

    Args:
        split: "sequential" cuts blocks of classes, as in PASCAL-5i and in the COCO-20i of PANet, MLC and SSP.
            "interleaved" takes every fourth class, as in the COCO-20i of FWB, PFENet and the paper. Scores on the two
            are not comparable.

    >>> novel_classes(1)
    [6, 7, 8, 9, 10]
    >>> novel_classes(1, 80, "interleaved")[:3]
    [2, 6, 10]
    """
    if fold not in range(FOLDS):
        raise ValueError(f"fold: expected 0 to {FOLDS - 1}, got {fold}; there are four folds")
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}; pick one of the two")
    if classes % FOLDS:
        raise ValueError(f"classes: expected a multiple of {FOLDS}, got {classes}; mend classes.txt")
    if split == "interleaved":
        return list(range(fold + 1, classes + 1, FOLDS))
    quarter = classes // FOLDS
    return list(range(quarter * fold + 1, quarter * (fold + 1) + 1))


def base_classes(fold: int, classes: int = len(VOC_CLASSES), split: str = "sequential") -> list[int]:
    """The classes of the other three quarters."""
    held_out = set(novel_classes(fold, classes, split))
    return [c for c in range(1, classes + 1) if c not in held_out]


def class_names(root: str | Path) -> tuple[str, ...]:
    """VOC's names, unless the data set below `root` has its own in `classes.txt`, one a line."""
    path = Path(root) / "classes.txt"
    return tuple(path.read_text().splitlines()) if path.is_file() else VOC_CLASSES
