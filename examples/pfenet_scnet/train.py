"""Train PFENet with SCNet's self-contrastive task, evaluate it on classes it never saw, and draw what it does.

python examples/pfenet_scnet/train.py                          # drawn scenes, SCNet
python examples/pfenet_scnet/train.py --weight 0               # the PFENet baseline on the same episodes
SELFCONTRAST_VOC=DIR python examples/pfenet_scnet/train.py     # photographs in VOC's layout
python examples/pfenet_scnet/train.py --resume true            # go on where a run stopped
"""

import json
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from checkpoint import load_checkpoint, save_atomically
from episodes import Episode, ImageList, digest, sample_episodes
from evaluate import evaluate
from features import CACHED_AUGMENTATION, CachedEpisodes, cached
from interrupts import ignore_interrupts, interrupt_flag
from pfenet import Extracted, PFENet
from pictures import draw_curves, draw_sheet
from precompute import open_features
from recipe import Recipe, read_recipe
from report import report
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm
from transforms import AUGMENTATION, EpisodeDataset, training_transform

from selfcontrast import SelfContrastiveAuxiliary


def train(recipe: Recipe) -> dict[str, Any]:
    """A whole run, from the data to the result; everything it writes lies in `recipe.out`."""
    recipe.resolve()
    run = Path(recipe.out)
    run.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    model = recipe.build_model().to(device)
    auxiliary = recipe.build_auxiliary()
    optimizer = recipe.build_optimizer(model)
    images = recipe.training_images()
    share = images.hidden_share(recipe.fold)
    print(
        f"fold {recipe.fold}: {len(images.items)} training images, {share:.1f} % of them hide an unlabelled object of "
        f"a novel class (novel={recipe.novel})"
    )
    episodes = sample_episodes(images, images.base_classes(recipe.fold), 1, recipe.seed, recipe.steps * recipe.batch)
    dataset, augmentation = _training_data(recipe, model, images, episodes)
    start = load_checkpoint(run / "checkpoint.pt", model, optimizer) if recipe.resume else 0
    _begin(run, recipe, start)
    started = time.monotonic()
    done = _steps(recipe, model, auxiliary, optimizer, dataset, start, run, device)
    if done < recipe.steps:
        print(f"stopped after step {done}; add --resume true to go on from {run}/checkpoint.pt")
        raise SystemExit(130)
    seconds = time.monotonic() - started
    evaluation_images = recipe.evaluation_images()
    result = report(recipe, [evaluate(model, recipe, evaluation_images)], evaluation_images) | {
        "augmentation": augmentation,
        "training_episodes_digest": digest(images, episodes),
        "hidden_share_percent": share,
        "training_images": len(images.items),
        "training_seconds": round(seconds, 1),
        "steps": recipe.steps,
        "weight": recipe.weight,
        "seed": recipe.seed,
        "environment": environment(),
    }
    (run / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    draw_curves(run)
    draw_sheet(run, _columns(recipe, model, device), recipe, evaluation_images)
    print(f"written: {run}/result.json, curves.png, sheet.png")
    return result


def poly_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    return recipe.learning_rate * (1 - step / recipe.steps) ** 0.9


def _training_data(
    recipe: Recipe, model: PFENet, images: ImageList, episodes: Sequence[Episode]
) -> tuple[EpisodeDataset | CachedEpisodes, str]:
    """The episodes, as images or as cached features, and what varies them, in words."""
    if not recipe.cache_features:
        return EpisodeDataset(images, episodes, training_transform(recipe.size), recipe.seed), AUGMENTATION
    whole = recipe.listed_images()
    every_class = list(range(1, len(whole.class_names) + 1))
    cache = open_features(recipe.features, model, whole, every_class, recipe.size).of(whole, images)
    print(f"augmentation: {CACHED_AUGMENTATION}")
    return CachedEpisodes(cache, episodes, recipe.seed), CACHED_AUGMENTATION


def _extract(model: PFENet, batch: dict[str, Tensor]) -> Extracted:
    """The batch's backbone features: computed now, unless the batch holds them."""
    if "query" in batch:
        return model.extract(batch["query"], batch["supports"], batch["support_masks"])
    return cached(batch)


def training_step(
    model: PFENet, auxiliary: SelfContrastiveAuxiliary, batch: dict[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The blended loss, L1 and, where the task is on, L2, with its graph cut."""
    encoded = model.reduce(_extract(model, batch))
    main_loss = model.loss(model.compare(encoded.features, encoded.prototype_map, encoded.prior), batch["mask"])
    loss = auxiliary(
        main_loss,
        encoded.features,
        encoded.high_level,
        batch["mask"],
        compare=model.compare,
        criterion=model.loss,
        prior=encoded.prior,
    )
    weight = auxiliary.weight
    contrast_loss = None if weight == 0 else (loss.detach() - (1 - weight) * main_loss.detach()) / weight
    return loss, main_loss.detach(), contrast_loss


def _steps(
    recipe: Recipe,
    model: PFENet,
    auxiliary: SelfContrastiveAuxiliary,
    optimizer: torch.optim.Optimizer,
    dataset: EpisodeDataset | CachedEpisodes,
    start: int,
    run: Path,
    device: torch.device,
) -> int:
    """Train from step `start` and return how many steps are done: all, unless Ctrl-C came."""
    todo = Subset(dataset, range(start * recipe.batch, len(dataset)))
    loader = DataLoader(
        todo,
        recipe.batch,
        num_workers=recipe.workers,
        pin_memory=device.type == "cuda",
        worker_init_fn=ignore_interrupts,
    )
    model.train()
    done = start
    with (
        (run / "metrics.jsonl").open("a") as log,
        tqdm(total=len(todo), desc="training", unit=" episodes") as progress,
        interrupt_flag() as interrupted,
    ):
        for step, batch in enumerate(loader, start):
            rate = optimizer.param_groups[0]["lr"] = poly_rate(recipe, step)
            batch = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
            # A step's dropout and draws depend on the seed and the step alone, so a resumed run repeats them.
            torch.manual_seed(recipe.seed * 1_000_003 + step)
            loss, main_loss, contrast_loss = training_step(model, auxiliary, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done = step + 1
            progress.update(recipe.batch)
            if step % 10 == 0 or done == recipe.steps:
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"the loss of step {step} is {loss.item()}; lower learning_rate")
                row = {"step": step, "lr": rate, "loss": loss.item(), "main_loss": main_loss.item()}
                row["contrast_loss"] = None if contrast_loss is None else contrast_loss.item()
                log.write(json.dumps(row) + "\n")
                log.flush()
                progress.set_postfix(loss=f"{row['loss']:.3f}")
            if done % recipe.checkpoint_every == 0 or done == recipe.steps or interrupted.is_set():
                save_atomically(run / "checkpoint.pt", model, optimizer, done)
            if interrupted.is_set():
                break
    return done


def _begin(run: Path, recipe: Recipe, start: int) -> None:
    """Write what the run is; a fresh start begins a new log, a resumed one forgets steps after its checkpoint."""
    recipe.save(run / "recipe.yaml")
    (run / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n")
    log = run / "metrics.jsonl"
    kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] < start] if log.exists() else []
    log.write_text("".join(line + "\n" for line in kept))
    if start:
        print(f"resumed after step {start}")


def _columns(recipe: Recipe, model: PFENet, device: torch.device) -> dict[str, PFENet]:
    """The sheet's models: the baseline, where one was trained, and this run's."""
    if recipe.weight == 0:
        return {"baseline": model}
    checkpoint = Path(recipe.baseline) / "checkpoint.pt"
    if not checkpoint.is_file():
        print(f"the sheet has no baseline column: nothing at {checkpoint}; run the same command with --weight 0 first")
        return {"SCNet": model}
    baseline = recipe.build_model().to(device)
    baseline.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True)["model"])
    return {"baseline": baseline, "SCNet": model}


def environment() -> dict[str, str]:
    """Versions, machine and commit, to stand beside every number."""
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    packages = ("torch", "torchvision", "numpy", "selfcontrast")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "commit": commit.stdout.strip() or "not a checkout",
    }


if __name__ == "__main__":
    train(read_recipe(description=__doc__))
