"""Gradients do not depend on how a batch is cut, nor on how many processes share it."""

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import warm_python
from drawn_scenes import drawn_scenes
from lightning_fabric import Fabric
from recipe import Recipe
from tiny_backbone import tiny_model
from torch import nn
from training.episode_loss import EpisodeLoss, Losses
from training.loop import backward, poly_rate
from training.sharded_batches import ShardedBatch

from selfcontrast import SelfContrastiveAuxiliary

SCRIPT = Path(__file__).parents[3] / "examples" / "pfenet_scnet" / "train.py"


class PixelModel(nn.Module):
    """Two classes by a 1 x 1 convolution; the loss is the mean over labelled pixels, as PFENet's."""

    def __init__(self, dropout):
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, batch):
        logits = self.convolution(self.dropout(batch["query"]))
        loss = F.cross_entropy(logits, batch["mask"], ignore_index=255)
        return Losses(loss, loss.detach(), None)


@pytest.fixture
def batch():
    mask = torch.randint(0, 2, (8, 6, 6))
    for i in range(8):
        mask[i, : i % 6] = 255  # unlike numbers of labelled pixels
    return {"query": torch.randn(8, 3, 6, 6), "mask": mask}


def gradient(batch, micro_batch, dropout=0.0, step=0):
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1)
    model = PixelModel(dropout)
    task = fabric.setup(model)
    losses = backward(fabric, task, batch, ShardedBatch(8, micro_batch), 3, step)
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()]), losses


def test_the_loss_is_the_mean_over_all_labelled_pixels_however_the_batch_is_cut(batch):
    whole, losses = gradient(batch, 8)
    for micro_batch in (1, 2, 4):
        cut, cut_losses = gradient(batch, micro_batch)
        torch.testing.assert_close(cut, whole)
        torch.testing.assert_close(cut_losses.main, losses.main)
    assert cut_losses.contrast is None


def test_a_mean_of_means_would_be_another_gradient(batch):
    whole, _ = gradient(batch, 8)
    halves = [gradient({k: v[i : i + 4] for k, v in batch.items()}, 4)[0] for i in (0, 4)]
    assert not torch.allclose((halves[0] + halves[1]) / 2, whole, rtol=1e-3)


def test_draws_depend_on_seed_step_and_place_alone(batch):
    first, _ = gradient(batch, 2, dropout=0.5)
    torch.rand(5)
    assert torch.equal(gradient(batch, 2, dropout=0.5)[0], first)
    assert not torch.equal(gradient(batch, 2, dropout=0.5, step=1)[0], first)


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_float32(batch):
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    model, dtypes = PixelModel(0.0), []
    model.convolution.register_forward_hook(lambda _module, _given, output: dtypes.append(output.dtype))
    losses = backward(fabric, fabric.setup(model), batch, ShardedBatch(8, 4), 0, 0)
    assert dtypes == [torch.bfloat16] * 2 and losses.blended.isfinite()
    assert all(parameter.dtype == parameter.grad.dtype == torch.float32 for parameter in model.parameters())


def test_a_batch_without_a_labelled_pixel_changes_nothing(batch):
    class Summed(PixelModel):
        def forward(self, batch):
            loss = F.cross_entropy(self.convolution(batch["query"]), batch["mask"], ignore_index=255, reduction="sum")
            return Losses(loss, loss.detach(), None)

    fabric = Fabric(accelerator="cpu", devices=1)
    model = Summed(0.0)
    nothing = batch | {"mask": torch.full_like(batch["mask"], 255)}
    losses = backward(fabric, fabric.setup(model), nothing, ShardedBatch(8, 4), 0, 0)
    assert losses.blended == 0 and all(not parameter.grad.any() for parameter in model.parameters())


def test_under_deterministic_algorithms_training_gives_the_very_weights_again():
    def trained():
        model = tiny_model().train()
        mask = torch.zeros(4, 64, 64, dtype=torch.uint8)
        mask[:, 8:40, 8:40], mask[:, 50:] = 1, 255
        pictures = torch.randint(0, 256, (2, 4, 3, 64, 64), dtype=torch.uint8)
        episodes = {"query": pictures[0], "supports": pictures[1][:, None], "support_masks": mask[:, None]}
        fabric = Fabric(accelerator="cpu", devices=1)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        task, optimizer = fabric.setup(
            EpisodeLoss(model, SelfContrastiveAuxiliary()), torch.optim.SGD(weights, 0.1, momentum=0.9)
        )
        for step in range(3):
            optimizer.zero_grad()
            backward(fabric, task, episodes | {"mask": mask}, ShardedBatch(4, 2), 0, step)
            optimizer.step()
        return [weight.detach() for weight in weights]

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        one, other = trained(), trained()
    finally:
        torch.use_deterministic_algorithms(before)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert not torch.equal(one[0], dict(tiny_model().named_parameters())["down_query.0.weight"])


def test_the_rate_falls_polynomially():
    recipe = Recipe(learning_rate=0.1, steps=8)
    assert poly_rate(recipe, 0) == 0.1
    assert poly_rate(recipe, 4) == pytest.approx(0.1 * 0.5**0.9)


def test_two_processes_train_to_the_very_weights_of_one(tmp_path):
    options = {"data": drawn_scenes(), "min_pixels": 500, "size": 64, "scales": "[4,2]", "channels": 16}
    options |= {"batch": 4, "micro_batch": 2, "steps": 3, "episodes": 2, "workers": 0}
    options |= {"optimizer": "sgd", "learning_rate": 0.1}
    one = [SCRIPT]
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", SCRIPT]
    for name, launcher in (("one", one), ("two", two)):
        command = [*launcher, f"--out={tmp_path / name}", *(f"--{key}={value}" for key, value in options.items())]
        done = warm_python.run(*command, cwd=tmp_path, env=os.environ)
        assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("one", "two"))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert (tmp_path / "one/metrics.jsonl").read_text() == (tmp_path / "two/metrics.jsonl").read_text()
