"""Evaluate a run on its novel fold.

python examples/pfenet_scnet/evaluate.py runs/.../scnet-weight0.5-n3-neutral --shot 5 --episodes 1000
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from episodes import Episode, ImageList, digest, sample_episodes
from metrics import FoldMeter, FoldScores
from pfenet import PFENet
from recipe import Recipe, load_recipe
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm
from transforms import EpisodeDataset, collate, evaluation_transform


def episodes_of(recipe: Recipe, images: ImageList) -> list[Episode]:
    """The evaluation's episodes: the same for every run that shares list, fold, shot, seed and count."""
    classes = recipe.novel_classes()
    return sample_episodes(images, classes, recipe.shot, recipe.evaluation_seed, recipe.episodes)


class Evaluation(NamedTuple):
    """A model's scores, and the mIoU of calling every pixel foreground, which it must beat to have learnt anything."""

    scores: FoldScores
    chance: float


@torch.no_grad()
def evaluate(model: PFENet, recipe: Recipe, images: ImageList, device: torch.device) -> Evaluation:
    """Scores over all episodes; the truth has its original size, and 255 counts nowhere."""
    model.eval()
    meter, chance = FoldMeter(recipe.novel_classes()), FoldMeter(recipe.novel_classes())
    for prediction, truth, novel_class in _predictions(model, recipe, images, device):
        meter.update(prediction, truth, novel_class)
        chance.update(torch.ones_like(truth), truth, novel_class)
    return Evaluation(meter.scores(), chance.scores().miou)


def _predictions(
    model: PFENet, recipe: Recipe, images: ImageList, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, int]]:
    episodes = episodes_of(recipe, images)
    dataset = EpisodeDataset(images, episodes, evaluation_transform(recipe.size), truth=True)
    loader = DataLoader(dataset, recipe.batch, num_workers=recipe.workers, collate_fn=collate)
    with tqdm(total=len(episodes), desc=f"{recipe.shot}-shot evaluation", unit=" episodes") as progress:
        for batch in loader:
            query, supports, masks = (batch[key].to(device) for key in ("query", "supports", "support_masks"))
            logits = model(query, supports, masks)
            for one, truth, novel_class in zip(logits, batch["truth"], batch["class"].tolist(), strict=True):
                resized = F.interpolate(one[None], truth.shape, mode="bilinear", align_corners=True)[0]
                yield resized.argmax(0).cpu(), truth, novel_class
            progress.update(len(query))


def report(recipe: Recipe, evaluation: Evaluation, images: ImageList) -> dict[str, object]:
    """Print the per-class table and return what belongs into a result file."""
    scores, chance = evaluation
    print(f"\n{'class':>20}   IoU %")
    names = images.class_names
    for c, iou in scores.class_iou.items():
        print(f"{names[c - 1]:>20}   {'no pixel seen' if iou is None else f'{iou:5.1f}'}")
    episodes = episodes_of(recipe, images)
    fingerprint = digest(images, episodes)
    task = "PFENet baseline" if recipe.weight == 0 else f"PFENet + SCNet, weight {recipe.weight:g}"
    print(f"{'mIoU':>20}   {scores.miou:5.1f}   (every pixel foreground: {chance:.1f})")
    print(f"{'FB-IoU':>20}   {scores.fb_iou:5.1f}")
    print(
        f"{task}: fold {recipe.fold}, {recipe.shot}-shot, {len(episodes)} episodes {fingerprint}, "
        f"novel={recipe.novel}, last checkpoint.\nScores on this data are not comparable with published tables."
    )
    return {
        "miou": scores.miou,
        "fb_iou": scores.fb_iou,
        "class_iou": {names[c - 1]: iou for c, iou in scores.class_iou.items()},
        "every_pixel_foreground_miou": chance,
        "episodes": len(episodes),
        "episodes_digest": fingerprint,
        "shot": recipe.shot,
    }


def main(run: str, shot: int = 1, episodes: int = 1000, evaluation_seed: int = 1000) -> None:
    """Evaluate the last checkpoint of a run folder.

    Args:
        run: the folder that train.py wrote.
        shot: supports an episode.
        episodes: how many.
        evaluation_seed: which.
    """
    recipe = load_recipe(run)
    recipe.shot, recipe.episodes, recipe.evaluation_seed = shot, episodes, evaluation_seed
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = recipe.build_model().to(device)
    model.load_state_dict(torch.load(Path(run) / "checkpoint.pt", map_location=device, weights_only=True)["model"])
    images = recipe.evaluation_images()
    result = report(recipe, evaluate(model, recipe, images, device), images)
    path = Path(run) / f"evaluation-{shot}shot-{episodes}-seed{evaluation_seed}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(main, as_positional=True)
