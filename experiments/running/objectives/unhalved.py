"""The control without the blend: the main task keeps its weight."""

from training.episode_loss import Batch, EpisodeLoss, Losses


class Unhalved(EpisodeLoss):
    """L1 + λ/(1 − λ) L2, so L1 + L2 at λ = 0.5: the main task keeps the weight that it has without the other one."""

    def forward(self, batch: Batch) -> Losses:
        losses = super().forward(batch)
        return losses._replace(blended=losses.blended / (1 - self.auxiliary.weight))
