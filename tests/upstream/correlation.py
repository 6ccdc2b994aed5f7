"""A model with no prototype to replace: HSNet's dense correlations, for the refusal and for `probe`."""

import importlib
from pathlib import Path

from patches import importing, untrained
from published import Published, Size, episode
from torch import Tensor
from torchvision.models import resnet

# The learner's convolutions need three grids that halve exactly.
PIXELS = 128


def hsnet(folder: Path, size: Size) -> Published:
    """HSNet, ResNet-50; it calls its backbone's parts with `.forward(...)`, past every hook."""
    with importing(folder):
        module = importlib.import_module("model.hsnet")
    with untrained(resnet, "resnet50"):
        model = module.HypercorrSqueezeNetwork("resnet50", use_original_imgsize=False)
    model.train_mode()
    given = episode(PIXELS, size, unlabelled=False)

    def main_loss(output: Tensor) -> Tensor:
        return model.compute_objective(output, given.mask)

    return Published(
        "hsnet", model, (given.query, given.support[:, 0], given.support_mask[:, 0]), {}, given.mask, main_loss
    )
