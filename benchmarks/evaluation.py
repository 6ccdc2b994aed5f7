"""How much faster evaluation is on shared backbone features than one episode at a time: 5,000 episodes, whole.

SELFCONTRAST_VOC=DIR python benchmarks/evaluation.py RUN     # a folder that train.py wrote; about half an hour
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from checkpoint import load_weights  # noqa: E402
from episodes import Episode, ImageList  # noqa: E402
from evaluate import episodes_of, evaluate  # noqa: E402
from metrics import FoldMeter, FoldScores  # noqa: E402
from pfenet import PFENet  # noqa: E402
from protocols import PROTOCOLS  # noqa: E402
from recipe import Recipe, read_recipe  # noqa: E402
from tqdm import tqdm  # noqa: E402
from train import environment  # noqa: E402
from transforms import read_pair  # noqa: E402

EPISODES = 5_000


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


def timed(model: PFENet, work: Callable[[], FoldScores]) -> dict[str, Any]:
    """Scores, seconds, and how many pictures went through the backbone's first layer."""
    pictures = 0

    def count(_module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal pictures
        pictures += len(inputs[0])

    hook = model.layer0.register_forward_pre_hook(count)
    started = time.perf_counter()
    scores = work()
    seconds = time.perf_counter() - started
    hook.remove()
    return {
        "seconds": round(seconds, 1),
        "episodes_a_second": round(EPISODES / seconds, 2),
        "pictures_through_the_backbone": pictures,
        "miou": scores.miou,
        "fb_iou": scores.fb_iou,
    }


def main(run: Path) -> None:
    recipe = read_recipe(["--recipe", str(run / "recipe.yaml"), "--episodes", str(EPISODES)]).resolve()
    model = recipe.build_model()
    load_weights(run, model)
    images = recipe.evaluation_images()
    shared = timed(model, lambda: evaluate(model, recipe, images).scores)
    single = timed(model, lambda: evaluate_one_at_a_time(model, recipe, images))
    result = {
        "command": "SELFCONTRAST_VOC=voc-small python benchmarks/evaluation.py RUN",
        "run": {"seed": recipe.seed, "steps": recipe.steps, "weight": recipe.weight, "fold": recipe.fold},
        "episodes": EPISODES,
        "size": recipe.size,
        "backbone": recipe.backbone,
        "shared_features": shared,
        "one_episode_at_a_time": single,
        "times_faster": round(single["seconds"] / shared["seconds"], 1),
        "environment": environment(),
    }
    path = ROOT / "benchmarks" / "results" / "evaluation.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2), f"\nwritten: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
