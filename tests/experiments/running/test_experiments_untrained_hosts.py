"""The training-free hosts against cosines pixel by pixel."""

import pytest
import torch
from data.synthetic import DRAWING
from grid.studies import UNTRAINED
from model.pfenet import Extracted
from running.small_hosts import HOSTS
from running.untrained_hosts import MIDDLE, SHARPNESS
from tiny_backbone import tiny_backbone


@pytest.fixture(scope="module")
def extracted():
    torch.manual_seed(0)
    masks = torch.randint(2, (2, 3, 16, 16))
    masks[0, 0, :4] = 255
    return Extracted(
        torch.randn(2, 5, 4, 4), torch.rand(2, 6, 2, 2), torch.randn(2, 3, 5, 4, 4), torch.rand(2, 3, 6, 2, 2), masks
    )


def host(name):
    return HOSTS[name](tiny_backbone(), 16, (4, 2), False).eval()


def prototype(extracted, episode, value):
    """Of one episode, slowly: the mean over the supports of each one's average, weighted by the mask on the grid."""
    averages = []
    for maps, mask in zip(extracted.support_mid[episode], extracted.support_masks[episode], strict=True):
        weights = torch.nn.functional.interpolate(
            (mask == value).float()[None, None], (4, 4), mode="bilinear", align_corners=True
        )[0, 0]
        averages.append(sum(maps[:, y, x] * weights[y, x] for y in range(4) for x in range(4)) / weights.sum())
    return torch.stack(averages).mean(0)


@pytest.mark.parametrize("name", ["Untrained cosine", "Untrained cosine, two prototypes"])
def test_margins_are_cosines_with_averages_of_the_supports(extracted, name):
    model = host(name)
    encoded = model.reduce(extracted)
    (logits,) = model.compare(encoded.features, encoded.prototype_map, encoded.prior)
    margins = logits[:, 1] - logits[:, 0]
    for episode in range(2):
        foreground, background = (prototype(extracted, episode, value) for value in (1, 0))
        for place in ((0, 0), (1, 3), (2, 2)):
            feature = extracted.mid[episode][:, place[0], place[1]]
            cosine = torch.cosine_similarity(feature, foreground, dim=0)
            other = MIDDLE if name == "Untrained cosine" else torch.cosine_similarity(feature, background, dim=0)
            assert margins[episode][place] == pytest.approx(float(SHARPNESS * (cosine - other)), abs=2e-2)


@pytest.mark.parametrize("name", ["Untrained cosine", "Untrained cosine, two prototypes"])
def test_nothing_of_it_is_trained_and_an_empty_support_gives_no_nan(extracted, name):
    model = host(name)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    encoded = model.reduce(extracted._replace(support_masks=torch.zeros_like(extracted.support_masks)))
    assert model.compare(encoded.features, encoded.prototype_map, encoded.prior)[0].isfinite().all()


def test_each_has_a_cell_of_no_step_in_every_fold_of_photographs_and_of_scenes():
    cells = UNTRAINED.cells()
    assert len(cells) == 16
    assert all(cell.host in HOSTS and arm.removesuffix(", scenes") == cell.host for (arm, _, _), cell in cells.items())
    assert {(arm.endswith("scenes"), cell.data) for (arm, _, _), cell in cells.items()} == {
        (False, "photographs"),
        (True, DRAWING),
    }
    assert {cell.recipe["steps"] for cell in cells.values()} == {0}
