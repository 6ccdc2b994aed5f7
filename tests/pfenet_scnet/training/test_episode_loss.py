import pytest
import torch
from data.transforms import MEAN, STD
from model.backbones import build_backbone
from model.pfenet import PFENet
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary


@pytest.fixture
def model():
    return PFENet(build_backbone("efficientnet_lite0"), channels=8, scales=(4, 2)).train()


@pytest.fixture
def batch():
    mask = torch.zeros(2, 64, 64, dtype=torch.long)
    mask[:, 8:40, 8:40] = 1
    return {
        "query": torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8),
        "supports": torch.randint(0, 256, (2, 1, 3, 64, 64), dtype=torch.uint8),
        "support_masks": mask[:, None],
        "mask": mask,
    }


def test_blends_both_losses(model, batch):
    losses = EpisodeLoss(model, SelfContrastiveAuxiliary(weight=0.3)).train()(batch)
    assert losses.blended.item() == pytest.approx(0.7 * losses.main.item() + 0.3 * losses.contrast.item())
    assert losses.blended.requires_grad and not losses.main.requires_grad and not losses.contrast.requires_grad


def test_without_weight_it_is_the_hosts_loss(model, batch):
    losses = EpisodeLoss(model, SelfContrastiveAuxiliary(weight=0.0)).train()(batch)
    assert losses.contrast is None and losses.blended == losses.main


def test_images_are_normalised_as_in_evaluation(model, batch, monkeypatch):
    seen = []
    extract = model.extract
    monkeypatch.setattr(model, "extract", lambda query, *more: seen.append(query) or extract(query, *more))
    EpisodeLoss(model, SelfContrastiveAuxiliary(weight=0.0)).train()(batch)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(seen[0], (batch["query"] / 255 - mean) / std)


def test_adds_nothing_to_the_model(model):
    task = EpisodeLoss(model, SelfContrastiveAuxiliary())
    assert {name.removeprefix("model.") for name in task.state_dict()} == model.state_dict().keys()
