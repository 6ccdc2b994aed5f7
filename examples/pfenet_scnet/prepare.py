"""Check data sets that you downloaded, turn your own into what training reads, or draw scenes.

python examples/pfenet_scnet/prepare.py pascal --voc VOCdevkit/VOC2012 --sbd benchmark_RELEASE/dataset --out data/pascal
python examples/pfenet_scnet/prepare.py pascal --download true --into downloads --out data/pascal
python examples/pfenet_scnet/prepare.py coco --coco COCO --out data/coco
python examples/pfenet_scnet/prepare.py folder --images pictures --masks masks --names cup,plate,fork --out data/mine
python examples/pfenet_scnet/prepare.py coco-json --json export.json --images pictures --out data/mine
python examples/pfenet_scnet/prepare.py scenes --root runs/scenes --hidden 0.25

Nothing is fetched without --download true. Images stay where they are. Interrupt it when you like: every file is whole
or not there.
"""

from functools import wraps
from pathlib import Path
from typing import Any

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.own.coco_export import prepare_coco_json
from data.own.folder import prepare_folder
from data.preparation.coco import BY_HAND, prepare_coco
from data.preparation.download import pascal
from data.synthetic import make_scenes
from jsonargparse import auto_cli
from runtime.command import run_command
from runtime.options import Parser, given_options


@wraps(make_scenes)
def draw_scenes(root: str | Path, *arguments: Any, **options: Any) -> Path:
    """Draw them into a new folder: what lies there already may be scenes of other options."""
    if Path(root).exists():
        raise FileExistsError(f"root: expected a new folder, got {root}, which exists; name another, or remove it")
    return make_scenes(root, *arguments, **options)


COMMANDS = {
    "pascal": pascal,
    "coco": prepare_coco,
    "folder": prepare_folder,
    "coco-json": prepare_coco_json,
    "scenes": draw_scenes,
}


def main(words: list[str]) -> None:
    """Run the command that the first word names.

    Raises:
        ValueError: there is none, or what the commands raise.
    """
    if not words:
        raise ValueError(f"command: expected one of {', '.join(COMMANDS)}, got none; --help explains")
    if words[0] == "coco" and "download" in given_options(words):
        raise ValueError(f"download: expected none for COCO, which is fetched by hand, got it; {BY_HAND}")
    auto_cli(COMMANDS, as_positional=False, args=words, parser_class=Parser)


if __name__ == "__main__":
    run_command(main)
