"""The foreground of one picture from a COCO-style JSON, as annotation tools export it."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from runtime.json_files import parse_json
from runtime.say import some

from data.outlines.instances import name_of, pixels
from data.pictures import Damaged

FIX = "export COCO's format for this picture alone"


class Annotated(NamedTuple):
    """The annotations of one picture, and its (H, W) where the file states it."""

    path: Path
    annotations: list[dict[str, Any]]
    size: tuple[int, int] | None


def read_annotated(path: Path) -> Annotated:
    """The annotations of the one picture that a file describes.

    Raises:
        Damaged: the file is no JSON.
        ValueError: it is another format, or describes several pictures.
    """
    content = _read(path)
    images, annotations = content.get("images") or [{}], content["annotations"]
    count = max(len(images), len({str(one.get("image_id")) for one in annotations}))
    if count > 1:
        raise ValueError(f"{path}: expected annotations of one picture, got those of {count}; {FIX}")
    height, width = images[0].get("height"), images[0].get("width")
    return Annotated(path, annotations, (height, width) if height and width else None)


def draw_annotations(annotated: Annotated, size: tuple[int, int], category: int | None = None) -> np.ndarray:
    """A mask (H, W), uint8, that is 1 where an annotation is, or one of the category.

    A crowd counts as any other annotation: some tools call every outline so that they save as run lengths.

    Raises:
        Damaged: an outline cannot be that of the picture.
        ValueError: there is no such annotation, or one has no outline.
    """
    path = annotated.path
    chosen = [one for one in annotated.annotations if category is None or one.get("category_id") == category]
    if not chosen:
        held = sorted({str(one.get("category_id")) for one in annotated.annotations})
        wanted = "annotations" if category is None else f"annotations of category {category}"
        found = f"those of {some(held)}; use another --class" if held else f"none; {FIX}"
        raise ValueError(f"{path}: expected {wanted}, got {found}")
    mask = np.zeros(size, np.uint8)
    for one in chosen:
        mask[_outline(one, path, size)] = 1
    if not mask.any():
        raise ValueError(f"{path}: expected foreground pixels, got outlines that cover none; draw them anew")
    return mask


def _outline(annotation: dict[str, Any], path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        drawn = pixels(annotation, size)
    except Damaged as damage:
        raise Damaged(f"{path}: {damage}") from None
    if drawn is None:
        name = name_of(annotation)
        raise ValueError(f"{path}: {name}: expected an outline, got none or a box alone; draw it, or delete it")
    return drawn


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: expected a mask, got no such file; check the path") from None
    except ValueError as error:
        raise Damaged(f"{path}: expected JSON, got something else ({error}); {FIX}") from None
    if not (isinstance(content, dict) and _are_entries(content.get("annotations"))):
        found = ", ".join(list(content)[:10]) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected COCO's format with a list of annotations, got {found or 'nothing'}; {FIX}")
    if not _are_entries(content.get("images") or []):
        raise ValueError(f"{path}: expected COCO's format with a list of images, got something else; {FIX}")
    return content


def _are_entries(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
