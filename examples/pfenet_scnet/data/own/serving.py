"""What a data set of one's own can serve as: pictures and pixels of each class, as a table."""

from collections.abc import Mapping, Sequence

from runtime.say import some

from data.image_list import USUAL_MIN_PIXELS

Pictures = Sequence[Mapping[int, int]]


def serving_table(names: Sequence[str], train: Pictures, val: Pictures) -> str:
    """A line for each class: its pixels, its pictures in train and val, and what it can serve as.

    Args:
        names: of the classes 1, 2, ...
        train: the pixels of each class in each picture to train on.
        val: the same for the pictures kept for validation.
    """
    width = max(len("class"), *(len(name) for name in names))
    lines = [f"  {'':>3} {'class':<{width}} {'pixels':>13} {'train':>6} {'val':>6}  can serve as"]
    for number, name in enumerate(names, 1):
        pixels = sum(picture.get(number, 0) for picture in (*train, *val))
        counts = [sum(number in picture for picture in part) for part in (train, val)]
        uses = _serves(*counts) if len(names) > 1 else _serves(1, 0)
        lines.append(f"  {number:>3} {name:<{width}} {pixels:>13,} {counts[0]:>6,} {counts[1]:>6,}  {uses}")
    return "\n".join([*lines, *_small(train, val), _outlook(names, train, val)])


def _serves(train: int, val: int) -> str:
    """
    >>> _serves(2, 6)
    'base class; novel class, up to 5-shot'
    >>> _serves(1, 0)
    'support of predict.py only'
    """
    uses = ["base class"] if train >= 2 else []
    uses += [f"novel class, {'' if val == 2 else 'up to '}{val - 1}-shot"] if val >= 2 else []
    return "; ".join(uses) or ("support of predict.py only" if train + val else "nothing: no pixel is left of it")


def _small(train: Pictures, val: Pictures) -> list[str]:
    shown = [count for picture in (*train, *val) for count in picture.values()]
    small = sum(count < USUAL_MIN_PIXELS for count in shown)
    if not small:
        return []
    return [
        f"In {small:,} of {len(shown):,} cases a picture shows fewer than {USUAL_MIN_PIXELS:,} pixels of a class. "
        "Training and evaluation pass these over unless --min_pixels is lower."
    ]


def _outlook(names: Sequence[str], train: Pictures, val: Pictures) -> str:
    if len(names) == 1:
        return (
            f"One class alone cannot train an episodic model, which learns on some classes and is tried on others. "
            f"predict.py can segment {names[0]} with a model that was trained on other data: give it pictures of this "
            "data set as --support IMAGE MASK."
        )
    base, novel = (
        {number for number in range(1, len(names) + 1) if sum(number in picture for picture in part) >= 2}
        for part in (train, val)
    )
    if base and novel and len(base | novel) > 1:
        candidates = [names[number - 1] for number in sorted(novel)]
        return f"Train with --novel_classes and the names of those to hold out, among {some(candidates)}."
    return (
        "This is too little to train and evaluate: that takes a base class with two pictures in train and another "
        "class with two in val. predict.py can use the pictures as supports."
    )
