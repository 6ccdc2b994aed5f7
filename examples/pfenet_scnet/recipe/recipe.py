"""The recipe of a run: one dataclass, and what it builds."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import torch
import yaml
from data.episodes import Episode, ImageEpochs, sample_episodes
from data.folds import Split, class_names
from data.image_list import USUAL_MIN_PIXELS, ImageList, read_list
from data.synthetic import DRAWING, MIN_PIXELS, make_scenes
from model.backbone import Backbone, check_size
from model.backbones import build_backbone
from model.pfenet import PFENet
from runtime.atomic_files import write_text_atomically

from recipe.ranges import check_values
from selfcontrast import SelfContrastiveAuxiliary

USUAL_FOLD = 2
# What no file's name holds on Windows, and a slash nowhere.
ILLEGAL = re.compile(r'[<>:"/\\|?*]')


@dataclass
class Recipe:
    """A training run and its evaluation.

    Attributes:
        benchmark: PASCAL-5i or COCO-20i, if the result is to stand beside the paper's cell.
        data: root of a VOC layout, or what prepare.py wrote. By default the environment's SELFCONTRAST_VOC or, without
            it, drawn scenes.
        fold: 0 .. folds - 1, the part of the classes held out. By default 2, unless `novel_classes` are named.
        folds: how many nearly equal parts the classes are cut into; the benchmarks have 4.
        split: sequential or interleaved folds; COCO-20i has both, and their scores are not comparable.
        novel_classes: names or numbers of the classes to hold out, joined by commas, in place of a fold.
        shot: supports an episode, in evaluation; training is always 1-shot, as in the paper.
        novel: keep or drop training images that hide objects of the novel classes.
        min_pixels: an (image, class) pair counts from so many pixels on; 2,048 is the rule for full-size VOC. By
            default what fits the drawn scenes, or pictures of 320 pixels, as in voc-small.
        skip_damaged: leave out pictures and masks that are cut off or damaged, and say how many; otherwise such a file
            ends the run.
        hidden: share of the drawn training scenes that hide a novel object.
        backbone: efficientnet_lite0, efficientnet_lite2, resnet50, resnet101, vgg16_bn, or timm:NAME for a ConvNeXt or
            vision transformer from timm.
        backbone_weights: "imagenet" for what the package or the download brings, or a checkpoint's path.
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
        tensorboard: write TensorBoard's files below `out` too: losses, figures of the task, scores and pictures.
        baseline: a run folder whose predictions stand beside this run's in the sheet. By default the one that the same
            recipe with weight 0 writes, where it exists.
    """

    benchmark: Literal["PASCAL-5i", "COCO-20i"] | None = None
    data: str | None = None
    fold: int | None = None
    folds: int = 4
    split: Literal["sequential", "interleaved"] = "sequential"
    novel_classes: str | None = None
    shot: int = 1
    novel: Literal["keep", "drop"] = "keep"
    min_pixels: int | None = None
    skip_damaged: bool = False
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
    tensorboard: bool = False
    baseline: str | None = None

    def __post_init__(self) -> None:
        """Check every number and name before anything starts.

        Raises:
            ValueError: an option is outside its range; the message names it, the range and the fix.
        """
        check_values(self)
        if self.novel_classes is None:
            self.fold = USUAL_FOLD if self.fold is None else self.fold
        elif self.fold is not None:
            raise ValueError(
                f"fold: expected none beside novel_classes = {self.novel_classes}, got {self.fold}; add --fold null or "
                "leave novel_classes out"
            )

    def locate(self) -> "Recipe":
        """Settle where the data are; scenes are drawn where none are named."""
        self.data = self.data or os.environ.get("SELFCONTRAST_VOC")
        drawn = self.data is None
        self.data = self.data or f"runs/scenes-{DRAWING}-hidden{self.hidden:g}"
        if self.min_pixels is None:
            self.min_pixels = MIN_PIXELS if drawn else USUAL_MIN_PIXELS
        if drawn:
            make_scenes(self.data, self.hidden)
        return self

    def resolve(self) -> "Recipe":
        """Settle what depends on the machine: where the data are, how many steps an epoch has, where the run writes."""
        self.locate()
        if self.epochs is not None:
            self.steps = self._steps_of_epochs()
        self.out = self.out or self._folder(self.weight)
        self.baseline = self.baseline or self._folder(0.0)
        return self

    def _steps_of_epochs(self) -> int:
        images = len(self.training_images().items)
        steps = self.epochs * (images // self.batch)
        if self.steps not in (Recipe.steps, steps):
            raise ValueError(
                f"steps: expected none beside epochs = {self.epochs}, got {self.steps}; add --epochs null to count in "
                "steps"
            )
        if steps < 1:
            raise ValueError(
                f"batch: expected at most the {images} training images of an epoch, got {self.batch}; lower --batch"
            )
        return steps

    @property
    def held_out(self) -> str:
        """What is held out, as folders and files name it."""
        named = ILLEGAL.sub("_", "-".join(self._named()))
        return f"fold{self.fold}" if self.novel_classes is None else f"novel-{named}"

    @property
    def held_out_words(self) -> str:
        """What is held out, in a sentence."""
        named = f"novel classes {', '.join(self._named())}"
        return f"fold {self.fold}" if self.novel_classes is None else named

    def _named(self) -> tuple[str, ...]:
        return tuple(word.strip() for word in (self.novel_classes or "").split(",") if word.strip())

    def _folder(self, weight: float) -> str:
        task = "baseline" if weight == 0 else f"scnet-weight{weight:g}-n{self.num_prototypes}-{self.prior}"
        data = Path(self.data or "").name + (f"-{self.shot}shot" if self.shot > 1 else "")
        backbone = self.backbone.replace(":", "-") + ("-cached" if self.cache_features else "")
        return f"runs/{data}-{backbone}-{self.held_out}-{self.novel}-{self.steps}steps-seed{self.seed}/{task}"

    def training_episodes(self, images: ImageList) -> Sequence[Episode]:
        """As many episodes of base classes as the steps need."""
        classes, count = images.base_classes(self.fold), self.steps * self.batch
        if self.draw == "image":
            return ImageEpochs(images, classes, self.seed, count)
        return sample_episodes(images, classes, 1, self.seed, count)

    def class_split(self) -> Split:
        """How the classes are divided into base and novel ones."""
        return Split(self.split, self.folds, self._named())

    def listed_images(self) -> ImageList:
        """The whole training list, whatever the fold."""
        return read_list(self.data, "train", self.min_pixels, self.class_split(), self.skip_damaged)

    def training_images(self) -> ImageList:
        return self.listed_images().training(self.fold, self.novel)

    def evaluation_images(self) -> ImageList:
        return read_list(self.data, "val", self.min_pixels, self.class_split(), self.skip_damaged)

    def held_out_classes(self) -> list[int]:
        return self.class_split().novel_classes(self.fold, class_names(self.data))

    def build_model(self) -> PFENet:
        """The model on its pretrained backbone."""
        return self.model_on(build_backbone(self.backbone, self.backbone_weights))

    def model_on(self, backbone: Backbone) -> PFENet:
        """The model on any backbone.

        Raises:
            ValueError: pictures of this size cannot be cut into the backbone's patches.
        """
        check_size(self.size, backbone.patch)
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
        """Write every option as YAML, whole or not at all."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        write_text_atomically(path, yaml.safe_dump(values | {"scales": list(self.scales)}, sort_keys=False))
