"""The function against the evaluation, and what it refuses."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from data.episodes import sample_episodes
from data.image_list import read_list
from data.masks import read_mask
from data.pictures import read_image
from evaluation.evaluator import predictions
from evaluation.protocols import PROTOCOLS
from evaluation.shared_features import SharedFeatures
from model.backbones import build_backbone
from PIL import Image
from prediction.margins import at_size, margins
from prediction.segment import UnseenSupport, segment
from recipe import Recipe
from tiny_backbone import tiny_model
from training.checkpoint import save_weights
from voc_tree import mask_with, write_voc

SIZE = 48


@pytest.fixture
def model():
    return tiny_model()


def picture(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


def support(height=40, width=60, seed=0):
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[10:30, 10:30], mask[:, -1] = 1, 255
    return picture(height, width, seed), mask


@pytest.mark.parametrize("shot", [1, 5])
def test_it_is_the_evaluations_prediction(model, tmp_path, shot):
    masks = [mask_with(1, 2, size=(40, 60) if i % 2 else (70, 50)) for i in range(8)]
    recipe = Recipe(data=str(write_voc(tmp_path, masks, "val")), size=SIZE, batch=3, shot=shot, workers=0)
    images = read_list(recipe.data, "val", 50)
    episodes = sample_episodes(images, [1, 2], shot, 0, 6)
    with torch.no_grad():
        features = SharedFeatures(model, images, episodes, PROTOCOLS["ours"], SIZE, 0).extracted(episodes)
        # About half of all pixels are foreground then.
        model.cls[3].bias[0] += margins(model, features, SIZE).median()
        margin = margins(model, features, SIZE)
        expected = list(predictions(model, recipe, images, episodes))
    shares = []
    for place, episode in enumerate(episodes):
        queried, *marked = (images.items[index] for index in (episode.query, *episode.supports))
        supports = []
        for item in marked:
            labels = read_mask(item.mask)
            mask = np.where(labels == 255, 255, labels == episode.novel_class).astype(np.uint8)
            supports.append((read_image(item.image), mask))
        (found,) = segment(model, supports, [read_image(queried.image)], SIZE)
        height, width = found.shape
        assert torch.allclose(
            found, at_size(margin[place], expected[place][1].shape)[:height, :width].sigmoid(), atol=1e-5
        )
        foreground, decided = expected[place][0][:height, :width], (found - 0.5).abs() > 1e-4
        assert decided.float().mean() > 0.99 and torch.equal((found > 0.5)[decided], foreground[decided])
        shares.append(foreground.float().mean())
    assert all(0.1 < share < 0.9 for share in shares), shares


def test_each_query_is_answered_at_its_own_size_whatever_the_batch(model):
    queries = [picture(*size, seed) for seed, size in enumerate([(48, 48), (30, 80), (200, 33), (7, 5), (48, 47)])]
    batched = list(segment(model, [support()], queries, SIZE, batch=4))
    assert [one.shape for one in batched] == [query.shape[1:] for query in queries]
    assert all(one.dtype == torch.float32 and 0 <= one.min() < one.max() <= 1 for one in batched)
    for one, query in zip(batched, queries, strict=True):
        (alone,) = segment(model, [support()], [query], SIZE, batch=1)
        assert torch.allclose(one, alone, atol=1e-5)


def test_supports_pass_through_the_backbone_once_and_queries_in_batches(model):
    passes = []
    model.layer0.register_forward_pre_hook(lambda _module, inputs: passes.append(len(inputs[0])))
    list(segment(model, [support(seed=1), support(seed=2)], [picture(40, 60)] * 7, SIZE, batch=3))
    assert passes == [1, 1, 3, 3, 1]


def test_more_supports_and_their_masks_change_the_answer(model):
    def of(*supports):
        return next(segment(model, supports, [picture(40, 60, 9)], SIZE))

    (image, mask), other = support(seed=1), support(seed=2)
    assert not torch.allclose(of((image, mask)), of((image, mask), other), atol=1e-4)
    moved = mask.roll(-8, 0)
    assert not torch.allclose(of((image, mask)), of((image, moved)), atol=1e-4)
    assert torch.equal(of((image, mask)), of((image, mask.numpy())))
    unlabelled = mask.clone()
    unlabelled[30:] = 255
    assert torch.equal(of((image, mask)), of((image, unlabelled)))


def test_queries_are_read_as_they_are_needed(model):
    read = []

    def queries():
        for place in range(6):
            read.append(place)
            yield picture(40, 60)

    answers = segment(model, [support()], queries(), SIZE, batch=2)
    assert read == []
    next(answers)
    assert read == [0, 1]
    assert len(list(answers)) == 5 and read == list(range(6))


def test_the_model_is_left_as_it_was(model):
    model.train()
    model.cls[0].eval()
    before = [module.training for module in model.modules()]
    answers = segment(model, [support()], [picture(40, 60)] * 2, SIZE, batch=1)
    assert [module.training for module in model.modules()] == before
    for answer in answers:
        # Between two answers it can be trained on.
        assert not answer.requires_grad and torch.is_grad_enabled()
        assert [module.training for module in model.modules()] == before
    with pytest.raises(UnseenSupport):
        segment(model, [tiny_support()], [], SIZE)
    assert [module.training for module in model.modules()] == before
    # Dropout in training mode would draw anew each time.
    answers = segment(model, [support()], [picture(40, 60)] * 3, SIZE, batch=1)
    assert all(torch.equal(one, other) for one, other in pairwise(answers))


def tiny_support():
    image, mask = support()
    mask[mask == 1], mask[3, 3] = 0, 1
    return image, mask


def test_an_object_between_the_points_of_the_grid_is_refused(model):
    with pytest.raises(UnseenSupport, match=r"^supports\[1\]: expected a foreground that is seen at size 48") as found:
        segment(model, [support(), tiny_support()], [], SIZE)
    assert found.value.place == 1


IMAGE, MASK = support()


@pytest.mark.parametrize(
    ("supports", "options", "words"),
    [
        ([], {}, "supports: expected at least one marked picture, got none"),
        ([(IMAGE, MASK)], {"size": 31}, "size: expected at least 32, got 31"),
        ([(IMAGE, MASK)], {"batch": 0}, "batch: expected at least 1, got 0"),
        (
            [(IMAGE.float(), MASK)],
            {},
            "supports[0]: expected a tensor of bytes (uint8) of shape (3, H, W), got torch.f",
        ),
        ([(IMAGE, MASK), (IMAGE[0], MASK)], {}, "supports[1]: expected a tensor of bytes"),
        ([(IMAGE.numpy(), MASK)], {}, "supports[0]: expected a tensor of bytes"),
        (
            [(IMAGE, MASK.T)],
            {},
            "expected a mask of whole numbers and of shape (40, 60), as its image, got torch.uint8",
        ),
        ([(IMAGE, MASK.float())], {}, "expected a mask of whole numbers"),
        ([(IMAGE, MASK * 0)], {}, "supports[0]: expected a mask of 0, 1 and 255 with foreground 1, got 0; set"),
        ([(IMAGE, MASK.long() * 3)], {}, "with foreground 1, got 0, 3, 765; set"),
        ([(IMAGE[:, :1, :49], MASK[:1, :49])], {}, "expected sides of which one is at most 48 times the other"),
    ],
)
def test_a_wrong_argument_is_refused_at_the_door(model, supports, options, words):
    with pytest.raises(ValueError, match=rf"^[^\n]*{re.escape(words)}[^\n]*$"):
        segment(model, supports, [], **{"size": SIZE} | options)


def test_a_wrong_query_is_named_at_its_turn(model):
    answers = segment(model, [support()], [picture(40, 60), picture(40, 60).float()], SIZE, batch=1)
    next(answers)
    with pytest.raises(ValueError, match=r"^queries\[1\]: expected a tensor of bytes"):
        next(answers)


def test_the_ten_lines_of_its_docstring_run_in_a_notebook(tmp_path, monkeypatch):
    recipe = Recipe(size=64, channels=16, scales=(4, 2))
    recipe.save(tmp_path / "runs" / "mine" / "recipe.yaml")
    save_weights(tmp_path / "runs" / "mine" / "last.pt", recipe.model_on(build_backbone("efficientnet_lite0", None)))
    for name, size in {"marked.jpg": (64, 80), "other.jpg": (50, 30)}.items():
        Image.fromarray(picture(*size).permute(1, 2, 0).numpy()).save(tmp_path / name)
    mask = np.zeros((64, 80), np.uint8)
    mask[10:50, 20:60] = 255
    Image.fromarray(mask).save(tmp_path / "marked.png")
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"```python\n(.*?)```", segment.__doc__, re.DOTALL)
    cell: dict[str, object] = {}
    exec("\n".join(line.strip() for line in lines.splitlines()), cell)
    assert cell["probability"].shape == (50, 30)
