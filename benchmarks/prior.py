"""What should the self-contrastive pass get for the prior mask? Folds 0 and 1 choose, folds 2 and 3 confirm.

SELFCONTRAST_VOC=DIR python benchmarks/prior.py            # trains what is missing, evaluates it, writes the table

Every cell is a run of examples/pfenet_scnet/train.py on cached features; a second start goes on
where the first stopped.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "pfenet_scnet"
RESULT = Path(__file__).parent / "results" / "prior.json"
CHOOSE, CONFIRM, SEEDS = (0, 1), (2, 3), (0, 1, 2)
ARMS = {
    "baseline": ["--weight", "0"],
    "neutral": ["--prior", "neutral"],
    "keep": ["--prior", "keep"],
    "complement": ["--prior", "complement"],
}
STEPS, EPISODES = 200, 1000


def train(fold: int, seed: int, arm: str) -> Path:
    """The run of one cell, trained if it is not there."""
    run = Path("runs") / "prior" / f"fold{fold}-seed{seed}-{arm}"
    if not (run / "result.json").is_file():
        options = ["--fold", str(fold), "--seed", str(seed), "--steps", str(STEPS), "--out", str(run), *ARMS[arm]]
        fixed = ["--cache_features", "true", "--episodes", "20", "--workers", "0", "--resume", "true"]
        subprocess.run([sys.executable, str(EXAMPLE / "train.py"), *fixed, *options], check=True)
    return run


def evaluate(run: Path) -> dict[str, Any]:
    """Its scores over the episodes that all cells of a fold share."""
    path = run / f"evaluation-1shot-{EPISODES}-seed1000.json"
    if not path.is_file():
        subprocess.run(
            [sys.executable, str(EXAMPLE / "evaluate.py"), str(run), "--episodes", str(EPISODES)], check=True
        )
    return json.loads(path.read_text())


def main() -> None:
    """Train, evaluate, choose, confirm."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cells = [(fold, seed, arm) for fold in (*CHOOSE, *CONFIRM) for seed in SEEDS for arm in ARMS]
    runs = {cell: train(*cell) for cell in cells}
    scores = {cell: evaluate(run) for cell, run in runs.items()}

    def gain(arm: str, folds: tuple[int, ...], score: str) -> float:
        """Mean difference to the baseline of the same fold and seed."""
        pairs = [(scores[fold, seed, arm], scores[fold, seed, "baseline"]) for fold in folds for seed in SEEDS]
        return mean(ours[score] - baseline[score] for ours, baseline in pairs)

    arms = [arm for arm in ARMS if arm != "baseline"]
    chosen = max(arms, key=lambda arm: gain(arm, CHOOSE, "miou"))
    environment = json.loads((next(iter(runs.values())) / "result.json").read_text())["environment"]
    report = {
        "command": "SELFCONTRAST_VOC=voc-small python benchmarks/prior.py",
        "steps": STEPS,
        "evaluation_episodes": EPISODES,
        "seeds": SEEDS,
        "chosen_on_folds_0_1": chosen,
        "gain_over_baseline": {
            arm: {
                name: {score: round(gain(arm, folds, score), 2) for score in ("miou", "fb_iou")}
                for name, folds in (("folds 0, 1", CHOOSE), ("folds 2, 3", CONFIRM))
            }
            for arm in arms
        },
        "cells": [
            {"fold": fold, "seed": seed, "arm": arm, "miou": one["miou"], "fb_iou": one["fb_iou"]}
            for (fold, seed, arm), one in scores.items()
        ],
        "environment": environment,
    }
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: report[key] for key in ("chosen_on_folds_0_1", "gain_over_baseline")}, indent=2))


if __name__ == "__main__":
    main()
