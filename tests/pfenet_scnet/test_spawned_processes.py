"""On Windows and macOS a process begins anew and is sent what it works on; here that is asked for."""

import multiprocessing

import pytest
import torch
from data.augmentation import training_transform
from data.preparation.workers import in_parallel
from data.transforms import EpisodeDataset
from drawn_scenes import drawn_scenes
from evaluation.evaluator import evaluate
from recipe import Recipe
from runtime.interrupts import ignore_interrupts
from tiny_backbone import tiny_backbone
from torch.utils.data import DataLoader


@pytest.fixture(autouse=True)
def spawned(quickly_spawned):
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def test_files_are_prepared():
    assert in_parallel(abs, [-3, 2], "working") == [3, 2]


def test_episodes_are_loaded_and_evaluated(tmp_path):
    data = drawn_scenes()
    recipe = Recipe(data=str(data), min_pixels=50, size=64, scales=(4, 2), channels=8, episodes=2, workers=1, batch=2)
    images = recipe.evaluation_images()
    episodes = recipe.training_episodes(images)[:2]
    dataset = EpisodeDataset(images, episodes, training_transform(64), seed=3)
    (batch,) = DataLoader(dataset, 2, num_workers=1, worker_init_fn=ignore_interrupts)
    assert torch.equal(batch["query"][1], dataset[1]["query"])
    model = recipe.model_on(tiny_backbone())
    assert (
        evaluate(model, recipe, images).scores
        == evaluate(model, Recipe(**vars(recipe) | {"workers": 0}), images).scores
    )
