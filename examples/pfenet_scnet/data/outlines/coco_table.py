"""A COCO JSON as annotation tools write it: its categories, and each image with its annotations; checked when read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runtime.json_files import parse_json
from runtime.say import shown, some

from data.folds import MOST_CLASSES, is_one_line

PARTS = ("images", "annotations", "categories")
FIX = "export it in COCO's format again, or unpack it again"

# More pixels on a side are no picture.
LARGEST = 2**31

Id = int | float | str


class Image(NamedTuple):
    """An image of the table: its file, its (H, W) where that is stated, and what is annotated in it."""

    id: Id
    file_name: str
    size: tuple[int, int] | None
    annotations: list[dict[str, Any]]


class Table(NamedTuple):
    """What a file holds: the categories' names in the order of their ids, and the images in the order of theirs."""

    path: Path
    names: dict[Id, str]
    images: list[Image]
    strays: list[dict[str, Any]]


def read_table(path: Path) -> Table:
    """Read a COCO JSON. `strays` are annotations of an image that is not listed.

    Annotations need no id, `iscrowd` or `area`; images need no size.

    Raises:
        ValueError: the file is no such JSON, or an entry lacks what it needs; names the file and the entry.
    """
    content = _load(path)
    names = _names(content["categories"], path)
    images = _images(content["images"], path)
    strays = []
    for number, annotation in enumerate(content["annotations"], 1):
        _check(annotation, ("image_id", "category_id"), "annotation", number, path)
        owner = images.get(annotation["image_id"])
        (strays if owner is None else owner.annotations).append(annotation)
    if len(strays) == len(content["annotations"]):
        found = f"{len(strays)} of other images, such as {strays[0]['image_id']!r}" if strays else "none"
        raise ValueError(f"{path}: expected annotations of the images that it lists, got {found}; {FIX}")
    return Table(path, names, [images[number] for number in _in_order(images)], strays)


def check_names(names: Sequence[str], where: object) -> None:
    """Refuse class names that a list of one a line cannot hold, twice the same, and more than a mask can count.

    Raises:
        ValueError: names the class, and where it was found.
    """
    for name in names:
        if not name.strip():
            raise ValueError(f"{where}: expected a name for each class, got an empty one; name it")
        if not is_one_line(name):
            raise ValueError(
                f"{where}: expected class names of one line without control characters, got {shown(name)}; rename the "
                "class"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{where}: expected each class name once, got {some(twice)} twice; rename one of the two")
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(
            f"{where}: expected 1 to {MOST_CLASSES} classes, as a mask holds one byte a pixel and 255 is unlabelled, "
            f"got {len(names)}; leave classes out"
        )


def _load(path: Path) -> dict[str, list[Any]]:
    data = path.read_bytes()
    try:
        content = parse_json(data)
    except ValueError as error:
        found = "a web page" if data.lstrip()[:1] == b"<" else f"something else ({error})"
        raise ValueError(f"{path}: expected a JSON in COCO's format, got {found}; {FIX}") from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: expected a JSON in COCO's format, got a {type(content).__name__} in place of images, annotations "
            f"and categories; {FIX}"
        )
    for part in PARTS:
        if not (isinstance(content.get(part), list) and content[part]):
            got = "none" if part not in content or content[part] == [] else f"a {type(content[part]).__name__}"
            raise ValueError(f"{path}: expected a JSON in COCO's format with {part}, got {got}; {FIX}")
    return content


def _names(categories: list[Any], path: Path) -> dict[Id, str]:
    names: dict[Id, str] = {}
    for number, category in enumerate(categories, 1):
        _check(category, ("id", "name"), "category", number, path)
        name = str(category["name"]).strip(" \t")
        if names.setdefault(category["id"], name) != name:
            raise ValueError(
                f"{path}: category {category['id']}: expected one name, got {names[category['id']]} and {name}; {FIX}"
            )
    return {number: names[number] for number in _in_order(names)}


def _images(entries: list[Any], path: Path) -> dict[Id, Image]:
    images: dict[Id, Image] = {}
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, dict) and "file_name" not in entry and "coco_url" in entry:
            raise ValueError(
                f"{path}: image {entry.get('id')}: expected a file_name, got only coco_url {entry['coco_url']}, as in "
                "LVIS; add the file names"
            )
        _check(entry, ("id", "file_name"), "image", number, path)
        image = Image(entry["id"], str(entry["file_name"]), _size(entry, path), [])
        known = images.setdefault(image.id, image)
        if known.file_name != image.file_name:
            raise ValueError(
                f"{path}: expected an id of its own for each image, got {image.id} for {known.file_name} and "
                f"{image.file_name}; {FIX}"
            )
    return images


def _size(entry: dict[str, Any], path: Path) -> tuple[int, int] | None:
    """The stated size; not every tool states one."""
    sides = [entry.get("height"), entry.get("width")]
    if not all(sides):
        return None
    # NaN fails every comparison, and infinity is too large: neither could be made a whole number.
    if not all(isinstance(side, (int, float)) and 0 < side <= LARGEST and side == int(side) for side in sides):
        raise ValueError(f"{path}: image {entry['id']}: expected a height and width in pixels, got {sides}; {FIX}")
    return int(sides[0]), int(sides[1])


def _check(entry: Any, needed: tuple[str, ...], what: str, number: int, path: Path) -> None:
    """Refuse an entry without what it needs, or whose ids are neither numbers nor words."""
    if not isinstance(entry, dict):
        raise ValueError(f"{path}: {what} number {number}: expected its entries by name, got {entry!r:.40}; {FIX}")
    name = f"{what} {entry['id']}" if "id" in entry else f"{what} number {number}"
    for key in needed:
        if not isinstance(entry.get(key), (int, float, str)) or entry[key] == "":
            got = "none" if key not in entry else repr(entry[key])
            raise ValueError(f"{path}: {name}: expected a {key}, got {got}; {FIX}")


def _in_order(ids: dict[Id, Any]) -> list[Id]:
    """Sorted as numbers; as they stand where some are words."""
    return sorted(ids) if not any(isinstance(one, str) for one in ids) else list(ids)
