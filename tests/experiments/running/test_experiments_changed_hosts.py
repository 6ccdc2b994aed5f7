"""PFENet changed in one point: one reducer for both images, or the prior mask from the mid-level features."""

import pytest
import torch
from model.pfenet import PFENet
from running.changed_hosts import MidLevelPrior, SharedReducer
from running.small_hosts import HOSTS
from tiny_backbone import tiny_backbone

SCALES = (6, 3)


def build(kind):
    torch.manual_seed(0)
    return kind(tiny_backbone(), 16, SCALES, False)


@pytest.fixture
def episode():
    torch.manual_seed(1)
    masks = torch.zeros(2, 1, 48, 48, dtype=torch.long)
    masks[:, :, 8:32, 8:32] = 1
    return torch.rand(2, 3, 48, 48), torch.rand(2, 1, 3, 48, 48), masks


def test_they_have_names():
    assert (HOSTS["SharedReducer"], HOSTS["MidLevelPrior"]) == (SharedReducer, MidLevelPrior)


def test_one_reducer_serves_both_and_trains_once(episode):
    model = build(SharedReducer)
    encoded = model.encode(*episode)
    assert model.down_supp is model.down_query
    assert sum(name.startswith("down_") for name, _ in model.named_parameters()) == 1
    # Two dropouts: query and support do not lose the same channels.
    assert not torch.equal(encoded.features.amax((2, 3)) == 0, encoded.prototype_map.amax((2, 3)) == 0)
    other = build(SharedReducer)
    with torch.no_grad():
        other.down_query[0].weight.zero_()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(*episode), model.eval()(*episode))


def test_all_but_the_support_is_reduced_as_by_pfenet(episode):
    usual, shared = (build(kind).eval().encode(*episode) for kind in (PFENet, SharedReducer))
    assert torch.equal(usual.features, shared.features) and torch.equal(usual.prior, shared.prior)
    assert not torch.equal(usual.prototype_map, shared.prototype_map)


def test_the_prior_is_the_best_cosine_of_mid_level_features(episode):
    model = build(MidLevelPrior).eval()
    extracted = model.extract(*episode)
    encoded, usual = model.reduce(extracted), build(PFENet).eval().reduce(extracted)
    assert torch.equal(encoded.features, usual.features) and torch.equal(encoded.prototype_map, usual.prototype_map)
    assert encoded.high_level is extracted.high_level and not torch.allclose(encoded.prior, usual.prior)
    inside = torch.nn.functional.interpolate(
        episode[2].float()[:, 0, None], (6, 6), mode="bilinear", align_corners=True
    )
    for image in range(2):
        cells = extracted.support_mid[image, 0].flatten(1).T[inside[image, 0].flatten() > 0]
        best = torch.stack(
            [
                torch.cosine_similarity(cells, one[None], 1).max().clamp(min=0)
                for one in extracted.mid[image].flatten(1).T
            ]
        )
        expected = (best - best.min()) / (best.max() - best.min())
        assert torch.allclose(encoded.prior[image].flatten(), expected, atol=1e-4)


def test_five_supports_are_five_priors(episode):
    query, supports, masks = episode
    model = build(MidLevelPrior).eval()
    pair = model.encode(query, torch.cat([supports, supports.flip(0)], 1), torch.cat([masks, masks], 1)).prior
    ones = [model.encode(query, one, masks).prior for one in (supports, supports.flip(0))]
    assert torch.allclose(pair, torch.stack(ones).mean(0), atol=1e-6)
