"""The self-contrastive task: from the query's own features to its loss (Eq. 4 to 9), for any comparison module.

Axes: B images, C and C̄ channels, h x w and h̄ x w̄ feature grids, H x W the mask, K regions.
"""

from collections.abc import Callable
from functools import partial
from math import isqrt
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor, nn

from selfcontrast.batchnorm import KeepRunningStatistics
from selfcontrast.blended_step import BlendedStep, keep, log_of, without_pass
from selfcontrast.clustering import ENGINES, SEEDINGS, Engine, Seeding, cosine_kmeans, spatial_pyramid
from selfcontrast.contrast import Prepared, SelfContrast, call_compare, check_logits, support_background
from selfcontrast.errors import (
    check_batch,
    check_choice,
    check_count,
    check_generator,
    check_map,
    check_mask,
    check_tensors,
    check_weight,
    require,
    warn_of_eval_mode,
    warn_of_no_foreground,
)
from selfcontrast.loss import Criterion, Logits, contrast_loss, contrast_target, cross_entropy
from selfcontrast.prototypes import (
    foreground_cells,
    held_prototypes,
    labelled_cells,
    masked_average_pool,
    place_prototypes,
    regions_of,
    resize_nearest,
    unlabelled_pixels,
    wholly_labelled,
)
from selfcontrast.sampling import uniforms

if TYPE_CHECKING:
    from selfcontrast.attach.attachment import Attachment
    from selfcontrast.attach.host import CosineHost, Host
    from selfcontrast.attach.presets import Preset

Partition = Literal["kmeans", "pyramid"]
Prior = Literal["neutral", "keep", "complement"]
PARTITIONS: tuple[Partition, ...] = get_args(Partition)
PRIORS: tuple[Prior, ...] = get_args(Prior)

Compare = Callable[..., Logits]


class SelfContrastiveAuxiliary(nn.Module):
    """Blend SCNet's self-contrastive task into the loss of a few-shot segmentation model (Eq. 9).

    It adds no parameter, and in eval mode or with `weight=0` it does nothing at all. `auxiliary.weight = ...` changes
    λ for the steps that follow.

    Args:
        num_prototypes: n regions of the query; 3 is the paper's best (Table 3), 1 the whole background.
        weight: λ of Eq. 9; 0.5 is the paper's best (Table 5), 0 the host alone.
        iterations: Lloyd iterations of the k-means; the paper's is 10.
        ignore_index: the mask's value for unlabelled pixels, which enter no centre, no prototype and no loss.
        partition: "kmeans" on the high-level features, or "pyramid", a x a cells with n = a² (Table 6).
        prior: what the comparison gets in place of a prior mask in 0..1 that was made for the support's object:
            "neutral" (0.5 everywhere), "keep" (the same) or "complement" (1 − prior). The paper is silent.
        seeding: first centres of the k-means, "farthest-first", "k-means++" or "random".
        engine: of the k-means, "auto", "torch", "triton" or "faiss", see `cosine_kmeans`.
        generator: source of all draws. By default the global one, so under data parallel each rank draws its own and
            `torch.manual_seed` repeats a step, compiled or not.

    Raises:
        InputError: on a value out of range or an unknown name.

    Source: SCNet, section 3.2.2 and 3.3.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> comparison = torch.nn.Conv2d(16, 2, 1)
    >>> def compare(features, prototype_map):
    ...     return comparison(torch.cat([features, prototype_map], 1))
    >>> auxiliary = SelfContrastiveAuxiliary()
    >>> features, high_level = torch.rand(2, 8, 6, 6), torch.rand(2, 32, 3, 3)
    >>> mask = torch.zeros(2, 48, 48, dtype=torch.long)
    >>> mask[:, 10:30, 10:30] = 1
    >>> loss = auxiliary(torch.tensor(0.7), features, high_level, mask, compare)
    >>> loss.shape, loss.requires_grad
    (torch.Size([]), True)
    """

    def __init__(
        self,
        num_prototypes: int = 3,
        weight: float = 0.5,
        iterations: int = 10,
        ignore_index: int = 255,
        partition: Partition = "kmeans",
        prior: Prior = "neutral",
        seeding: Seeding = "farthest-first",
        engine: Engine = "auto",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_count(num_prototypes, 1, "num_prototypes")
        check_count(iterations, 0, "iterations")
        value = isinstance(ignore_index, Integral) and ignore_index not in (0, 1)
        require(value, "ignore_index", "an integer, neither 0 nor 1", ignore_index, "use 255")
        check_choice(partition, PARTITIONS, "partition")
        check_choice(prior, PRIORS, "prior")
        check_choice(seeding, SEEDINGS, "seeding")
        check_choice(engine, ENGINES, "engine")
        check_generator(generator)
        if partition == "pyramid":
            square = isqrt(num_prototypes) ** 2 == num_prototypes
            require(
                square, "num_prototypes", "a square for a pyramid of a x a cells", num_prototypes, "use 4, 9, 16, 25"
            )
        self.num_prototypes = num_prototypes
        self.weight = weight
        self.iterations = iterations
        self.ignore_index = ignore_index
        self.partition: Partition = partition
        self.prior: Prior = prior
        self.seeding: Seeding = seeding
        self.engine: Engine = engine
        self.generator = generator
        self.last_step: BlendedStep | None = None

    @property
    def weight(self) -> float:
        """λ of Eq. 9, in [0, 1].

        Raises:
            InputError: on another value when it is set.
        """
        return self._weight

    @weight.setter
    def weight(self, weight: float) -> None:
        check_weight(weight)
        self._weight = weight

    def extra_repr(self) -> str:
        """The options that act, for `print(model)`."""
        clustering = ("iterations", "seeding", "engine") if self.partition == "kmeans" else ()
        names = ("num_prototypes", "weight", "partition", *clustering, "prior", "ignore_index")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles start without a step to tell of."""
        return self.__dict__ | {"last_step": None}

    def forward(
        self,
        main_loss: Tensor,
        features: Tensor,
        high_level: Tensor,
        mask: Tensor,
        compare: Compare,
        criterion: Criterion | None = None,
        *,
        prior: Tensor | None = None,
        support: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The blended loss (1 − λ) L1 + λ L2 (Eq. 9); in eval mode or with λ = 0 the very `main_loss`.

        Args:
            main_loss: L1, a scalar.
            criterion: the host's whole loss, (logits, target) → scalar, deep supervision included, given the logits in
                float32 or wider. By default the cross-entropy, averaged over the batch's labelled pixels, of logits
                resized to the mask bilinearly with aligned corners.

        The other arguments, and what is refused, are those of `contrast`.
        """
        check_tensors(main_loss=main_loss)
        if not self.training:
            warn_of_eval_mode(main_loss)
            return main_loss
        if self.weight == 0:
            self.last_step = without_pass(main_loss)
            return main_loss
        contrast = self.contrast(features, high_level, mask, compare, prior=prior, support=support)
        return self.blend(main_loss, contrast, criterion)

    if TYPE_CHECKING:
        # torch's own takes and gives anything, so a checker would let a missing mask pass.
        def __call__(
            self,
            main_loss: Tensor,
            features: Tensor,
            high_level: Tensor,
            mask: Tensor,
            compare: Compare,
            criterion: Criterion | None = None,
            *,
            prior: Tensor | None = None,
            support: tuple[Tensor, Tensor] | None = None,
        ) -> Tensor: ...

    def contrast(
        self,
        features: Tensor,
        high_level: Tensor,
        mask: Tensor,
        compare: Compare,
        *,
        prior: Tensor | None = None,
        support: tuple[Tensor, Tensor] | None = None,
    ) -> SelfContrast:
        """Everything up to the loss: regions, prototypes, map, comparison and target (Eq. 4 to 8).

        Args:
            features: F, (B, C, h, w), the very tensor that the host compares with its prototype, after its dropout.
            high_level: F̄, (B, C̄, h̄, w̄), only clustered; its grid may differ from that of F.
            mask: M, (B, H, W) of 0 background, 1 foreground and `ignore_index` unlabelled.
            compare: the host's own comparison, `compare(features, prototype_map)` → logits (B, 2, ·, ·) or a tuple of
                such. Batch normalisation inside it updates no running statistics in this pass.
            prior: (B, ·, h, w) in 0..1, if the comparison takes one: it becomes `compare`'s third argument, as the
                option `prior` says.
            support: features (B, C, h', w') and mask (B, H', W') of the support, to take the one background prototype
                from there instead (Table 4; needs `num_prototypes=1`). Several shots stand side by side in width.

        Raises:
            InputError: on another rank, batch or dtype, on logits of another shape and, on a CPU outside a graph, on
                NaN or infinite features and on mask values other than 0, 1 and `ignore_index`.
        """
        prepared = self.prepare(features, high_level, mask, support=support)
        extras = () if prior is None else (self.counter_prior(prior),)
        with KeepRunningStatistics():
            logits = call_compare(compare, features, prepared.prototype_map, *extras)
        check_logits(logits, features.shape[0])
        return SelfContrast(logits, *prepared)

    def prepare(
        self, features: Tensor, high_level: Tensor, mask: Tensor, *, support: tuple[Tensor, Tensor] | None = None
    ) -> Prepared:
        """Everything before the comparison (Eq. 4 to 7), and the target; arguments as those of `contrast`."""
        check_map(features, "features")
        check_mask(mask, features.shape[0], self.ignore_index)
        warn_of_no_foreground(mask, self.ignore_index)
        size = (features.shape[2], features.shape[3])
        foreground, unlabelled = foreground_cells(mask, size), unlabelled_pixels(mask)
        if support is None:
            labelled = wholly_labelled(unlabelled, size)
            labels = self._partition(high_level, mask, labelled)
            pooled, regions = features, regions_of(labels, labelled, foreground, self.num_prototypes)
        else:
            pooled, regions = support_background(support, features, self.num_prototypes, self.ignore_index)
            labels = torch.zeros_like(foreground, dtype=torch.long)
        prototypes, exists = masked_average_pool(pooled, regions), regions.flatten(2).any(2)
        draw = uniforms((len(labels),), prototypes, self.generator)
        held = held_prototypes(labels, foreground, exists, draw)
        prototype_map = place_prototypes(prototypes, held).to(features.dtype)
        target = contrast_target(mask, unlabelled, held, exists, self.ignore_index)
        return Prepared(target, regions, prototypes, prototype_map, labels, held)

    def _partition(self, high_level: Tensor, mask: Tensor, labelled: Bool[Tensor, "B h w"]) -> Int[Tensor, "B h w"]:
        """Regions of the whole query, foreground included, found on the grid of F̄ and resized to that of F.

        Args:
            labelled: the labelled cells on the grid of F.
        """
        check_map(high_level, "high_level")
        check_batch(high_level, mask.shape[0], "high_level")
        size, grid = (labelled.shape[1], labelled.shape[2]), (high_level.shape[2], high_level.shape[3])
        if self.partition == "pyramid":
            return resize_nearest(spatial_pyramid(high_level, isqrt(self.num_prototypes)), size)
        labels = cosine_kmeans(
            high_level,
            self.num_prototypes,
            iterations=self.iterations,
            valid=labelled if grid == size else labelled_cells(mask, grid),
            seeding=self.seeding,
            engine=self.engine,
            generator=self.generator,
        )
        return resize_nearest(labels, size)

    def counter_prior(self, prior: Tensor) -> Tensor:
        """What the self-contrastive pass gets in place of a prior mask, as the option `prior` says."""
        check_tensors(prior=prior)
        if self.prior == "keep":
            return prior
        return 1 - prior if self.prior == "complement" else torch.full_like(prior, 0.5)

    def blend(self, main_loss: Tensor, contrast: SelfContrast, criterion: Criterion | None = None) -> Tensor:
        """(1 − λ) L1 + λ L2 of a pass that `contrast` made (Eq. 9)."""
        check_tensors(main_loss=main_loss)
        require(
            main_loss.dim() == 0, "main_loss", "a scalar", tuple(main_loss.shape), "reduce it to the batch's mean first"
        )
        judge = partial(cross_entropy, ignore_index=self.ignore_index) if criterion is None else criterion
        auxiliary_loss = contrast_loss(contrast.logits, contrast.target, judge, self.ignore_index)
        # One operation; a criterion's loss is in float32 or wider, the host's own may be in half precision.
        wider = torch.promote_types(main_loss.dtype, auxiliary_loss.dtype)
        loss = torch.lerp(main_loss.to(wider), auxiliary_loss.to(wider), self.weight)
        self.last_step = keep(main_loss, auxiliary_loss, loss, contrast)
        return loss

    def log(self) -> dict[str, float]:
        """What the last training step did; only this call makes the host wait, once, for one transfer.

        Under data parallel each process tells of its own step, with accumulated gradients each of the last one, and in
        eval mode still of the last one in training. An attached model has `attachment.log()`.

        Returns:
            Numbers under these names.

            - `main_loss`, `contrast_loss` and `blended_loss`: L1, L2 and (1 − λ) L1 + λ L2. With λ = 0 there is no
              pass, so `main_loss` and `blended_loss` are all there is.
            - `judged`: the share of the target's pixels that have a label and a prototype to be compared with.
            - `agreement`: on which share of these the logits agree with the target, NaN without any. The mean over all
              logits where the comparison gives several.
            - `empty_regions`: the share of all regions that hold no pixel.
            - `region_1` to `region_n`: the share of the grid's cells in each image's largest region to its smallest,
              as means over the batch. The rest is foreground or has no label.

        Raises:
            InputError: before the first such step.
        """
        return log_of(self.last_step)

    def attach(self, model: nn.Module, host: "Preset | Host | CosineHost") -> "Attachment":
        """Attach the task to a model that somebody else wrote: in place, until `detach`.

        Args:
            model: the host model, before `torch.compile` and inside any DistributedDataParallel.
            host: a preset's name, see `selfcontrast.attach.presets`, or where your model is entered.

        Raises:
            InputError: on a name without preset, and on a model that lacks what the host names, that is compiled
                already, or that has something attached. Where a preset does not fit, the message names it.

        >>> import torch
        >>> from selfcontrast import Entry, Exit, Host
        >>> class Model(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.encoder, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 2, 1)
        ...     def forward(self, query, support, mask):
        ...         features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        ...         logits = self.head(torch.cat([features, prototype.expand_as(features)], 1))
        ...         return nn.functional.cross_entropy(nn.functional.interpolate(logits, mask.shape[1:]), mask)
        >>> model, mask = Model(), torch.zeros(2, 16, 16, dtype=torch.long)
        >>> host = Host("encoder", "encoder", entries=(Entry("head", "C:2C"),), exits=(Exit("head"),), mask="mask")
        >>> attachment = SelfContrastiveAuxiliary().attach(model, host)
        >>> loss = attachment.blend(model(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), mask))
        >>> loss.shape
        torch.Size([])
        """
        # An attachment stands on this class, so it can only be imported when it is asked for.
        from selfcontrast.attach.attachable import check_attachable
        from selfcontrast.attach.attachment import Attachment
        from selfcontrast.attach.presets import find_host, naming_preset

        preset, found = host if isinstance(host, str) else None, find_host(host)
        with naming_preset(preset):
            check_attachable(model, found)
        return Attachment(self, model, found, preset)
