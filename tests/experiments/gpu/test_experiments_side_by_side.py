"""Cells side by side compute what each computes alone: logits, losses, gradients and steps."""

import pytest
import torch
from gpu.side_by_side import SideBySide
from model.pfenet import Extracted
from running.objectives.pseudo_episode import PseudoEpisode
from tiny_backbone import tiny_model
from torch import nn
from training.cached_episodes import cached
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary

CELLS, EPISODES = 3, 2


class ThroughTheSlot(PseudoEpisode):
    """A pseudo-episode of SCNet's own pairs: nothing about them is drawn."""

    def prepare(self, extracted, encoded, mask):
        return self.auxiliary.prepare(self.slot_features(extracted), encoded.high_level, mask)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return model.train()


@pytest.fixture
def models():
    return [without_dropout(tiny_model(seed)) for seed in range(CELLS)]


def batch(seed=0):
    """Cached features of all cells' episodes, channels last, as the loss takes them."""
    torch.manual_seed(seed)
    count = CELLS * EPISODES
    masks = torch.randint(2, (count, 1, 32, 32), dtype=torch.uint8)
    mask = torch.randint(2, (count, 32, 32))
    # As many labelled pixels as episodes of a cell happen to have: each cell has its own mean.
    mask[0, :20], mask[3, :, 5:] = 255, 255
    return {
        "mid": torch.rand(count, 8, 8, 18),
        "high_level": torch.rand(count, 4, 4, 12),
        "support_mid": torch.rand(count, 1, 8, 8, 18),
        "support_high_level": torch.rand(count, 1, 4, 4, 12),
        "support_masks": masks,
        "mask": mask,
    }


def part(whole, cell):
    return {name: value.chunk(CELLS)[cell] for name, value in whole.items()}


@pytest.mark.parametrize(("objective", "weight"), [(EpisodeLoss, 0.0), (EpisodeLoss, 0.5), (ThroughTheSlot, 0.5)])
def test_losses_and_gradients_are_those_of_each_cell_alone(models, objective, weight):
    heads, whole = without_dropout(SideBySide(models)), batch()
    # One region: which prototype stands at the foreground is then no draw.
    auxiliary = SelfContrastiveAuxiliary(1, weight)
    together = objective(heads, auxiliary).train()(whole)
    together.blended.backward()
    alone = [objective(model, auxiliary).train()(part(whole, cell)) for cell, model in enumerate(models)]
    assert together.main.item() == pytest.approx(sum(one.main.item() for one in alone), rel=1e-5)
    assert together.blended.item() == pytest.approx(sum(one.blended.item() for one in alone), rel=1e-5)
    for cell, (model, losses) in enumerate(zip(models, alone, strict=True)):
        losses.blended.backward()
        for name in ("down_query.0", "down_supp.0", "init_merge.1.0", "inner_cls.0.3", "cls.3"):
            found = heads.get_submodule(name).weight.grad.chunk(CELLS)[cell]
            expected = model.get_submodule(name).weight.grad
            assert expected.abs().max() > 0 and torch.allclose(found, expected, rtol=1e-3, atol=1e-6), name


def test_every_weight_of_a_head_is_in_one_of_the_groups(models):
    heads = SideBySide(models)
    trained = sum(one.numel() for one in models[0].parameters() if one.requires_grad)
    assert sum(one.numel() for one in heads.parameters()) == CELLS * trained
    assert all(one.requires_grad for one in heads.parameters())


def test_the_models_get_their_own_weights_back(models):
    heads, before = SideBySide(models), [model.cls[3].bias.clone() for model in models]
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.mul_(2)
    heads.hand_back(models)
    assert all(torch.equal(model.cls[3].bias, 2 * old) for model, old in zip(models, before, strict=True))
    extracted = cached(batch())
    found = heads.eval().segment(extracted, (32, 32)).chunk(CELLS)
    for cell, model in enumerate(models):
        own = Extracted(*(one.chunk(CELLS)[cell] for one in extracted))
        assert torch.allclose(found[cell], model.eval().segment(own, (32, 32)), rtol=1e-4, atol=1e-3)
    assert not torch.allclose(found[0], found[1], atol=1e-2)
