"""How much longer an evaluation takes that measures support reliance too.

SELFCONTRAST_VOC=DIR python benchmarks/reliance.py RUN     # a folder that train.py wrote; about two minutes

Both arms evaluate the run's episodes on shared backbone features, in turn: with the own supports alone, and with own,
another class's and empty supports.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from common.measure import Row, command, machine, processor_seconds, publish, spread, use_threads  # noqa: E402
from evaluation.evaluator import evaluate  # noqa: E402
from evaluation.metrics import Evaluation  # noqa: E402
from evaluation.support_reliance import EVERY, OWN  # noqa: E402
from recipe import recipe_of  # noqa: E402
from run_folder.weights import load_model  # noqa: E402

ROUNDS = 5
ARMS = {"own supports alone": (OWN,), "own, another class's and empty supports": EVERY}


def main(run: Path) -> None:
    use_threads(1)
    recipe = recipe_of(run, ["--workers", "0"]).locate()
    model, images = load_model(run, recipe), recipe.evaluation_images()
    counted = Counted(model.layer0)
    arms = {name: partial(evaluate, model, recipe, images, supports=supports) for name, supports in ARMS.items()}
    found, rounds = measured(arms, counted)
    settings = {"steps": recipe.steps, "weight": recipe.weight, "fold": recipe.fold, "episodes": recipe.episodes}
    settings |= {"shot": recipe.shot, "size": recipe.size, "backbone": recipe.backbone, "batch": recipe.batch}
    about = {"command": command(), "seed": recipe.evaluation_seed, "settings": settings, "environment": machine()}
    publish("reliance", report(found, rounds) | about, ("arm", "measure", "median", "min", "max"))


class Counted:
    """Counts the pictures that pass through a layer."""

    def __init__(self, layer: torch.nn.Module) -> None:
        self.pictures = 0
        layer.register_forward_pre_hook(self._count)

    def _count(self, _module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self.pictures += len(inputs[0])


def measured(
    arms: Mapping[str, Callable[[], Evaluation]], counted: Counted
) -> tuple[dict[str, Evaluation], list[dict[str, Row]]]:
    """What each arm found, and processor seconds and pictures of each round; the first round is a warm-up."""
    found: dict[str, Evaluation] = {}
    rounds: list[dict[str, Row]] = []
    for _ in range(1 + ROUNDS):
        rounds.append({})
        for name, arm in arms.items():
            pictures, started = counted.pictures, processor_seconds()
            found[name] = arm()
            seconds = processor_seconds() - started
            rounds[-1][name] = {"processor_seconds": seconds, "pictures": counted.pictures - pictures}
    return found, rounds[1:]


def report(found: Mapping[str, Evaluation], rounds: list[dict[str, Row]]) -> dict[str, Any]:
    """The rows, the paired ratio of the processor's time, and what was found."""
    own, every = found
    reliance = found[every].reliance
    return {
        "question": "How much longer does an evaluation take that measures support reliance too?",
        "units": {"processor_seconds": "s", "pictures": "images through the backbone"},
        "rows": [
            {"arm": name, "measure": measure, **spread([one[name][measure] for one in rounds])}
            for name in found
            for measure in ("processor_seconds", "pictures")
        ],
        "summary": {
            "times_longer": spread([one[every]["processor_seconds"] / one[own]["processor_seconds"] for one in rounds]),
            "miou": {"own": found[every].scores.miou} | (reliance._asdict() if reliance else {}),
        },
        "notes": ["times_longer is the median of the rounds' ratios of processor seconds"],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
