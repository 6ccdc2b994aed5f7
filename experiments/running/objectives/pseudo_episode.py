"""The query as its own episode: find the region that a prototype was pooled from."""

from model.pfenet import Encoded, Extracted
from torch import Tensor
from training.cached_episodes import cached
from training.episode_loss import Batch, EpisodeLoss, Losses

from running.objectives.own_regions import own_regions
from selfcontrast.contrast import Prepared, SelfContrast
from selfcontrast.sampling import pick, uniforms


class PseudoEpisode(EpisodeLoss):
    """(1 − λ) L1 + λ L2, where L2 is the host's loss on one more pass through its comparison.

    In that pass one drawn region's prototype stands everywhere; the target is 1 in that region, 0 elsewhere, 255
    unlabelled. The object is among the regions, each of which is equally likely. Prototypes come through `down_supp`,
    as in the host's own pass.

    Batches are those of cached features. Nothing waits for the host, and an image without a pixel to judge adds nothing
    to L2.
    """

    def forward(self, batch: Batch) -> Losses:
        extracted, mask = cached(batch), batch["mask"].long()
        encoded = self.model.reduce(extracted)
        logits = self.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
        main_loss = self.model.loss(logits, mask)
        task = self.prepare(extracted, encoded, mask)
        answer = self.model.compare(encoded.features, task.prototype_map, self.auxiliary.counter_prior(encoded.prior))
        loss = self.auxiliary.blend(main_loss, SelfContrast(answer, *task), self.model.loss)
        return Losses(loss, main_loss.detach(), self.auxiliary.last_step.contrast_loss)

    def prepare(self, extracted: Extracted, encoded: Encoded, mask: Tensor) -> Prepared:
        """The second pass before its comparison; mask (B, H, W) of 0, 1 and 255."""
        found = own_regions(self.auxiliary, self.slot_features(extracted), encoded.high_level, mask)
        draw = uniforms((len(mask),), found.prototypes, self.auxiliary.generator)
        drawn = pick(found.exists.to(draw.dtype), draw)
        return found.task(drawn[:, None, None].expand(found.labels.shape))

    def slot_features(self, extracted: Extracted) -> Tensor:
        """The query through the encoder that fills the host's slot, (B, D, h, w), with a dropout of its own."""
        return self.model.down_supp(extracted.mid).contiguous()
