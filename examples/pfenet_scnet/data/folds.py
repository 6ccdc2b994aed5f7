"""Which classes are held out: a fold of N, or those that a user names; and what the classes are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from runtime.options import check_choice, nearest
from runtime.say import shown

from data.list_file import read_lines

FOLDS = 4
SPLITS = ("sequential", "interleaved")
MOST_CLASSES = 254
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@dataclass(frozen=True)
class Split:
    """How the classes are divided: `folds` parts, one of which is held out, or the `named` classes held out.

    >>> Split(named=("cat", "3")).novel_classes(None, ("dog", "cat", "cow", "hen"))
    [2, 3]
    """

    kind: str = "sequential"
    folds: int = FOLDS
    named: tuple[str, ...] = ()

    def novel_classes(self, fold: int | None, names: Sequence[str]) -> list[int]:
        """The classes held out, of those that `names` calls 1, 2, ...

        Raises:
            ValueError: a named class is unknown, or no class is left to train on.
        """
        if not self.named:
            return novel_classes(fold, len(names), self.kind, self.folds)
        _check_count(len(names))
        novel = sorted({_class_of(word, names) for word in self.named})
        if len(novel) == len(names):
            raise ValueError(
                f"novel_classes: expected at least one class left to train on, got all {len(names)}; name fewer"
            )
        return novel

    def base_classes(self, fold: int | None, names: Sequence[str]) -> list[int]:
        """The classes trained on."""
        held_out = set(self.novel_classes(fold, names))
        return [c for c in range(1, len(names) + 1) if c not in held_out]


def novel_classes(
    fold: int | None, classes: int = len(VOC_CLASSES), split: str = "sequential", folds: int = FOLDS
) -> list[int]:
    """The part of the classes 1 .. `classes` that a fold holds out; parts differ by one class at most.

    Args:
        fold: 0 .. folds - 1.
        split: "sequential" cuts blocks of classes, as in PASCAL-5i and in the COCO-20i of PANet, MLC and SSP.
            "interleaved" takes every fourth class, as in the COCO-20i of FWB, PFENet and the paper. Scores on the two
            are not comparable.
        folds: how many parts; the benchmarks have four.

    >>> novel_classes(1)
    [6, 7, 8, 9, 10]
    >>> novel_classes(1, 80, "interleaved")[:3]
    [2, 6, 10]
    >>> [novel_classes(fold, 7, folds=3) for fold in range(3)]
    [[1, 2, 3], [4, 5], [6, 7]]
    """
    check_choice("split", split, SPLITS)
    _check_count(classes)
    if not 2 <= folds <= classes:
        raise ValueError(
            f"folds: expected 2 to {classes} for {classes} classes, got {folds}; add --folds {min(classes, FOLDS)} "
            "--fold 0, or --novel_classes with the names of those to hold out"
        )
    if fold not in range(folds):
        raise ValueError(f"fold: expected 0 to {folds - 1}, got {fold}; there are {folds} folds")
    if split == "interleaved":
        return list(range(fold + 1, classes + 1, folds))
    size, larger = divmod(classes, folds)
    first = fold * size + min(fold, larger) + 1
    return list(range(first, first + size + (fold < larger)))


def base_classes(
    fold: int, classes: int = len(VOC_CLASSES), split: str = "sequential", folds: int = FOLDS
) -> list[int]:
    """The classes of the other folds."""
    held_out = set(novel_classes(fold, classes, split, folds))
    return [c for c in range(1, classes + 1) if c not in held_out]


def class_names(root: str | Path) -> tuple[str, ...]:
    """VOC's names, unless the data set below `root` has its own in `classes.txt`, one a line."""
    path = Path(root) / "classes.txt"
    if not path.is_file():
        return VOC_CLASSES
    names = tuple(line.strip() for line in read_lines(path))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names or len(names) > MOST_CLASSES:
        got = f"{', '.join(twice[:5])} twice" if twice else f"{len(names)} names"
        raise ValueError(f"{path}: expected 1 to {MOST_CLASSES} names, each once, got {got}; mend the file")
    strange = [name for name in names if not is_one_line(name)]
    if strange:
        raise ValueError(f"{path}: expected names without control characters, got {shown(strange[0])}; mend the file")
    return names


def is_one_line(name: str) -> bool:
    """Whether a name is a single line that commands no terminal.

    >>> is_one_line("großer Hund"), is_one_line("cup\\nplate"), is_one_line("\\x1b[2J")
    (True, False, False)
    """
    return name.splitlines() == [name] and not any(category(letter) == "Cc" for letter in name)


def _class_of(word: str, names: Sequence[str]) -> int:
    """The number of a class that is given by its name, or by the number itself."""
    if word in names:
        return names.index(word) + 1
    if word.isdecimal() and 1 <= int(word) <= len(names):
        return int(word)
    raise ValueError(
        f"novel_classes: expected names of classes or numbers 1 to {len(names)}, got {word!r}; {nearest(word, names)}"
    )


def _check_count(classes: int) -> None:
    if classes < 2:
        raise ValueError(
            f"classes: expected at least 2, got {classes}: an episodic model is trained on some classes and tried on "
            "others; predict.py can use one class alone, with a model trained on other data"
        )
