"""Draw the README's two pictures, each light and dark: the task step by step, and what was measured.

python docs/readme_picture.py                            # trains a small PFENet with the task first, in a few minutes
python docs/readme_picture.py --run runs/NAME            # with a run that is there
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "pfenet_scnet"))
# isort: split
import runtime.requirements  # noqa: F401  Before all else: it says in one line what is not installed.
from data.synthetic import MIN_PIXELS, class_names, draw_scene, make_scenes
from data.transforms import normalise
from drawing.gains_chart import draw_gains, measured_gains
from drawing.task_row import draw_task
from drawing.themes import THEMES
from jsonargparse import auto_cli
from recipe import Recipe, load_recipe, read_recipe
from run_folder.weights import load_model
from runtime.atomic_files import write_text_atomically
from runtime.command import run_command
from runtime.environment import environment
from runtime.options import Parser
from torch import Tensor
from training.fit import fit, start_fabric

from selfcontrast import SelfContrast

HERE = Path(__file__).parent
# The object of the episode, of a class to train on, and another one, of a novel class, which no label names.
OBJECT, OTHER = 3, 12
STEPS = 200


def readme_picture(out: Path = HERE / "pictures" / "readme", run: Path | None = None, scene: int = 6) -> None:
    """Draw both pictures in every theme, and write what they were made with to readme.json.

    Args:
        out: the folder of the pictures; those of the same names are replaced.
        run: a run of train.py on drawn scenes, with the task. By default one of 200 steps is trained, seed 0, on scenes
            of its own.
        scene: seeds the drawing of the query, which no run is trained on. It was chosen by eye, for regions that are
            easily told apart.
    """
    gains = measured_gains(HERE.parent / "experiments" / "results")
    with TemporaryDirectory() as work:
        recipe = _with_task(load_recipe(run), run) if run else _train(Path(work))
        image, mask, contrast = _query(recipe, scene)
    for theme in THEMES:
        draw_task(image, mask, contrast, theme, out)
        draw_gains(gains, theme, out)
    shown = {"object": class_names()[OBJECT - 1], "beside it": class_names()[OTHER - 1], "seed": scene}
    trained = {"steps": recipe.steps, "seed": recipe.seed, "fold": recipe.fold, "backbone": recipe.backbone}
    made = {"query": shown, "training": trained, "gains": gains, "environment": environment()}
    write_text_atomically(out / "readme.json", json.dumps(made, indent=2) + "\n")


def _with_task(recipe: Recipe, run: Path) -> Recipe:
    if recipe.weight == 0:
        raise ValueError(f"run: expected a run with the task, got {run} with weight 0; name another or leave it out")
    return recipe


def _train(work: Path) -> Recipe:
    """Train PFENet with the task on drawn scenes, in a folder of its own."""
    scenes = make_scenes(work / "scenes", train_scenes=160, val_scenes=60)
    folders = {"data": scenes, "out": work / "run", "features": work / "features"}
    words = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
    recipe = read_recipe(["--recipe", "scenes", "--steps", str(STEPS), "--min_pixels", str(MIN_PIXELS), *words])
    fit(recipe, start_fabric(recipe.precision))
    return recipe


@torch.no_grad()
def _query(recipe: Recipe, scene: int) -> tuple[Tensor, Tensor, SelfContrast]:
    """A drawn query (3, H, W) uint8, its mask (H, W), and the pass that the trained model makes of it."""
    picture, indices = draw_scene([OBJECT, OTHER], np.random.default_rng(scene))
    image = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)
    classes = torch.from_numpy(np.asarray(indices).copy()).long()
    mask = torch.where(classes == 255, 255, (classes == OBJECT).long())
    model = load_model(Path(recipe.out), recipe).cpu().eval()
    scale = recipe.size / max(image.shape[1:])
    size = [round(side * scale / 8) * 8 for side in image.shape[1:]]
    mid, layer3 = model.mid_level(normalise(v2.functional.resize(image, size, antialias=True))[None])
    features, high_level = model.down_query(mid), model.layer4(layer3)
    task = recipe.build_auxiliary(torch.Generator().manual_seed(recipe.seed))
    prior = torch.full_like(features[:, :1], 0.5)
    return image, mask, task.contrast(features, high_level, mask[None], model.compare, prior=prior)


if __name__ == "__main__":
    run_command(lambda words: auto_cli(readme_picture, as_positional=False, args=words, parser_class=Parser))
