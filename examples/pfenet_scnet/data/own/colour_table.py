"""Which colour means which class: a text file of `name r g b` lines, CVAT's labelmap.txt, or a JSON object."""

import re
from pathlib import Path
from typing import Any

from runtime.json_files import parse_json

from data.list_file import read_lines
from data.masks import UNLABELLED
from data.outlines.coco_table import check_names

LINE = re.compile(r"(?P<name>.+?)[\s,:;]+(?P<r>\d+)[\s,;]+(?P<g>\d+)[\s,;]+(?P<b>\d+)[\s,;]*(:.*)?")
HEX = re.compile(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
BACKGROUND = ("background", "_background_", "__background__")
IGNORED = ("unlabelled", "unlabeled", "ignore", "_ignore_", "__ignore__", "void")
FIX = "write lines 'name r g b' with numbers 0 to 255, such as 'cup 255 0 0'"

Colour = tuple[int, int, int]


def read_colours(path: Path) -> tuple[list[str], dict[Colour, int]]:
    """The names of classes 1, 2, ... in the file's order, and the class of each colour.

    A colour called background is class 0, and so is black where it has no name of its own. A colour called unlabelled,
    ignore or void is 255.

    Raises:
        ValueError: a line is none of these, or a colour or name stands twice; names file and line.
    """
    names: list[str] = []
    class_of: dict[Colour, int] = {}
    for name, colour in _entries(path):
        if colour in class_of:
            raise ValueError(
                f"{path}: expected a colour of its own for each class, got {_words(colour)} twice; mend it"
            )
        word = name.lower()
        if word not in (*BACKGROUND, *IGNORED):
            names.append(name)
        class_of[colour] = 0 if word in BACKGROUND else UNLABELLED if word in IGNORED else len(names)
    check_names(names, path)
    return names, {(0, 0, 0): 0} | class_of


def _entries(path: Path) -> list[tuple[str, Colour]]:
    lines = read_lines(path)
    if "".join(lines).startswith(("{", "[")):
        return _from_json(path, "\n".join(lines))
    return [_from_line(path, line) for line in lines if not line.startswith("#")]


def _from_line(path: Path, line: str) -> tuple[str, Colour]:
    found = LINE.fullmatch(line)
    if not found:
        raise ValueError(f"{path}: expected a name and a colour, got {line!r}; {FIX}")
    return found["name"].strip(), _colour([int(found[channel]) for channel in "rgb"], path, line)


def _from_json(path: Path, text: str) -> list[tuple[str, Colour]]:
    try:
        pairs = parse_json(text, lambda pairs: pairs)
    except ValueError as error:
        raise ValueError(f"{path}: expected a JSON object of names and colours, got {error}; {FIX}") from None
    if not (text.startswith("{") and pairs):
        raise ValueError(f"{path}: expected a JSON object of names and colours, got something else; {FIX}")
    return [(name, _colour(value, path, f"{name}: {value}")) for name, value in pairs]


def _colour(value: Any, path: Path, line: str) -> Colour:
    found = HEX.fullmatch(value) if isinstance(value, str) else None
    channels = [int(part, 16) for part in found.groups()] if found else value
    sound = isinstance(channels, list) and len(channels) == 3 and all(type(one) is int for one in channels)
    if not (sound and all(0 <= one <= 255 for one in channels)):
        raise ValueError(f"{path}: expected a colour of three numbers 0 to 255, got {line!r}; {FIX}")
    return channels[0], channels[1], channels[2]


def _words(colour: Colour) -> str:
    return ",".join(map(str, colour))
