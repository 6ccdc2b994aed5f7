"""The training loss: PFENet's loss blended with the self-contrastive task's."""

from collections.abc import Callable
from typing import NamedTuple

from data.transforms import normalise
from model.pfenet import Encoded, Logits, PFENet
from torch import Tensor, nn

from selfcontrast import SelfContrastiveAuxiliary
from training.cached_episodes import cached

Batch = dict[str, Tensor]


class Losses(NamedTuple):
    """The blended loss, and detached L1 and L2; L2 is None without the task."""

    blended: Tensor
    main: Tensor
    contrast: Tensor | None


class EpisodeLoss(nn.Module):
    """Model and task in one forward: distributed training needs every use of a parameter inside it."""

    def __init__(self, model: PFENet, auxiliary: SelfContrastiveAuxiliary) -> None:
        super().__init__()
        self.model = model
        self.auxiliary = auxiliary

    def forward(self, batch: Batch) -> Losses:
        """Losses of a batch of images (as bytes) or of cached features."""
        if "query" in batch:
            query, supports = normalise(batch["query"]), normalise(batch["supports"])
            extracted = self.model.extract(query, supports, batch["support_masks"])
        else:
            extracted = cached(batch)
        mask = batch["mask"].long()
        encoded = self.model.reduce(extracted)
        logits = self.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
        main_loss = self.model.loss(logits, mask)
        loss = self.auxiliary(
            main_loss,
            encoded.features,
            encoded.high_level,
            mask,
            compare=self.second_comparison(encoded),
            criterion=self.model.loss,
            prior=encoded.prior,
        )
        weight = self.auxiliary.weight
        contrast_loss = None if weight == 0 else (loss.detach() - (1 - weight) * main_loss.detach()) / weight
        return Losses(loss, main_loss.detach(), contrast_loss)

    def figures(self) -> dict[str, float]:
        """What the task did in the last forward of a training, by the library's names; nothing with weight 0.

        The host waits for the device in this call.
        """
        if self.auxiliary.weight == 0:
            return {}
        return {name: value for name, value in self.auxiliary.log().items() if not name.endswith("_loss")}

    def second_comparison(self, encoded: Encoded) -> Callable[..., Logits]:
        """The comparison of the self-contrastive pass: by default the model's own."""
        return self.model.compare
