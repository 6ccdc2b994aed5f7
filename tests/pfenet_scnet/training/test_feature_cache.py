"""The cache is made once, whole or not at all, and never read when it is stale."""

import errno
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import warm_python
from data.image_list import read_list
from evaluation.protocols import squash
from model.backbones import build_backbone
from model.pfenet import PFENet
from training.feature_cache import BY_IMAGE, BY_PAIR, open_features
from voc_tree import mask_with, write_voc

EXAMPLE = Path(__file__).parents[3] / "examples" / "pfenet_scnet"


def build_model(seed=0):
    torch.manual_seed(seed)
    return PFENet(build_backbone("efficientnet_lite0", weights=None), channels=8, scales=(4, 2))


@pytest.fixture
def images(tmp_path):
    return read_list(write_voc(tmp_path / "voc", [mask_with(3), mask_with(7), mask_with(3, 7)]), "train", 60)


@pytest.fixture
def made(tmp_path, images):
    """A root with a whole cache of class 3."""
    open_features(tmp_path / "features", build_model(), images, [3], 64)
    return tmp_path / "features"


def folders(root):
    return sorted(path.name for path in root.iterdir())


def test_keeps_each_image_once_and_each_pair_once(tmp_path, images):
    cache = open_features(tmp_path / "features", build_model(), images, [3, 7], 64)
    assert cache.arrays["mid"].shape == (3, 2, 4, 4, 152)
    assert cache.arrays["high_level"].shape == (3, 2, 4, 4, 320)
    assert cache.arrays["support_high_level"].shape == (4, 2, 4, 4, 320)
    assert cache.arrays["masks"].shape == (4, 2, 64, 64)


def test_an_image_of_no_class_asked_for_is_left_out(tmp_path, images):
    cache = open_features(tmp_path / "features", build_model(), images, [7], 64)
    assert cache.image_rows == {1: 0, 2: 1} and cache.pair_rows == {(1, 7): 0, (2, 7): 1}


def test_a_class_of_few_pixels_can_still_be_a_query(tmp_path, images):
    strict = replace(images, min_pixels=10_000)
    cache = open_features(tmp_path / "features", build_model(), strict, [7], 64)
    assert cache.read("masks", 2, 7, 0).eq(1).any()


def test_a_second_start_computes_nothing(tmp_path, images, monkeypatch):
    model = build_model().train()
    first = open_features(tmp_path / "features", model, images, [3], 64)
    assert model.training
    monkeypatch.setattr(model.layer0, "forward", lambda _: pytest.fail("the backbone ran again"))
    second = open_features(tmp_path / "features", model, images, [3], 64)
    assert second.folder == first.folder and len(folders(tmp_path / "features")) == 1


def test_other_sizes_classes_weights_and_lists_have_caches_of_their_own(tmp_path, images):
    root = tmp_path / "features"
    fewer = replace(images, items=images.items[:2])
    for model, listed, classes, size in (
        (build_model(), images, [3], 64),
        (build_model(), images, [3], 48),
        (build_model(), images, [3, 7], 64),
        (build_model(1), images, [3], 64),
        (build_model(), fewer, [3], 64),
    ):
        open_features(root, model, listed, classes, size)
    assert len(folders(root)) == 5


def test_another_preparation_of_images_has_a_cache_of_its_own(tmp_path, images, monkeypatch):
    first = open_features(tmp_path / "features", build_model(), images, [3], 64)
    monkeypatch.setattr("training.feature_cache.evaluation_transform", squash)
    assert open_features(tmp_path / "features", build_model(), images, [3], 64).folder != first.folder


def test_refuses_features_of_files_that_changed(tmp_path, images):
    open_features(tmp_path / "features", build_model(), images, [3], 64)
    shutil.copy(images.items[0].image, images.items[2].image)
    with pytest.raises(ValueError, match="an image or mask changed since; delete that folder"):
        open_features(tmp_path / "features", build_model(), images, [3], 64)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: np.save(path, np.full_like(np.load(path), np.nan)),
    ],
    ids=["a flipped bit", "cut off", "empty", "gone", "NaN"],
)
@pytest.mark.parametrize("name", BY_IMAGE + BY_PAIR)
def test_a_damaged_array_is_refused(made, images, name, damage):
    damage(next(made.glob(f"*/{name}.npy")))
    with pytest.raises(ValueError, match="got damaged ones; delete that folder and they are computed again"):
        open_features(made, build_model(), images, [3], 64)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_damaged_manifest_is_refused(made, images, content):
    next(made.glob("*/manifest.json")).write_bytes(content)
    with pytest.raises(
        ValueError, match=r"manifest\.json: expected a JSON object, got something else; delete the file"
    ):
        open_features(made, build_model(), images, [3], 64)


def test_features_that_are_not_finite_are_no_cache(tmp_path, images):
    model = build_model()
    next(model.layer2.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"expected finite features, got NaN or infinity for .*train0\.jpg; the backb"):
        open_features(tmp_path / "features", model, images, [3], 64)
    assert folders(tmp_path / "features") == []


def test_what_a_killed_process_left_goes_after_a_day(made, images):
    for name, age in (("unfinished-new", 0), ("unfinished-old", 2 * 24 * 60 * 60)):
        (made / name).mkdir()
        os.utime(made / name, (time.time() - age,) * 2)
    open_features(made, build_model(), images, [3], 64)
    assert (made / "unfinished-new").is_dir() and not (made / "unfinished-old").exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve a file's room")
def test_the_room_of_the_arrays_is_taken_before_they_are_filled(tmp_path, images, monkeypatch):
    def full(_file, _start, _length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device"):
        open_features(tmp_path / "features", build_model(), images, [3], 64)
    assert folders(tmp_path / "features") == []


def test_refuses_live_statistics(tmp_path, images):
    model = build_model()
    model.live_statistics = True
    with pytest.raises(ValueError, match="set live_statistics to false"):
        open_features(tmp_path / "features", model, images, [3], 64)


def test_says_how_much_room_is_missing(tmp_path, images, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(OSError, match=r"cache_features: expected 0\.\d GB of room .* got 0\.0; name a folder"):
        open_features(tmp_path / "features", build_model(), images, [3], 64)
    assert folders(tmp_path / "features") == []


def test_a_kill_on_the_way_leaves_nothing_that_is_read(tmp_path, images):
    root = tmp_path / "features"
    script = f"""
import os, signal, sys
sys.path[:0] = [{str(EXAMPLE)!r}]
from training import feature_cache
from model.backbones import build_backbone
from data.image_list import read_list
from model.pfenet import PFENet
feature_cache._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
model = PFENet(build_backbone("efficientnet_lite0", weights=None), channels=8, scales=(4, 2))
feature_cache.open_features({str(root)!r}, model, read_list({str(tmp_path / "voc")!r}, "train", 60), [3], 64)
"""
    killed = warm_python.run("-c", script, cwd=tmp_path, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert [name.startswith("unfinished-") for name in folders(root)] == [True]
    cache = open_features(root, build_model(), images, [3], 64)
    assert cache.arrays["mid"][:].any()


def test_when_two_runs_finish_the_first_ones_cache_stays(tmp_path, images, monkeypatch):
    from training import feature_cache

    root, publish = tmp_path / "features", feature_cache._publish

    def late(unfinished, folder):
        shutil.copytree(unfinished, folder)
        (folder / "first").touch()
        publish(unfinished, folder)

    monkeypatch.setattr(feature_cache, "_publish", late)
    cache = open_features(root, build_model(), images, [3], 64)
    assert (cache.folder / "first").exists() and len(folders(root)) == 1
