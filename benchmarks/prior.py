"""What should the self-contrastive pass get for the prior mask? Folds 0 and 1 choose, folds 2 and 3 confirm.

SELFCONTRAST_VOC=DIR python benchmarks/prior.py            # trains what is missing, evaluates it, writes the table

Every cell is a run of examples/pfenet_scnet/train.py on cached features; a second start goes on where the first
stopped.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F

EXAMPLE = Path(__file__).parents[1] / "examples" / "pfenet_scnet"
sys.path.insert(0, str(EXAMPLE))
from common.measure import command, publish, spread  # noqa: E402
from evaluation.evaluator import episodes_of  # noqa: E402
from evaluation.metrics import FoldMeter  # noqa: E402
from evaluation.protocols import PROTOCOLS  # noqa: E402
from evaluation.shared_features import SharedFeatures  # noqa: E402
from recipe import load_recipe  # noqa: E402
from run_folder.weights import load_weights  # noqa: E402

CHOOSE, CONFIRM, SEEDS = (0, 1), (2, 3), (0, 1, 2)
ARMS = {
    "baseline": ["--weight", "0"],
    "neutral": ["--prior", "neutral"],
    "keep": ["--prior", "keep"],
    "complement": ["--prior", "complement"],
}
STEPS, EPISODES = 200, 500
SCORES = ("miou", "fb_iou")
Cell = tuple[int, int, str]


def train(fold: int, seed: int, arm: str) -> Path:
    """The folder of one cell's run, which is trained if it is missing."""
    run = Path("runs") / "prior" / f"fold{fold}-seed{seed}-{arm}"
    if not (run / "result.json").is_file():
        options = ["--fold", str(fold), "--seed", str(seed), "--steps", str(STEPS), "--out", str(run), *ARMS[arm]]
        fixed = ["--cache_features", "true", "--episodes", "20", "--workers", "0", "--resume", "true"]
        subprocess.run([sys.executable, str(EXAMPLE / "train.py"), *fixed, *options], check=True)
    return run


def evaluate(runs: list[Path]) -> Iterator[dict[str, float]]:
    """Scores of a fold's runs over the same episodes; the runs share one backbone, whose features are computed once."""
    recipe = replace(load_recipe(runs[0]), episodes=EPISODES)
    images, model = recipe.evaluation_images(), recipe.build_model().eval()
    episodes = episodes_of(recipe, images)
    shared = SharedFeatures(model, images, episodes, PROTOCOLS[recipe.protocol], recipe.size, recipe.workers)
    for run in runs:
        load_weights(run, model)
        meter = FoldMeter(recipe.held_out_classes())
        for start in range(0, len(episodes), recipe.batch):
            batch = episodes[start : start + recipe.batch]
            with torch.no_grad():
                logits = model.segment(shared.extracted(batch), (recipe.size, recipe.size))
            for margin, episode in zip(logits[:, 1:] - logits[:, :1], batch, strict=True):
                truth = shared.truth(episode)
                resized = F.interpolate(margin[None], truth.shape, mode="bilinear", align_corners=True)
                meter.update(resized[0, 0] > 0, truth, episode.novel_class)
        scores = meter.scores()
        yield {"miou": scores.miou, "fb_iou": scores.fb_iou}


def scored(fold: int, runs: list[Path]) -> list[dict[str, float]]:
    """The scores of `evaluate`, kept in a file beside the runs."""
    path = runs[0].parent / f"fold{fold}-{EPISODES}episodes.json"
    if not path.is_file():
        path.write_text(json.dumps(list(evaluate(runs))))
    return json.loads(path.read_text())


def report(scores: dict[Cell, dict[str, float]]) -> dict[str, Any]:
    """The report on all scores: the arm that the first folds choose, and each arm's gain there and elsewhere."""

    def gain(arm: str, folds: tuple[int, ...], score: str) -> float:
        """Mean difference to the baseline of the same fold and seed."""
        pairs = [(scores[fold, seed, arm], scores[fold, seed, "baseline"]) for fold in folds for seed in SEEDS]
        return mean(ours[score] - baseline[score] for ours, baseline in pairs)

    arms = [arm for arm in ARMS if arm != "baseline"]
    return {
        "question": "What should the self-contrastive pass get for the prior mask?",
        "seed": list(SEEDS),
        "settings": {"steps": STEPS, "evaluation_episodes": EPISODES},
        "units": dict.fromkeys(SCORES, "points; a round is a seed"),
        "rows": [
            {"arm": arm, "fold": fold, "measure": score, **spread([scores[fold, seed, arm][score] for seed in SEEDS])}
            for fold in (*CHOOSE, *CONFIRM)
            for arm in ARMS
            for score in SCORES
        ],
        "summary": {
            "chosen_on_folds_0_1": max(arms, key=lambda arm: gain(arm, CHOOSE, "miou")),
            "mean_gain_over_baseline": {
                arm: {
                    name: {score: round(gain(arm, folds, score), 2) for score in SCORES}
                    for name, folds in (("folds 0, 1", CHOOSE), ("folds 2, 3", CONFIRM))
                }
                for arm in arms
            },
        },
        "details": [
            {"fold": fold, "seed": seed, "arm": arm, **{score: one[score] for score in SCORES}}
            for (fold, seed, arm), one in scores.items()
        ],
    }


def main() -> None:
    """Train, evaluate, choose, confirm."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cells = [(fold, seed, arm) for fold in (*CHOOSE, *CONFIRM) for seed in SEEDS for arm in ARMS]
    runs = {cell: train(*cell) for cell in cells}
    scores: dict[Cell, dict[str, float]] = {}
    for fold in (*CHOOSE, *CONFIRM):
        of_fold = [cell for cell in cells if cell[0] == fold]
        scores |= dict(zip(of_fold, scored(fold, [runs[cell] for cell in of_fold]), strict=True))
    # The machine that trained, which need not be the one that evaluates.
    trained = json.loads((next(iter(runs.values())) / "result.json").read_text())["environment"]
    about = {"command": command(), "environment": trained}
    publish("prior", report(scores) | about, ("fold", "measure", "arm", "median", "min", "max", "rounds"))


if __name__ == "__main__":
    main()
