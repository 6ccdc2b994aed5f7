"""The recipe of a run: one dataclass, filled from YAML and the command line, and written beside every result."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import torch
import yaml
from data.episodes import Episode, ImageEpochs, ImageList, read_list, sample_episodes
from data.folds import class_names, novel_classes
from data.synthetic import MIN_PIXELS, make_scenes
from jsonargparse import ActionConfigFile, ArgumentParser
from model.backbones import build_backbone
from model.pfenet import PFENet

from selfcontrast import SelfContrastiveAuxiliary

RECIPES = Path(__file__).parent / "recipes"


@dataclass
class Recipe:
    """A training run and its evaluation.

    Attributes:
        benchmark: PASCAL-5i or COCO-20i, if the result is to stand beside the paper's cell.
        data: root of a VOC layout, or what prepare.py wrote. By default the environment's SELFCONTRAST_VOC or, without
            it, drawn scenes.
        fold: 0..3, the quarter of the classes held out.
        split: sequential or interleaved folds; COCO-20i has both, and their scores are not comparable.
        shot: supports an episode, in evaluation; training is always 1-shot, as in the paper.
        novel: keep or drop training images that hide objects of the novel classes.
        min_pixels: an (image, class) pair counts from so many pixels on; 2,048 is the rule for full-size VOC. By
            default what fits the drawn scenes, or pictures of 320 pixels, as in voc-small.
        hidden: share of the drawn training scenes that hide a novel object.
        backbone: see model/backbones.py.
        backbone_weights: "imagenet" or a checkpoint's path.
        channels: compared channels D; the published model has 256.
        scales: pooled grids; the published model has 60, 30, 15, 8.
        live_statistics: batch normalisation of the frozen backbone in training mode, as in the published code.
        weight: λ; 0 trains the PFENet baseline.
        num_prototypes: n.
        partition: kmeans or pyramid.
        prior: what the self-contrastive pass gets for a prior mask.
        size: side of the square crops, in pixels.
        draw: class draws the class of each episode, all with equal probability; image takes every image as the query
            once an epoch, as PFENet does.
        batch: episodes a step, over all processes together.
        micro_batch: episodes a forward pass. By default an equal part of the batch for each process; where it is given,
            gradients do not depend on the number of processes.
        steps: optimizer steps.
        epochs: passes over the training images, in place of `steps`.
        optimizer: adamw, which trains a head without normalisation in the demonstration's few hundred steps, or sgd, as
            in the paper.
        learning_rate: at the start of a polynomial decay of power 0.9.
        momentum: of SGD.
        weight_decay: of either optimizer.
        precision: Lightning Fabric's, 32-true or bf16-mixed.
        select: which step's weights are evaluated: those best on base classes of held-out images, on the novel classes
            themselves, as most published code does, or the last.
        select_every: steps between two candidates.
        select_episodes: episodes that each candidate is evaluated on.
        episodes: evaluation episodes.
        protocol: the evaluation protocol, see evaluation/protocols.py; scores under different protocols are not
            comparable.
        evaluation_memory: gigabytes of backbone features that evaluation holds at once; with less, images are computed
            again.
        seed: seeds weights, training episodes and draws.
        evaluation_seed: seeds the evaluation's episodes alone, so that all runs see the same ones.
        cache_features: train on features of the frozen backbone that are computed once and kept on disk, many times
            faster; of the augmentation only mirroring is left.
        features: the folder of those caches, which runs share.
        workers: processes that load images; the result does not depend on their number.
        checkpoint_every: steps between checkpoints.
        out: the run's folder. By default runs/ and a name made of what differs between runs.
        resume: go on from the checkpoint in `out` if there is one.
        baseline: a run folder whose predictions stand beside this run's in the sheet. By default the one that the same
            recipe with weight 0 writes, where it exists.
    """

    benchmark: Literal["PASCAL-5i", "COCO-20i"] | None = None
    data: str | None = None
    fold: int = 2
    split: Literal["sequential", "interleaved"] = "sequential"
    shot: int = 1
    novel: Literal["keep", "drop"] = "keep"
    min_pixels: int | None = None
    hidden: float = 0.25
    backbone: str = "efficientnet_lite0"
    backbone_weights: str = "imagenet"
    channels: int = 64
    scales: tuple[int, ...] = (14, 7, 4)
    live_statistics: bool = False
    weight: float = 0.5
    num_prototypes: int = 3
    partition: str = "kmeans"
    prior: str = "neutral"
    size: int = 224
    draw: Literal["class", "image"] = "class"
    batch: int = 8
    micro_batch: int | None = None
    steps: int = 200
    epochs: int | None = None
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 0.003
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    select: Literal["base", "novel", "last"] = "last"
    select_every: int = 100
    select_episodes: int = 500
    episodes: int = 300
    protocol: Literal["ours", "pfenet", "hsnet", "bam"] = "ours"
    evaluation_memory: float = 8.0
    seed: int = 0
    evaluation_seed: int = 1000
    cache_features: bool = False
    features: str = "runs/features"
    workers: int = 1
    checkpoint_every: int = 100
    out: str | None = None
    resume: bool = False
    baseline: str | None = None

    def resolve(self) -> "Recipe":
        """Settle what depends on the machine: where the data are, and where the run writes."""
        self.data = self.data or os.environ.get("SELFCONTRAST_VOC")
        drawn = self.data is None
        self.data = self.data or f"runs/scenes-hidden{self.hidden:g}"
        self.min_pixels = self.min_pixels or (MIN_PIXELS if drawn else 840)
        if drawn:
            make_scenes(self.data, self.hidden)
        if self.epochs:
            steps = self.epochs * (len(self.training_images().items) // self.batch)
            if self.steps not in (Recipe.steps, steps):
                raise ValueError(
                    f"steps: expected none beside epochs = {self.epochs}, got {self.steps}; add --epochs null to count "
                    "in steps"
                )
            self.steps = steps
        self.out = self.out or self._folder(self.weight)
        self.baseline = self.baseline or self._folder(0.0)
        return self

    def _folder(self, weight: float) -> str:
        task = "baseline" if weight == 0 else f"scnet-weight{weight:g}-n{self.num_prototypes}-{self.prior}"
        data = Path(self.data or "").name + (f"-{self.shot}shot" if self.shot > 1 else "")
        backbone = f"{self.backbone}-cached" if self.cache_features else self.backbone
        return f"runs/{data}-{backbone}-fold{self.fold}-{self.novel}-{self.steps}steps-seed{self.seed}/{task}"

    def training_episodes(self, images: ImageList) -> Sequence[Episode]:
        """As many episodes of base classes as the steps need."""
        classes, count = images.base_classes(self.fold), self.steps * self.batch
        if self.draw == "image":
            return ImageEpochs(images, classes, self.seed, count)
        return sample_episodes(images, classes, 1, self.seed, count)

    def listed_images(self) -> ImageList:
        """The whole training list, whatever the fold."""
        return read_list(self.data, "train", self.min_pixels, self.split)

    def training_images(self) -> ImageList:
        return self.listed_images().training(self.fold, self.novel)

    def evaluation_images(self) -> ImageList:
        return read_list(self.data, "val", self.min_pixels, self.split)

    def novel_classes(self) -> list[int]:
        return novel_classes(self.fold, len(class_names(self.data)), self.split)

    def build_model(self) -> PFENet:
        backbone = build_backbone(self.backbone, self.backbone_weights)
        return PFENet(backbone, self.channels, tuple(self.scales), self.live_statistics)

    def build_auxiliary(self, generator: torch.Generator | None = None) -> SelfContrastiveAuxiliary:
        return SelfContrastiveAuxiliary(
            self.num_prototypes, self.weight, partition=self.partition, prior=self.prior, generator=generator
        )

    def build_optimizer(self, model: PFENet) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if self.optimizer == "adamw":
            return torch.optim.AdamW(trained, self.learning_rate, weight_decay=self.weight_decay)
        return torch.optim.SGD(trained, self.learning_rate, self.momentum, weight_decay=self.weight_decay)

    def save(self, path: Path) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        path.write_text(yaml.safe_dump(values | {"scales": list(self.scales)}, sort_keys=False))


def read_recipe(arguments: list[str] | None = None, description: str = "") -> Recipe:
    """The recipe that a command line asks for: defaults, then --recipe NAME or FILE.yaml, then single options."""
    parser = ArgumentParser(description=description)
    parser.add_argument(
        "--recipe", action=ActionConfigFile, help="a name in recipes/, names joined by _, or a YAML file"
    )
    parser.add_class_arguments(Recipe)
    given = sys.argv[1:] if arguments is None else arguments
    values = parser.parse_args(_with_files(given)).as_dict()
    values.pop("recipe")
    return Recipe(**values)


def _with_files(arguments: list[str]) -> list[str]:
    """`--recipe pascal_resnet50` becomes `--recipe .../pascal.yaml --recipe .../resnet50.yaml`."""
    expanded: list[str] = []
    for argument in (part for one in arguments for part in re.split(r"(?<=^--recipe)=", one)):
        named = _files(argument) if expanded[-1:] == ["--recipe"] else [argument]
        expanded += [named[0], *(word for file in named[1:] for word in ("--recipe", file))]
    return expanded


def _files(name: str) -> list[str]:
    """The files of a recipe: one of its own name, or one for each of the names that `_` joins."""
    if (RECIPES / f"{name}.yaml").is_file():
        return [str(RECIPES / f"{name}.yaml")]
    parts = [RECIPES / f"{part}.yaml" for part in name.split("_")]
    return [str(part) for part in parts] if all(part.is_file() for part in parts) else [name]


def load_recipe(run: str | Path) -> Recipe:
    """The recipe that a finished run wrote."""
    return read_recipe(["--recipe", str(Path(run) / "recipe.yaml")])
