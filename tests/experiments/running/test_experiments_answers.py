"""The table of mean answers: by each kind of prototype, at background and at the object."""

import numpy as np
import pytest
import torch
from data.episodes import Episode
from data.image_list import read_list
from model.backbones import build_backbone
from model.pfenet import PFENet
from running.answers import FOREGROUND, HOST, OTHER_IMAGE, OTHER_REGION, OWN, OWN_BY_SUPPORT, PROTOTYPES, answers
from running.kept_features import KeptFeatures
from running.small_hosts import Cosine
from torch import Tensor
from training.feature_cache import open_features
from voc_tree import mask_with, write_voc

EPISODES = [Episode(3, 0, (1,)), Episode(7, 1, (3,)), Episode(3, 2, (0,)), Episode(7, 3, (1,))]


class Matching(PFENet):
    """Says how like the pixel and its prototype are, by their cosine, and nothing else."""

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> tuple[Tensor]:
        cosine = torch.cosine_similarity(features, prototype_map, dim=1)
        return (torch.stack([torch.zeros_like(cosine), 8 * cosine - 4], 1),)


class Blind(PFENet):
    """Never looks at its prototype."""

    def compare(self, features: Tensor, prototype_map: Tensor, prior: Tensor) -> tuple[Tensor]:
        sizes = features.mean(1)
        return (torch.stack([torch.zeros_like(sizes), sizes], 1),)


def built(kind: type[PFENet]) -> PFENet:
    torch.manual_seed(0)
    return kind(build_backbone("efficientnet_lite0"), 16, (4, 2), False).eval()


def enlarged(mask):
    """Its left upper part over the whole picture, so that objects are larger than a cell of the features."""
    return np.kron(mask[5:30, :30], np.ones((2, 2), np.uint8))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    masks = [enlarged(one) for one in (mask_with(3), mask_with(3, 7), mask_with(9, 3), mask_with(7))]
    images = read_list(write_voc(tmp_path_factory.mktemp("voc"), masks), "train", 60)
    return KeptFeatures(
        open_features(tmp_path_factory.mktemp("features"), built(PFENet), images, [3, 7, 9], 64), images
    )


def test_a_model_that_never_looks_answers_the_same_to_every_prototype(kept):
    found = answers(built(Blind), kept, EPISODES, 64)
    for place, kinds in {
        "background": (HOST, OWN, OWN_BY_SUPPORT, OTHER_IMAGE),
        "foreground": (HOST, OWN, OWN_BY_SUPPORT, OTHER_IMAGE, FOREGROUND),
    }.items():
        assert {kind: found[kind][place] for kind in kinds} == pytest.approx(dict.fromkeys(kinds, found[HOST][place]))


def test_a_model_that_matches_prefers_what_belongs_to_the_pixel(kept):
    found = answers(built(Matching), kept, EPISODES, 64)
    assert found[OWN]["background"] > found[OTHER_REGION]["background"]
    assert found[FOREGROUND]["foreground"] > found[OTHER_IMAGE]["foreground"]
    assert all(0 <= value <= 1 for one in found.values() for value in one.values() if value is not None)


def test_what_cannot_be_asked_is_none(kept):
    found = answers(built(PFENet), kept, EPISODES, 64)
    assert set(found) == set(PROTOTYPES)
    assert found[OTHER_REGION]["foreground"] is None and found[FOREGROUND]["background"] is None
    assert answers(built(Cosine), kept, EPISODES, 64) is None


def test_a_single_episode_at_the_end_is_left_out_for_it_has_no_other_image(kept):
    assert answers(built(Blind), kept, EPISODES[:3], 64, batch=2) == answers(built(Blind), kept, EPISODES[:2], 64)
