"""How much faster evaluation is on shared backbone features than one episode at a time.

SELFCONTRAST_VOC=DIR python benchmarks/evaluation.py RUN     # a folder that train.py wrote; about ten minutes

Shared: all 5,000 episodes. One at a time: the first 1,000 of them, and the time is scaled. Over those both must agree.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from training.checkpoint import load_weights  # noqa: E402
from data.episodes import Episode, ImageList  # noqa: E402
from evaluation.evaluator import episodes_of, evaluate  # noqa: E402
from common.measure import Row, command, machine, publish, spread  # noqa: E402
from evaluation.metrics import FoldMeter, FoldScores  # noqa: E402
from model.pfenet import PFENet  # noqa: E402
from common.processor import processor_seconds  # noqa: E402
from evaluation.protocols import PROTOCOLS  # noqa: E402
from recipe import Recipe, read_recipe  # noqa: E402
from tqdm import tqdm  # noqa: E402
from data.transforms import read_pair  # noqa: E402

EPISODES, ONE_AT_A_TIME = 5_000, 1_000


class OneAtATime:
    """An episode's images, masks and truth, prepared anew whenever it comes."""

    def __init__(self, recipe: Recipe, images: ImageList, episodes: list[Episode]) -> None:
        self.images = images
        self.episodes = episodes
        self.protocol = PROTOCOLS[recipe.protocol]
        self.transform = self.protocol.transform(recipe.size)

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        episode = self.episodes[index]
        query, *supports = (
            read_pair(self.images.items[i], episode.novel_class) for i in (episode.query, *episode.supports)
        )
        prepared, mask = (part.as_subclass(Tensor) for part in self.transform(*query))
        shots = [self.transform(*support) for support in supports]
        pictures, masks = (torch.stack([shot[part].as_subclass(Tensor) for shot in shots]) for part in (0, 1))
        return prepared, pictures, masks, self.protocol.truth(query[1].as_subclass(Tensor), mask), episode.novel_class


@torch.no_grad()
def evaluate_one_at_a_time(model: PFENet, recipe: Recipe, images: ImageList) -> FoldScores:
    """The same scores as `evaluate`, as published code computes them: every episode through the whole model."""
    model.eval()
    meter = FoldMeter(recipe.novel_classes())
    episodes = OneAtATime(recipe, images, episodes_of(recipe, images))
    for query, supports, masks, truth, novel_class in tqdm(DataLoader(episodes, 1, num_workers=recipe.workers)):
        logits = F.interpolate(model(query, supports, masks), truth.shape[1:], mode="bilinear", align_corners=True)
        meter.update(logits.argmax(1), truth, int(novel_class))
    return meter.scores()


def timed(model: PFENet, episodes: int, work: Callable[[], FoldScores]) -> dict[str, Any]:
    """Scores, what they cost, and how many pictures went through the backbone's first layer."""
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
    # The seed's first episodes: those of the whole evaluation.
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
    """What is said of the three arms: shared over all episodes, one at a time and shared over the first of them."""
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
