"""A list of images with their masks, and how many pixels of each class every mask holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from runtime.options import check_choice
from runtime.say import say_once, shown

from data.damage import keep_whole
from data.folds import VOC_CLASSES, Split, class_names
from data.list_file import Listed, read_list_file
from data.mask_values import check_values

# On data that a user names, an (image, class) pair counts from so many pixels on, unless the run says otherwise.
USUAL_MIN_PIXELS = 840


class Item(NamedTuple):
    """An image, its mask, and the number of pixels of each class in it."""

    image: Path
    mask: Path
    pixels: dict[int, int]


@dataclass(frozen=True)
class ImageList:
    """The images of one split; an (image, class) pair counts from `min_pixels` pixels of the class on.

    The published rule is 2,048 pixels at VOC's full size; for pictures of at most 320 pixels that is about 840. `split`
    says how the classes are divided, see folds.py; the fold is None where the user named the novel classes.
    """

    items: tuple[Item, ...]
    min_pixels: int = 2048
    class_names: tuple[str, ...] = VOC_CLASSES
    split: Split = field(default_factory=Split)

    def novel_classes(self, fold: int | None) -> list[int]:
        """The classes that are held out."""
        return self.split.novel_classes(fold, self.class_names)

    def base_classes(self, fold: int | None) -> list[int]:
        """The classes to train on."""
        return self.split.base_classes(fold, self.class_names)

    @cached_property
    def by_class(self) -> dict[int, list[int]]:
        """The items that show enough of each class to be its query or support."""
        table: dict[int, list[int]] = {}
        for index, item in enumerate(self.items):
            for c, count in item.pixels.items():
                if count >= self.min_pixels:
                    table.setdefault(c, []).append(index)
        return table

    def training(self, fold: int | None, novel: str) -> "ImageList":
        """Images with a usable base class; `novel="drop"` leaves out those that hide a novel object."""
        check_choice("novel", novel, ("keep", "drop"))
        base = self.base_classes(fold)
        usable = [item for item in self.items if any(item.pixels.get(c, 0) >= self.min_pixels for c in base)]
        usable = replace(self, items=tuple(usable))
        return usable.without_novel(fold) if novel == "drop" else usable

    def without_novel(self, fold: int | None) -> "ImageList":
        """Images that show no object of the novel classes, however small."""
        hidden = set(self.novel_classes(fold))
        return replace(self, items=tuple(item for item in self.items if not hidden & item.pixels.keys()))

    def hidden_share(self, fold: int | None) -> float:
        """Percentage of the images that hold a novel object, unlabelled in training: the paper's Fig. 2."""
        hidden = set(self.novel_classes(fold))
        return 100 * sum(bool(hidden & item.pixels.keys()) for item in self.items) / max(len(self.items), 1)


def read_list(
    root: str | Path, name: str, min_pixels: int = 2048, split: Split | None = None, skip_damaged: bool = False
) -> ImageList:
    """Read `ImageSets/Segmentation/{name}.txt` below `root`, or the file that `name` is the path of.

    An image that is named twice counts once, and that is said. Lines are those of `read_list_file`.

    Args:
        skip_damaged: leave out pictures and masks that are cut off or damaged, and say how many.

    Raises:
        FileNotFoundError: there is no such list, or an image or mask of it is missing.
        ValueError: a line, a picture or a mask is not what it should be; a mask's value is no class.
    """
    root = Path(root)
    path = Path(name) if name.endswith(".txt") else root / "ImageSets" / "Segmentation" / f"{name}.txt"
    if not path.is_file():
        raise FileNotFoundError(
            f"data: expected a list at {path}, got none; give the folder that holds JPEGImages/{_other_lists(path)}"
        )
    names = class_names(root)
    listed = _each_once(read_list_file(path, root), path)
    _check_present([one.image for one in listed], "images", path)
    _check_present([one.mask for one in listed], "masks", path)
    items = tuple(Item(*one, pixels) for one, pixels in keep_whole(root, listed, path, skip_damaged))
    check_values({item.mask: item.pixels for item in items}, names, root)
    return ImageList(items, min_pixels, names, split or Split())


def shared_images(one: ImageList, other: ImageList) -> list[Path]:
    """The pictures of one list that the other list names too."""
    theirs = {item.image.resolve() for item in other.items}
    return [item.image for item in one.items if item.image.resolve() in theirs]


def _other_lists(path: Path) -> str:
    others = sorted(one.stem for one in path.parent.glob("*.txt"))
    return f", or one of its lists: {', '.join(others)}" if others else ""


def _each_once(listed: Sequence[Listed], path: Path) -> list[Listed]:
    kept = list({one.image: one for one in listed}.values())
    if len(kept) < len(listed):
        say_once(f"{path}: {len(listed)} lines name {len(kept)} images; each counts once")
    return kept


def _check_present(files: Sequence[Path], what: str, path: Path) -> None:
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"data: expected {shown(missing[0])}, got no such file; {len(missing)} of {len(files)} {what} of "
            f"{path} are missing: complete the data set or mend the list"
        )
