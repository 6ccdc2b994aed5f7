import pytest
import torch
from common.one_at_a_time import OneAtATime
from data.episodes import Episode
from data.image_list import read_list
from evaluation.protocols import PROTOCOLS
from evaluation.shared_features import SharedFeatures, Trial, in_portions
from model.pfenet import PFENet
from recipe import Recipe
from tiny_backbone import tiny_backbone
from voc_tree import mask_with, write_voc

EPISODES = [Episode(3, 0, (1, 2)), Episode(7, 1, (3, 4)), Episode(3, 2, (0, 1)), Episode(7, 4, (1, 3))]


@pytest.fixture
def images(tmp_path):
    masks = [mask_with(3), mask_with(3, 7), mask_with(9, 3), mask_with(7), mask_with(3, 7, size=(50, 30))]
    return read_list(write_voc(tmp_path, masks), "train", 100)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return PFENet(tiny_backbone(), channels=16, scales=(6, 3)).eval()


def test_each_image_and_each_masked_support_is_computed_once(images, model):
    seen = {"layer0": 0, "layer4": 0}
    for name in seen:
        getattr(model, name).register_forward_pre_hook(
            lambda _m, x, name=name: seen.update({name: seen[name] + len(x[0])})
        )
    SharedFeatures(model, images, EPISODES * 50, PROTOCOLS["ours"], 48, 0)
    pairs = {(index, e.novel_class) for e in EPISODES for index in e.supports}
    assert seen == {"layer0": 5, "layer4": 5 + len(pairs)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_is_what_the_backbone_makes_of_its_images(images, model, workers):
    shared = SharedFeatures(model, images, EPISODES, PROTOCOLS["ours"], 48, workers)
    samples = [OneAtATime(Recipe(size=48), images, EPISODES)[i] for i in range(len(EPISODES))]
    query, supports, masks = (torch.stack([sample[part] for sample in samples]) for part in range(3))
    found, expected = shared.extracted(EPISODES), model.extract(query, supports, masks)
    for name, one, other in zip(expected._fields, found, expected, strict=True):
        assert one.shape == other.shape and torch.allclose(one.float(), other.float(), atol=1e-6), name
    for episode, sample in zip(EPISODES, samples, strict=True):
        assert torch.equal(shared.truth(episode).long(), sample[3])


def test_lenders_cost_their_supports_alone_and_lend_them(images, model):
    own, other = EPISODES[:2]
    shared = SharedFeatures(model, images, [own], PROTOCOLS["ours"], 48, 0, [other])
    # The lender's query is no support of either.
    assert shared.mid.keys() == {0, 1, 2, 3, 4} and (other.query, 7) not in shared.masks
    lent, theirs = shared.extracted([own], [other]), shared.extracted([other], [other])
    for name in ("support_mid", "support_high_level", "support_masks"):
        assert torch.equal(getattr(lent, name), getattr(theirs, name)), name
    assert torch.equal(lent.mid, shared.extracted([own]).mid) and not torch.equal(lent.mid, theirs.mid)


def trials(*episodes):
    return [Trial(episode) for episode in episodes]


def test_portions_keep_order_and_room():
    assert [len(portion) for portion in in_portions(trials(*EPISODES), 1000)] == [4]
    # The first needs images 0 1 2 and two masked supports of class 3; the third adds one support.
    portions = list(in_portions(trials(EPISODES[0], EPISODES[2], EPISODES[1], EPISODES[3]), 6))
    assert [len(portion) for portion in portions] == [2, 2]
    assert [trial for portion in portions for trial in portion][1].episode == EPISODES[2]


def test_a_lender_takes_room_too():
    # Images 0 1 2 and two masked supports; the lender adds images 3 4 and two supports.
    both = [Trial(EPISODES[0], EPISODES[1])] * 2
    assert [len(portion) for portion in in_portions([Trial(EPISODES[0]), *both], 9)] == [3]
    assert [len(portion) for portion in in_portions([Trial(EPISODES[0]), *both], 8)] == [1, 1, 1]


def test_an_episode_that_is_larger_than_the_room_has_a_portion_of_its_own():
    assert [len(portion) for portion in in_portions(trials(*EPISODES), 1)] == [1, 1, 1, 1]
    assert list(in_portions([], 1)) == []
