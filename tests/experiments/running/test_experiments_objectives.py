"""The two further objectives: the unhalved sum, and the background prototype that comes from the support."""

import pytest
import torch
from model.pfenet import PFENet
from running.objectives import OBJECTIVES
from running.objectives.support_background import SupportBackground
from tiny_backbone import tiny_backbone
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary, masked_average_pool, remove_foreground


@pytest.fixture
def model():
    torch.manual_seed(0)
    return PFENet(tiny_backbone(), channels=16, scales=(6, 3)).train()


@pytest.fixture
def batch():
    masks = torch.zeros(2, 48, 48, dtype=torch.long)
    masks[0, 8:30, 8:30] = 1
    masks[1, 20:40, 4:44] = 1
    pictures = torch.randint(256, (2, 2, 3, 48, 48), dtype=torch.uint8)
    return {
        "query": pictures[0],
        "supports": pictures[1, :, None],
        "support_masks": masks.flip(0)[:, None],
        "mask": masks,
    }


def losses_of(name, model, batch, **options):
    torch.manual_seed(1)
    return OBJECTIVES[name](model, SelfContrastiveAuxiliary(**options)).train()(batch)


def test_blended_is_the_examples_own():
    assert OBJECTIVES["blended"] is EpisodeLoss


def test_unhalved_is_the_sum_of_both_losses(model, batch):
    halved, unhalved = (losses_of(name, model, batch) for name in ("blended", "unhalved"))
    assert unhalved.blended.item() == pytest.approx(float(halved.main + halved.contrast), rel=1e-5)
    assert (unhalved.main, unhalved.contrast) == (halved.main, halved.contrast)
    other = losses_of("unhalved", model, batch, weight=0.2)
    assert other.blended.item() == pytest.approx(float(other.main + 0.25 * other.contrast), rel=1e-5)


def test_the_background_prototype_is_the_supports(model, batch):
    """Against Eq. 6 written out, on the features that the host's own pass made, dropout included."""
    seen = {}
    model.down_supp.register_forward_hook(lambda _m, _i, output: seen.update(support=output.detach()))
    passes = []
    compare = model.compare
    model.compare = lambda *given: (passes.append([one.detach() for one in given]), compare(*given))[1]
    losses = losses_of("support_background", model, batch, num_prototypes=1)
    assert losses.blended.requires_grad and len(passes) == 2
    labels = torch.zeros_like(seen["support"][:, 0], dtype=torch.long)
    regions = remove_foreground(labels, batch["support_masks"][:, 0], 1)
    expected = masked_average_pool(seen["support"], regions)[:, 0, :, None, None]
    assert torch.allclose(passes[1][1], expected.expand_as(passes[1][1]), atol=1e-6)
    assert torch.equal(passes[0][0], passes[1][0])


def test_it_differs_from_the_querys_in_the_second_loss_alone(model, batch):
    query, support = (losses_of(name, model, batch, num_prototypes=1) for name in ("blended", "support_background"))
    assert query.main == support.main and query.contrast != support.contrast


def test_evaluation_keeps_nothing(model, batch):
    task = SupportBackground(model, SelfContrastiveAuxiliary(num_prototypes=1)).train()
    task(batch)
    model.eval()
    model.encode(*(batch[key].float() for key in ("query", "supports")), batch["support_masks"])
    assert task._features is None
