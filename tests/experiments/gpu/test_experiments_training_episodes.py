"""Episodes follow the sampling's rule, and a batch is what the cache holds of them."""

import pytest
import torch
from data.image_list import read_list
from gpu.arms import LOSS_SIDE
from gpu.device_features import DeviceFeatures
from gpu.training_episodes import TrainingBatches, draw_schedule
from model.backbones import build_backbone
from model.pfenet import PFENet
from torch.utils._python_dispatch import TorchDispatchMode
from training.cached_episodes import cached
from training.feature_cache import open_features
from voc_tree import mask_with, write_voc

from selfcontrast.prototypes import resize_nearest


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    masks = [mask_with(3), mask_with(3, 7), mask_with(9, 3), mask_with(7), mask_with(3, 7, size=(50, 30))]
    return read_list(write_voc(tmp_path_factory.mktemp("voc"), masks), "train", 60)


@pytest.fixture(scope="module")
def cache(images, tmp_path_factory):
    torch.manual_seed(0)
    model = PFENet(build_backbone("efficientnet_lite0"), channels=16, scales=(4, 2)).eval()
    return open_features(tmp_path_factory.mktemp("features"), model, images, [3, 7, 9], 64)


def test_every_class_and_every_other_image_is_equally_likely(images):
    classes, queries, supports, views = draw_schedule(images, [3, 7], 0, 20_000)
    assert (classes == 3).float().mean() == pytest.approx(0.5, abs=0.02) and not (queries == supports).any()
    assert views.float().mean().item() == pytest.approx(0.5, abs=0.02)
    for c in (3, 7):
        members = images.by_class[c]
        of_class = classes == c
        for query in members:
            shown = supports[of_class & (queries == query)].bincount(minlength=len(images.items))
            share = shown / of_class.sum() * len(members) * (len(members) - 1)
            others = [index for index in members if index != query]
            assert share[others].tolist() == pytest.approx([1.0] * len(others), abs=0.2)
            assert share.sum().item() == pytest.approx(share[others].sum().item())


def test_the_draw_is_the_seeds(images):
    one, same, other = (draw_schedule(images, [3, 7], seed, 50) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True)) and not torch.equal(one[1], other[1])


def test_a_class_of_one_image_is_refused(images):
    with pytest.raises(ValueError, match=r"class 9 \(chair\): expected at least 2 images .*, got 1"):
        draw_schedule(images, [3, 9], 0, 5)


class Recorder(TorchDispatchMode):
    """The names of the operations, those among them that make the host wait for a GPU."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        self.names.add(operation.overloadpacket.__name__)
        return operation(*arguments, **(options or {}))


def test_gathering_a_batch_never_waits_for_the_device(images, cache):
    features = DeviceFeatures(cache, images, torch.device("cpu"))
    batches = TrainingBatches(features, [draw_schedule(images, [3, 7], seed, 8) for seed in (0, 1)], 2)
    with Recorder() as recorder:
        batches[1]
    assert "index" in recorder.names
    assert not recorder.names & {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero"}


def test_a_batch_is_what_the_cache_holds(images, cache):
    features = DeviceFeatures(cache, images, torch.device("cpu"))
    schedules = [draw_schedule(images, [3], 0, 8), draw_schedule(images, [7], 1, 8)]
    batch = TrainingBatches(features, schedules, 2)[3]
    assert batch["class"].tolist() == [3, 3, 7, 7]
    extracted = cached(batch)
    for place, (cell, number) in enumerate([(0, 6), (0, 7), (1, 6), (1, 7)]):
        c, query, support, (view, support_view) = (one[number].tolist() for one in schedules[cell])
        expected = {
            "mid": cache.read("mid", query, c, view),
            "high_level": cache.read("high_level", query, c, view),
            "support_mid": cache.read("mid", support, c, support_view)[None],
            "support_high_level": cache.read("support_high_level", support, c, support_view)[None],
        }
        for name, value in expected.items():
            assert torch.allclose(batch[name][place], value, rtol=2e-3, atol=1e-3), name
            assert getattr(extracted, name)[place].shape[-3] == value.shape[-1]
        assert torch.equal(batch["support_masks"][place, 0], cache.read("masks", support, c, support_view))
        at_loss = resize_nearest(cache.read("masks", query, c, view), (LOSS_SIDE, LOSS_SIDE)).long()
        assert torch.equal(batch["mask"][place], at_loss) and batch["mask"].dtype == torch.int64
