"""The small hosts: they learn, segment, and hand the second pass what it should compare."""

import pytest
import torch
from grid.cell import Cell
from grid.studies import STUDIES
from running.folders import Folders
from running.objectives import OBJECTIVES
from running.small_hosts import HOSTS, Cosine, OneScale
from tiny_backbone import tiny_backbone

from selfcontrast import SelfContrastiveAuxiliary

MASK = torch.zeros(2, 48, 48, dtype=torch.long)
MASK[:, 8:30, 8:30] = 1
OBJECTIVE = {"OneScale": "blended", "Cosine": "cosine"}


@pytest.fixture
def batch():
    pictures = torch.randint(256, (2, 2, 3, 48, 48), dtype=torch.uint8)
    return {"query": pictures[0], "supports": pictures[1, :, None], "support_masks": MASK[:, None], "mask": MASK}


def build(name):
    torch.manual_seed(0)
    return HOSTS[name](tiny_backbone(), 16, (6, 3), False).train()


@pytest.mark.parametrize("name", OBJECTIVE)
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_every_parameter_is_trained(name, weight, batch):
    model = build(name)
    task = OBJECTIVES[OBJECTIVE[name]](model, SelfContrastiveAuxiliary(weight=weight)).train()
    losses = task(batch)
    losses.blended.backward()
    assert (losses.contrast is None) == (weight == 0)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    images = torch.rand(2, 2, 3, 48, 48)
    assert model.eval()(images[0], images[1, :, None], MASK[:, None]).shape == (2, 2, 48, 48)


def test_the_cosine_host_takes_the_nearer_prototype():
    model = build("Cosine")
    features = torch.tensor([1.0, 0.2]).view(1, 2, 1, 1)
    near, far = features * 3, torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1)
    (logits,) = model.compare(features, torch.cat([near, far], 1), features)
    assert logits[0, 1] == pytest.approx(20) and logits[0, 0] < 0


def test_the_cosine_hosts_second_pass_meets_the_foreground_as_the_other_one(batch):
    model = build("Cosine")
    seen = []
    compare = model.compare
    model.compare = lambda features, prototype_map, prior: (
        seen.append(prototype_map.detach()),
        compare(features, prototype_map, prior),
    )[1]
    OBJECTIVES["cosine"](model, SelfContrastiveAuxiliary()).train()(batch)
    first, second = seen
    assert torch.equal(second[:, 16:], first[:, :16]) and not torch.equal(second[:, :16], first[:, 16:])


def test_the_cosine_hosts_background_is_the_supports_rest():
    model = build("Cosine").eval()
    images = torch.rand(2, 2, 3, 48, 48)
    one = model.encode(images[0], images[1, :, None], MASK[:, None]).prototype_map
    other = model.encode(images[0], images[1, :, None], 1 - MASK[:, None]).prototype_map
    assert torch.allclose(one.roll(16, 1), other, atol=1e-6)


def test_one_scale_sees_no_prior():
    model = build("OneScale").eval()
    features, prototypes, prior = torch.rand(3, 2, 16, 6, 6)
    assert torch.equal(model.compare(features, prototypes, prior)[0], model.compare(features, prototypes, 1 - prior)[0])


@pytest.mark.parametrize(("name", "kind"), [("OneScale", OneScale), ("Cosine", Cosine)])
def test_a_cell_builds_its_host(name, kind, tmp_path):
    cells = [cell for cell in STUDIES["hosts"].cells().values() if cell.host == name]
    assert cells and all(isinstance(cell, Cell) for cell in cells)
    recipe = Folders(tmp_path, tmp_path, tmp_path).recipe(cells[0])
    recipe.backbone_weights = "random"
    assert recipe.host == name and HOSTS[recipe.host] is kind
