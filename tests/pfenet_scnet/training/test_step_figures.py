"""What the task did in a step is the same, however the batch is cut into passes."""

import torch
from lightning_fabric import Fabric
from model.pfenet import PFENet
from tiny_backbone import tiny_backbone
from training.episode_loss import EpisodeLoss
from training.loop import backward
from training.sharded_batches import ShardedBatch
from training.step_figures import StepFigures

from selfcontrast import SelfContrastiveAuxiliary

FABRIC = Fabric(accelerator="cpu", devices=1)
NAMES = ["judged", "agreement", "empty_regions", "region_1", "region_2", "region_3"]


def batch_of(*unlabelled):
    """One 32 x 32 episode for each number of unlabelled rows; a square is foreground."""
    mask = torch.zeros(len(unlabelled), 32, 32, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    for one, rows in zip(mask, unlabelled, strict=True):
        one[32 - rows :] = 255
    pictures = torch.randint(0, 256, (len(mask), 2, 3, 32, 32), dtype=torch.uint8)
    return {"query": pictures[:, 0], "supports": pictures[:, 1:], "support_masks": mask[:, None], "mask": mask}


def figures(batch, micro_batch, weight=0.5):
    torch.manual_seed(0)
    model = PFENet(tiny_backbone(), channels=8, scales=(4, 2))
    # Dropout and the seeds of the regions would differ with the cut.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    task = FABRIC.setup(EpisodeLoss(model, SelfContrastiveAuxiliary(weight=weight, iterations=0)))
    task.train()
    found = StepFigures()
    backward(FABRIC, task, batch, ShardedBatch(len(batch["mask"]), micro_batch), 0, 0, found)
    return found.over(FABRIC)


def test_a_batch_has_the_librarys_figures_without_the_losses():
    found = figures(batch_of(0, 4, 8, 12), 4)
    assert list(found) == NAMES
    assert all(0 <= value <= 1 for value in found.values()) and found["region_1"] >= found["region_2"]


def test_passes_count_by_their_episodes_and_agreement_by_its_pixels(monkeypatch):
    logs = iter(
        [
            {"main_loss": 9.0, "judged": 0.5, "agreement": 0.4, "region_1": 0.2},
            {"main_loss": 9.0, "judged": 0.1, "agreement": 1.0, "region_1": 0.6},
            {"main_loss": 9.0, "judged": 0.0, "agreement": float("nan"), "region_1": 0.1},
        ]
    )
    monkeypatch.setattr(SelfContrastiveAuxiliary, "log", lambda _: next(logs))
    found = figures(batch_of(0, 4, 8), 1)
    assert found.keys() == {"judged", "agreement", "region_1"}
    torch.testing.assert_close(found["judged"], 0.2)
    torch.testing.assert_close(found["agreement"], (0.5 * 0.4 + 0.1) / 0.6)
    torch.testing.assert_close(found["region_1"], 0.3)


def test_a_batch_without_a_judged_pixel_has_no_agreement():
    found = figures(batch_of(32, 32), 1)
    assert found["judged"] == 0 and found["agreement"] is None and found["empty_regions"] == 1


def test_without_the_task_there_are_none():
    assert figures(batch_of(0, 0), 1, weight=0.0) == {}
