"""The pictures that a command line names: files, folders and patterns, each with the name that its results get."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from data.list_file import PICTURES
from runtime.say import say_once, shown, some

SHOWN = 3
WILD = "*?["


class Query(NamedTuple):
    """A picture, and what its results are called below the output's folders, without an ending."""

    path: Path
    name: PurePath


def find_queries(words: Sequence[str]) -> list[Query]:
    """The pictures in order: a file itself, all pictures in a folder and its subfolders, or those that a pattern finds.

    Results of a folder or pattern keep their place below it; a file's have its name. Other files there are left out,
    and that is said.

    Raises:
        FileNotFoundError: a word names no picture.
        ValueError: two pictures would have results of one name.
    """
    found = [query for word in words for query in _of_word(word)]
    once = list({(query.path.resolve(), query.name): query for query in found}.values())
    if len(once) < len(found):
        say_once(f"query: {len(found) - len(once)} of {len(found)} pictures were named before; each is predicted once")
    _check_names(once)
    return once


def _of_word(word: str) -> list[Query]:
    path = Path(word)
    if path.is_file():
        return [Query(path, PurePath(path.stem))]
    if path.is_dir():
        files = [one for one in sorted(path.rglob("*")) if one.is_file()]
        return _pictures(files, path, f"{shown(word)}: expected pictures in this folder")
    if not any(sign in word for sign in WILD):
        raise FileNotFoundError(f"{shown(word)}: expected a picture, a folder or a pattern, got none; check the path")
    files = [Path(one) for one in sorted(glob.glob(word, recursive=True)) if Path(one).is_file()]
    return _pictures(files, _fixed_part(word), f"{shown(word)}: expected pictures that this pattern finds")


def _fixed_part(pattern: str) -> Path:
    """The folder before the first wild part."""
    parts = Path(pattern).parts
    wild = next(place for place, part in enumerate(parts) if any(sign in part for sign in WILD))
    return Path(*parts[:wild])


def _pictures(files: Iterable[Path], root: Path, expected: str) -> list[Query]:
    """Those that end as pictures do; hidden files, such as a camera's previews, are none."""
    inside = [(file, file.relative_to(root)) for file in files]
    visible = [(file, name) for file, name in inside if not any(part.startswith(".") for part in name.parts)]
    pictures = [Query(file, name.with_suffix("")) for file, name in visible if file.suffix.lower() in PICTURES]
    others = [shown(file.name) for file, _ in visible if file.suffix.lower() not in PICTURES]
    listed = some(others, most=SHOWN)
    if not pictures:
        got = f"other files alone: {listed}" if others else "none"
        raise FileNotFoundError(f"{expected} ({' '.join(PICTURES)}), got {got}; check the path, or convert them")
    if others:
        say_once(f"{shown(root)}: left out {len(others)} of {len(visible)} files, no pictures by their names: {listed}")
    return pictures


def _check_names(queries: Sequence[Query]) -> None:
    held: dict[str, Query] = {}
    for query in queries:
        # Some file systems take a.png and A.png for one file.
        first = held.setdefault(str(query.name).casefold(), query)
        if first is not query:
            raise ValueError(
                f"query: expected pictures whose results have different names, got {shown(first.path)} and "
                f"{shown(query.path)}, both {shown(query.name)}.png; rename one, or name the folder that holds both"
            )
