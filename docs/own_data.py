"""Draw the pictures of the tutorial docs/own-data.md, and the figures in it.

python docs/own_data.py photos --out photos            # ten pictures as a phone stores them, two of them marked
python docs/own_data.py album --out album              # more pictures, all marked, and the export of an annotation tool
python docs/own_data.py figures --work DIR --out docs/pictures/own-data      # from a folder in which the tutorial ran
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "pfenet_scnet"))
# isort: split
import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.synthetic import draw_scene
from jsonargparse import auto_cli
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import Parser

# Classes of the drawn scenes under names of our own. The mug is of their fold 2, which no run of that fold has learnt.
THINGS = {"mug": 11, "key": 13, "leaf": 15, "cup": 2, "comb": 5, "coin": 8, "toy": 17, "lid": 19}
SIZE = (384, 288)
# How a phone may have been held, as EXIF's orientation notes it, and what undoes it.
HELD = {1: None, 6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}


def photos(out: Path, seed: int = 0) -> None:
    """Draw ten pictures that show a mug, stored as the phone was held, and mark the mug in the first two.

    Args:
        out: a new folder; masks lie beside the pictures that they belong to, in `marked`.
        seed: seeds the drawing.
    """
    _new(out)
    (out / "marked").mkdir()
    for number in range(10):
        random = np.random.default_rng([seed, 7, number])
        others = random.choice(["key", "leaf"], int(random.integers(0, 2))).tolist()
        picture, mask = _scene(["mug", *others], random)
        _save_as_held(picture, out / f"IMG_{number + 1:04}.jpg", list(HELD)[number % len(HELD)])
        if number < 2:
            black_and_white = Image.fromarray(np.where(mask == THINGS["mug"], 255, 0).astype(np.uint8))
            black_and_white.save(out / "marked" / f"IMG_{number + 1:04}.png")


def album(out: Path, pictures: int = 120, seed: int = 1) -> None:
    """Draw pictures of eight things with the masks of all, and the same as a COCO-format export.

    Args:
        out: a new folder: pictures/, masks/ and export.json.
        pictures: how many.
        seed: seeds the drawing.
    """
    _new(out)
    for folder in ("pictures", "masks"):
        (out / folder).mkdir()
    export = {"images": [], "annotations": [], "categories": _categories()}
    for number in range(pictures):
        random = np.random.default_rng([seed, 7, number])
        shown = [list(THINGS)[number % len(THINGS)], *random.choice(list(THINGS), int(random.integers(0, 2))).tolist()]
        picture, mask = _scene(shown, random)
        name = f"IMG_{number + 1:04}"
        _save_as_held(picture, out / "pictures" / f"{name}.jpg", list(HELD)[number % len(HELD)])
        indices = np.zeros_like(mask)
        for place, value in enumerate(THINGS.values(), 1):
            indices[mask == value] = place
            if (mask == value).any():
                export["annotations"].append(_annotation(mask == value, number, place))
        Image.fromarray(indices).save(out / "masks" / f"{name}.png")
        export["images"].append({"id": number, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]})
    (out / "export.json").write_text(json.dumps(export) + "\n")


def figures(work: Path, out: Path) -> None:
    """Draw the tutorial's figures.

    Args:
        work: a folder in which the tutorial's commands ran.
        out: where the figures go; own-data.json says what they were made with.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = [f"IMG_{number:04}" for number in range(1, 11)]
    _sheet([_upright(work / "photos" / f"{name}.jpg") for name in names]).save(out / "photos.jpg", quality=85)
    marked = [
        part
        for name in names[:2]
        for part in (_upright(work / "photos" / f"{name}.jpg"), Image.open(work / "photos/marked" / f"{name}.png"))
    ]
    _sheet(marked, 4).save(out / "marked.jpg", quality=85)
    for folder in ("mugs", "keys"):
        found = sorted((work / folder / "overlays").glob("*.png"))
        _sheet([Image.open(path) for path in found][:8], 4).save(out / f"{folder}.jpg", quality=85)
    result = json.loads((work / "runs/album/result.json").read_text())
    kept = {name: result[name] for name in ("class_iou", "every_pixel_foreground_miou", "episodes", "seed", "steps")}
    mugs = (work / "mugs/table.csv").read_text().splitlines()
    made = {"mugs": mugs, "album": kept, "environment": environment()}
    (out / "own-data.json").write_text(json.dumps(made, indent=2) + "\n")


def _new(folder: Path) -> None:
    if folder.exists():
        raise FileExistsError(f"out: expected a new folder, got {folder}; name another")
    folder.mkdir(parents=True)


def _scene(things: list[str], random: np.random.Generator) -> tuple[Image.Image, np.ndarray]:
    """An upright picture, and the number of the thing at each pixel."""
    picture, mask = draw_scene([THINGS[thing] for thing in things], random, SIZE)
    indices = np.asarray(mask).copy()
    indices[indices == 255] = 0
    return picture, indices


def _save_as_held(picture: Image.Image, path: Path, held: int) -> None:
    """As a phone's sensor sees it, with a note for viewers; every second picture is upright as it is."""
    turn = HELD[held]
    stored = picture if turn is None else picture.transpose(turn)
    exif = stored.getexif()
    exif[0x0112] = held
    stored.save(path, quality=90, exif=exif)


def _categories() -> list[dict[str, object]]:
    """With gaps between the numbers, as tools leave them when a class was deleted."""
    return [{"id": 10 * place, "name": name} for place, name in enumerate(THINGS, 1)]


def _annotation(mask: np.ndarray, image: int, place: int) -> dict[str, object]:
    """Run lengths down the columns, beginning with background; neither area nor iscrowd nor a number of its own."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]])
    changes = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {
        "image_id": image,
        "category_id": 10 * place,
        "segmentation": {"size": list(mask.shape), "counts": counts.tolist()},
    }


def _upright(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture)


def _sheet(pictures: list[Image.Image], columns: int = 5, width: int = 200) -> Image.Image:
    """Pictures side by side, in rows."""
    height = width * 3 // 4
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 4) - 4, rows * (height + 4) - 4), "white")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet.paste(picture.convert("RGB").resize((width, height)), (column * (width + 4), row * (height + 4)))
    return sheet


if __name__ == "__main__":
    commands = {"photos": photos, "album": album, "figures": figures}
    run_command(lambda words: auto_cli(commands, as_positional=False, args=words, parser_class=Parser))
