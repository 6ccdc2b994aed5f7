"""Lists that a user gives of own pictures: one name a line, in many spellings."""

from collections.abc import Sequence
from pathlib import Path

from runtime.say import some

from data.list_file import read_lines
from data.own.picture_search import Pictures, Untold
from data.preparation.shared import require


def read_parts(train_list: Path | None, val_list: Path | None, names: Sequence[str], folder: Path) -> dict[str, str]:
    """train or val for each listed picture, by its path below the folder; nothing where no list is given.

    A line is a path or a name, with or without ending; of `image mask` the first counts.

    Args:
        names: paths below the folder of pictures.

    Raises:
        ValueError: one list is missing, names no picture or several, or both name the same; shows the lines.
    """
    if train_list is None and val_list is None:
        return {}
    if train_list is None or val_list is None:
        given, other = ("train_list", "val_list") if val_list is None else ("val_list", "train_list")
        raise ValueError(f"{other}: expected a list beside --{given}, got none; give both, or none")
    pictures = Pictures(names, with_stems=True)
    train = _listed(require(train_list, "train_list", "check the path"), pictures, folder)
    val = _listed(require(val_list, "val_list", "check the path"), pictures, folder)
    both = [name for name in train if name in set(val)]
    if both:
        raise ValueError(f"{val_list}: expected other pictures than {train_list}, got {some(both)} in both; mend one")
    return dict.fromkeys(train, "train") | dict.fromkeys(val, "val")


def _listed(path: Path, pictures: Pictures, folder: Path) -> list[str]:
    found: list[str] = []
    strange: list[str] = []
    for line in read_lines(path):
        try:
            found.append(_picture(line, pictures))
        except Untold as problem:
            strange.append(f"{line!r} ({problem})")
    if strange or not found:
        raise ValueError(
            f"{path}: expected names of pictures below {folder}, got {some(strange) or 'an empty file'}; mend the list"
        )
    once = list(dict.fromkeys(found))
    if len(once) < len(found):
        print(f"{path}: {len(found)} lines name {len(once)} pictures; each counts once")
    return once


def _picture(line: str, pictures: Pictures) -> str:
    """The whole line first, as a name may hold blanks."""
    try:
        return pictures.find(line)
    except Untold:
        if len(line.split()) < 2:
            raise
        return pictures.find(line.split()[0])
