"""A page to try a run on: mark an object in a few pictures, and see what the baseline and SCNet find in others.

python examples/pfenet_scnet/demo.py RUN                       # beside the baseline that the run's recipe names
python examples/pfenet_scnet/demo.py RUN --baseline RUN --port 7861
python examples/pfenet_scnet/demo.py FILE.pth --recipe pascal_resnet50 --data DIR

The page needs Gradio: pip install -e ".[demo]". It is open to this computer alone, and works without a network.
"""

import argparse
import errno
import os
import socket
import sys
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from evaluation.evaluator import episodes_of
from prediction.page.example import Example
from prediction.page.figures import STYLE
from prediction.page.layout import build_page
from prediction.page.two_runs import load_runs
from prediction.relevant_options import check_relevant
from recipe import Recipe, recipe_of
from run_folder.contradictions import check_evaluation
from runtime.command import one_line, run_command
from runtime.device import best_device
from runtime.options import ExactParser, Range, given_options

# The recipe's options that the page depends on: the model's, the task's, and those of the episodes to choose from.
RECIPE = ("recipe", "size", "batch", "backbone", "channels", "scales", "weight", "num_prototypes", "partition", "seed")
RECIPE += ("data", "min_pixels", "fold", "folds", "split", "novel_classes", "shot", "evaluation_seed", "skip_damaged")
EXAMPLES = 8
# Gradio's first version whose page holds all its parts.
OFFLINE = (6, 17)


def asked(arguments: list[str]) -> tuple[argparse.Namespace, Recipe]:
    """Read the command line: what to show, and the recipe of the run.

    Raises:
        ValueError: an option is unknown, out of range or without effect, or contradicts the run.
    """
    parser = ExactParser(description=__doc__, epilog=f"Of train.py's options these count: {', '.join(RECIPE)}.")
    parser.add_argument("target", type=Path, help="a run's folder, or a file of weights, which needs --recipe")
    parser.add_argument("--baseline", type=Path, metavar="RUN", help="a run of weight 0 to compare with")
    parser.add_argument("--port", type=int, help="by default 7860, or the next one that is free")
    given, words = parser.parse_known_args(arguments)
    check_relevant(words, parser, RECIPE, "the page")
    Range(1, 65535).check("port", given.port)
    recipe = recipe_of(given.target, words)
    if given.target.is_dir():
        check_evaluation(recipe, given.target)
    given.words = words
    return given, recipe


def main(arguments: list[str]) -> None:
    """Load the models, show the page, and keep it open until Ctrl-C."""
    given, recipe = asked(arguments)
    check_gradio()
    check_port(given.port)
    runs = load_runs(given.target, recipe, given.baseline, given.words)
    for model in runs.models.values():
        model.to(best_device())
    examples, missing = find_examples(recipe, "data" in given_options(given.words))
    with tempfile.TemporaryDirectory(prefix="selfcontrast-demo-") as uploads:
        gradio = load_gradio(uploads)
        serve(build_page(gradio, runs, examples, missing), gradio, given.port)


def check_gradio() -> None:
    """Refuse to start without Gradio, or with one whose page asks other computers for parts of itself.

    Raises:
        ImportError: it is missing or too old.
    """
    try:
        found = version("gradio")
    except PackageNotFoundError:
        found = "none"
    if found == "none" or tuple(map(int, found.split(".")[:2])) < OFFLINE:
        wanted = ".".join(map(str, OFFLINE))
        raise ImportError(
            f"gradio: expected the package that makes the page, version {wanted} or newer, got {found}; install it "
            "with: pip install -e '.[demo]'"
        )


def check_port(port: int | None) -> None:
    """Refuse a port that is in use before anything takes long; None is whichever is free.

    Raises:
        ValueError: it is in use.
    """
    try:
        socket.create_server(("127.0.0.1", port or 0)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ValueError(f"port: expected a free one, got {port}, which is in use; leave --port out") from None


def load_gradio(uploads: str) -> ModuleType:
    """Gradio, told to keep to this computer, and to keep what visitors upload in the folder `uploads`."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "GRADIO_TEMP_DIR": uploads}
    # Gradio asks its own server whether it runs, and must not ask that of a proxy.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    return import_module("gradio")


def find_examples(recipe: Recipe, named: bool) -> tuple[list[Example], str]:
    """Episodes to choose from, or none and a sentence that says why; data that were `named` must be there.

    Raises:
        ValueError, OSError: they are not, or are not what they should be.
    """
    if not (recipe.data or os.environ.get("SELFCONTRAST_VOC")):
        return [], "There are no episodes to choose from, as no data set is named; --data DIR names one."
    try:
        images = recipe.locate().evaluation_images()
        episodes = episodes_of(replace(recipe, episodes=EXAMPLES), images)
    except (ValueError, OSError) as error:
        if named:
            raise
        return [], f"There are no episodes to choose from. {one_line(error)}"
    items = images.items
    return [
        Example(images.class_names[c - 1], c, tuple(items[one] for one in supports), items[query])
        for c, query, supports in episodes
    ], ""


def serve(page: Any, gradio: ModuleType, port: int | None) -> None:
    """Show the page to this computer alone until Ctrl-C."""
    fonts = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}
    # White words on the usual orange are hard to read.
    theme = gradio.themes.Default(primary_hue="blue", **fonts).set(button_primary_background_fill="*primary_700")
    options = {"theme": theme, "css": STYLE, "footer_links": [], "quiet": True}
    options |= {"share": False, "inbrowser": False, "ssr_mode": False, "mcp_server": False, "pwa": False}
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, **options)
    print(f"the page is at http://127.0.0.1:{page.server_port} and stays open until Ctrl-C", flush=True)
    # On Windows Ctrl-C does not end a wait without an end.
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    try:
        run_command(main)
    except SystemExit as ended:
        # Python would wait for open browsers, and abort where a prediction still runs in a thread.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ended.code or 0))
