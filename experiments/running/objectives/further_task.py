"""What all further tasks share: L1 as ever, and as L2 the host's loss on one more pass through its comparison."""

from model.pfenet import Encoded, Extracted, Logits
from torch import Tensor
from training.cached_episodes import cached
from training.episode_loss import Batch, EpisodeLoss, Losses

from selfcontrast.contrast import Prepared, SelfContrast


class FurtherTask(EpisodeLoss):
    """(1 − λ) L1 + λ L2, where `prepare` says what the second pass compares, and what it should answer.

    Batches are those of cached features. Nothing waits for the host, and an image without a pixel to judge adds
    nothing to L2.
    """

    def forward(self, batch: Batch) -> Losses:
        extracted, mask = cached(batch), batch["mask"].long()
        encoded = self.model.reduce(extracted)
        logits = self.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
        main_loss = self.model.loss(logits, mask)
        task = self.second_pass(extracted, encoded, mask, logits)
        loss = self.auxiliary.blend(main_loss, task, self.model.loss)
        return Losses(loss, main_loss.detach(), self.auxiliary.last_step.contrast_loss)

    def second_pass(self, extracted: Extracted, encoded: Encoded, mask: Tensor, _logits: Logits) -> SelfContrast:
        """The whole second pass; by default one on the query's own features."""
        task = self.prepare(extracted, encoded, mask)
        return SelfContrast(self.model.compare(encoded.features, task.prototype_map, self.prior(encoded, task)), *task)

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        """The second pass before its comparison; mask (B, H, W) of 0, 1 and 255."""
        raise NotImplementedError

    def prior(self, encoded: Encoded, _task: Prepared) -> Tensor:
        """The second pass's prior mask, (B, 1, ·, ·): by default SCNet's, which says nothing."""
        return self.auxiliary.counter_prior(encoded.prior)

    def slot_features(self, extracted: Extracted) -> Tensor:
        """The query through the encoder that fills the host's slot, (B, D, h, w), with a dropout of its own."""
        return self.model.down_supp(extracted.mid).contiguous()
