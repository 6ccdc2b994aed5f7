"""Mark an object in a few pictures, and get its masks in all others.

python examples/pfenet_scnet/predict.py RUN --support a.jpg a.png --support b.jpg b.png --query photos --out DIR
python examples/pfenet_scnet/predict.py RUN --support a.jpg a.png --class 3 --query "photos/*.jpg" --out DIR
python examples/pfenet_scnet/predict.py FILE.pth --recipe pascal_resnet50 --support a.jpg a.json --query b.jpg --out DIR

A mask may hold 0 and 1, black and white, indices (with --class N) or colours (with --colour R,G,B), or be a COCO-style
JSON of the one picture. Pictures are read upright, as viewers show them, and so are masks: draw them on the upright
picture. --orientation stored reads both as they are stored. Results have each query's own size, turned the same way.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.mask_formats import parse_colour
from prediction.marked_pictures import read_supports
from prediction.picture_stream import PictureStream, check_ends
from prediction.query_pictures import find_queries
from prediction.relevant_options import check_relevant
from prediction.result_folder import as_csv, as_text, write_results
from prediction.segment import UnseenSupport, segment
from prediction.working_ahead import in_order
from recipe import Recipe, recipe_of
from run_folder.contradictions import check_evaluation
from run_folder.weights import load_model
from runtime.atomic_folder import check_free, whole_folder
from runtime.command import run_command
from runtime.device import best_device
from runtime.options import ExactParser, Range
from tqdm import tqdm

# The recipe's options that a prediction depends on; a run has its own.
RECIPE = {
    "recipe": "of a weights file: a name in recipes/, or a YAML file",
    "backbone": "of a weights file",
    "channels": "of a weights file",
    "scales": "of a weights file",
    "size": "side of the square that the model sees; best that of the training",
    "batch": "queries that pass through the model together",
}
ORIENTATIONS = {
    "upright": "pictures were read upright, as viewers show them, and the results fit them so",
    "stored": "pictures were read as stored, whatever the camera noted, and the results fit them so",
}


def asked(arguments: list[str]) -> tuple[argparse.Namespace, Recipe]:
    """Read the command line: what to predict, and the recipe of the model.

    Raises:
        ValueError: an option is unknown, out of range or without effect, or contradicts the run.
    """
    parser = _parser()
    given, unknown = parser.parse_known_args(arguments)
    check_relevant(unknown, parser, list(RECIPE), "a prediction")
    Range(0, 1).check("threshold", given.threshold)
    if given.class_index is not None:
        Range(0).check("class", given.class_index)
    if given.colour is not None:
        given.colour = parse_colour(given.colour)
    recipe = recipe_of(given.target, _words(given, unknown))
    if given.target.is_dir():
        check_evaluation(recipe, given.target)
    return given, recipe


def _parser() -> ExactParser:
    parser = ExactParser(description=__doc__)
    switch: dict[str, Any] = {"type": _truth, "nargs": "?", "const": True, "default": False, "metavar": "true"}
    parser.add_argument("target", type=Path, help="a run's folder, or a file of weights, which needs --recipe")
    pair: dict[str, Any] = {"type": Path, "nargs": 2, "action": "append", "metavar": ("IMAGE", "MASK")}
    parser.add_argument("--support", **pair, required=True, help="a marked picture and its mask; give one or many")
    parser.add_argument("--query", nargs="+", required=True, metavar="PATH", help="pictures, folders, or patterns")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; new or empty")
    parser.add_argument("--class", dest="class_index", type=int, metavar="N", help="the class that is foreground")
    parser.add_argument("--colour", metavar="R,G,B", help="the colour that is foreground")
    parser.add_argument("--probabilities", **switch, help="write 16-bit maps too; 65535 is 1")
    parser.add_argument("--threshold", type=float, default=0.5, help="foreground is more probable than this")
    parser.add_argument("--orientation", choices=ORIENTATIONS, default="upright", help="how to read pictures and masks")
    parser.add_argument("--skip_damaged", **switch, help="leave damaged queries out and say how many")
    for name, meaning in RECIPE.items():
        # All its values go to the recipe, which reads and checks them.
        parser.add_argument(f"--{name}", action="append", help=meaning)
    return parser


def main(arguments: list[str]) -> None:
    """Predict what the command line asks for; nothing is written before all of it has been checked."""
    given, recipe = asked(arguments)
    check_free(given.out, "out")
    upright = given.orientation == "upright"
    supports = read_supports(given.support, recipe.size, given.class_index, given.colour, upright)
    queries = find_queries(given.query)
    if not given.skip_damaged:
        check_ends(queries)
    stream = PictureStream(queries, upright, given.skip_damaged, recipe.size)
    model = load_model(given.target, recipe).to(best_device())
    try:
        probabilities = segment(model, supports, stream, recipe.size, recipe.batch)
    except UnseenSupport as error:
        raise ValueError(f"{given.support[error.place][1]}: {error.text}") from None
    with whole_folder(given.out) as folder:
        write = partial(write_results, folder, threshold=given.threshold, probabilities=given.probabilities)
        written = in_order(write, stream.answered(probabilities))
        rows = list(tqdm(written, "predicting", len(queries), unit=" pictures"))
        (folder / "table.csv").write_text(as_csv(rows), encoding="utf-8")
    print(as_text(rows))
    stream.say_damaged()
    print(ORIENTATIONS[given.orientation])
    print(f"written: {given.out}")


def _words(given: argparse.Namespace, unknown: list[str]) -> list[str]:
    """The words for the recipe, its name first."""
    named = [(name, value) for name in RECIPE for value in getattr(given, name) or ()]
    return [word for name, value in named for word in (f"--{name}", value)] + unknown


def _truth(word: str) -> bool:
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {word}; the run's folder comes first")
    return word == "true"


if __name__ == "__main__":
    run_command(main)
