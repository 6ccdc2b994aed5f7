"""How much faster evaluation is on shared backbone features than one episode at a time.

SELFCONTRAST_VOC=DIR python benchmarks/evaluation.py RUN     # a folder that train.py wrote; about ten minutes

The shared arm evaluates all 5,000 episodes. The other evaluates the first 1,000, and its time is scaled. On these 1,000
both must give the same scores.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from common.measure import Row, command, machine, processor_seconds, publish, spread  # noqa: E402
from common.one_at_a_time import evaluate_one_at_a_time  # noqa: E402
from evaluation.evaluator import evaluate  # noqa: E402
from evaluation.metrics import FoldScores  # noqa: E402
from model.pfenet import PFENet  # noqa: E402
from recipe import read_recipe  # noqa: E402
from run_folder.weights import load_weights  # noqa: E402

EPISODES, ONE_AT_A_TIME = 5_000, 1_000


def timed(model: PFENet, episodes: int, work: Callable[[], FoldScores]) -> dict[str, Any]:
    """Scores, their cost, and the number of pictures that went through the backbone's first layer."""
    pictures = 0

    def count(_module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal pictures
        pictures += len(inputs[0])

    hook = model.layer0.register_forward_pre_hook(count)
    processor, clock = processor_seconds(), time.perf_counter()
    scores = work()
    clock, processor = time.perf_counter() - clock, processor_seconds() - processor
    hook.remove()
    return {
        "episodes": episodes,
        "seconds": round(clock, 1),
        "processor_seconds": round(processor, 1),
        "pictures_through_the_backbone": pictures,
        "miou": scores.miou,
        "fb_iou": scores.fb_iou,
    }


def main(run: Path) -> None:
    whole = read_recipe(["--recipe", str(run / "recipe.yaml"), "--episodes", str(EPISODES)]).resolve()
    # The first episodes of the same seed, and so of the whole evaluation.
    part = replace(whole, episodes=ONE_AT_A_TIME)
    model = whole.build_model()
    load_weights(run, model)
    images = whole.evaluation_images()
    shared = timed(model, EPISODES, lambda: evaluate(model, whole, images).scores)
    single = timed(model, ONE_AT_A_TIME, lambda: evaluate_one_at_a_time(model, part, images))
    again = timed(model, ONE_AT_A_TIME, lambda: evaluate(model, part, images).scores)
    settings = {
        "run": {"seed": whole.seed, "steps": whole.steps, "weight": whole.weight, "fold": whole.fold},
        "size": whole.size,
        "backbone": whole.backbone,
    }
    about = {"command": command(), "seed": whole.evaluation_seed, "settings": settings, "environment": machine()}
    publish("evaluation", report(shared, single, again) | about, ("arm", "episodes", "measure", "median"))


def report(shared: Row, single: Row, again: Row) -> dict[str, Any]:
    """The report on three arms: shared over all episodes, then one at a time and shared over the first episodes."""
    arms = {"shared features": shared, "one episode at a time": single, "shared features, the same episodes": again}
    scale = EPISODES / ONE_AT_A_TIME
    kinds = {"seconds": "s", "processor_seconds": "s, of all processes", "pictures_through_the_backbone": "images"}
    return {
        "question": "How much faster is evaluation on shared backbone features than one episode at a time?",
        "units": kinds,
        "rows": [
            {"arm": name, "episodes": arm["episodes"], "measure": kind, **spread([arm[kind]])}
            for name, arm in arms.items()
            for kind in kinds
        ],
        "summary": {
            "times_faster": {
                kind: round(scale * single[kind] / shared[kind], 1) for kind in ("seconds", "processor_seconds")
            },
            "scores": {name: {score: arm[score] for score in ("miou", "fb_iou")} for name, arm in arms.items()},
        },
        "notes": [f"one at a time was timed on the first {ONE_AT_A_TIME} episodes and multiplied by {scale:g}"],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
