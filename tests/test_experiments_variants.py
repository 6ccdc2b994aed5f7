"""Ways beyond the paper: each changes what it says, and nothing else."""

import pytest
import torch
from objectives import OBJECTIVES
from pfenet import PFENet
from test_pfenet import tiny_backbone
from variants import VARIANTS, separation

from selfcontrast import SelfContrastiveAuxiliary, cosine_kmeans
from selfcontrast.prototypes import foreground_cells, labelled_cells

MASK = torch.zeros(2, 48, 48, dtype=torch.long)
MASK[:, 8:30, 8:30] = 1
FOREGROUND = foreground_cells(MASK, (12, 12))


@pytest.fixture
def query():
    torch.manual_seed(0)
    return torch.rand(2, 8, 12, 12, requires_grad=True), torch.rand(2, 32, 6, 6)


def prepared(kind, query, **options):
    torch.manual_seed(1)
    return kind(**options).prepare(*query, MASK)


def of_scnet(query):
    return prepared(SelfContrastiveAuxiliary, query)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_trains_the_model(name):
    torch.manual_seed(0)
    model = PFENet(tiny_backbone(), channels=16, scales=(6, 3)).train()
    pictures = torch.randint(256, (2, 2, 3, 48, 48), dtype=torch.uint8)
    batch = {"query": pictures[0], "supports": pictures[1, :, None], "support_masks": MASK[:, None], "mask": MASK}
    losses = OBJECTIVES[name](model, SelfContrastiveAuxiliary()).train()(batch)
    losses.blended.backward()
    assert losses.contrast > 0
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_each_foreground_pixel_draws_its_own_negative(query):
    one, ours = prepared(VARIANTS["a negative for each pixel"], query), of_scnet(query)
    rows = one.prototype_map.movedim(1, 3)
    for image in range(2):
        held = rows[image][FOREGROUND[image]].unique(dim=0)
        assert len(held) == 3
        assert all((prototype == one.prototypes[image]).all(1).any() for prototype in held)
    assert torch.equal(rows[~FOREGROUND], ours.prototype_map.movedim(1, 3)[~FOREGROUND])


def test_every_negative_is_seen_once(query):
    seen = []

    def compare(features, prototype_map):
        seen.append((features, prototype_map))
        return prototype_map[:, :2]

    torch.manual_seed(1)
    contrast = VARIANTS["every negative"]().contrast(*query, MASK, compare)
    ((features, maps),) = seen
    assert torch.equal(features, query[0].repeat(3, 1, 1, 1)) and torch.equal(contrast.target[:2], contrast.target[4:])
    for region, one in enumerate(maps.chunk(3)):
        for image in range(2):
            held = one.movedim(1, 3)[image][FOREGROUND[image]]
            assert torch.equal(held, contrast.prototypes[image, region].expand_as(held))
    assert torch.equal(maps.movedim(1, 3)[:2][~FOREGROUND], maps.movedim(1, 3)[4:][~FOREGROUND])


def test_background_clusters_ignore_the_foreground(query):
    features, high_level = query[0], torch.rand(2, 32, 12, 12)
    inside = FOREGROUND[:, None].expand_as(high_level)
    other = torch.where(inside, 5 * torch.rand_like(high_level).flip(1), high_level)
    kind = VARIANTS["background clusters"]
    assert torch.equal(prepared(kind, (features, high_level)).regions, prepared(kind, (features, other)).regions)
    assert not torch.equal(of_scnet((features, high_level)).regions, of_scnet((features, other)).regions)


def test_the_count_is_that_of_the_clusters():
    torch.manual_seed(0)
    directions = torch.eye(32)[[0, 8, 16, 24]]
    bands = torch.arange(12) // 3
    images = torch.stack([directions[bands], directions[bands // 2]])
    high_level = images.transpose(1, 2)[..., None].expand(-1, -1, -1, 12) + 0.01 * torch.rand(2, 32, 12, 12)
    mask = torch.zeros(2, 12, 12, dtype=torch.long)
    auxiliary = VARIANTS["count by separation"](num_prototypes=5)
    regions = auxiliary.prepare(torch.rand(2, 8, 12, 12), high_level, mask).regions
    assert regions.flatten(2).any(2).sum(1).tolist() == [4, 2]


def test_separation_against_a_loop(query):
    _, high_level = query
    labels, valid = cosine_kmeans(high_level, 3), labelled_cells(MASK, (6, 6))
    got = separation(high_level, labels, 3, valid)
    for image in range(2):
        units = torch.nn.functional.normalize(high_level[image].flatten(1), dim=0)
        own = labels[image].flatten()
        means = [torch.nn.functional.normalize(units[:, own == k].mean(1), dim=0) for k in range(3)]
        values = []
        for pixel in range(36):
            away = [1 - float(mean @ units[:, pixel]) for mean in means]
            a, b = away[own[pixel]], min(away[: own[pixel]] + away[own[pixel] + 1 :])
            values.append((b - a) / max(a, b))
        assert got[image].item() == pytest.approx(sum(values) / 36, rel=1e-4)


def test_soft_assignment_mixes_prototypes_in_the_background(query):
    soft, ours = prepared(VARIANTS["soft assignment"], query), of_scnet(query)
    assert torch.equal(soft.regions, ours.regions) and torch.equal(soft.target, ours.target)
    held, hard = (one.prototype_map.movedim(1, 3) for one in (soft, ours))
    assert torch.equal(held[FOREGROUND], hard[FOREGROUND]) and not torch.equal(held[~FOREGROUND], hard[~FOREGROUND])
    low, high = soft.prototypes.amin(1), soft.prototypes.amax(1)
    for image in range(2):
        background = held[image][~FOREGROUND[image]]
        assert (background >= low[image] - 1e-5).all() and (background <= high[image] + 1e-5).all()


def test_the_pulled_prior_is_the_cosine_with_the_held_region(query):
    auxiliary = VARIANTS["pulled prior"]()
    torch.manual_seed(1)
    one = auxiliary.prepare(*query, MASK)
    ours = of_scnet(query)
    assert torch.allclose(one.prototype_map, ours.prototype_map, atol=1e-6)
    prior = auxiliary.counter_prior(torch.zeros(2, 1, 12, 12))
    assert prior.amin().item() == 0 and prior.amax().item() == pytest.approx(1)
    background = prior.movedim(1, 3)[~FOREGROUND].mean()
    assert background > prior.movedim(1, 3)[FOREGROUND].mean()
