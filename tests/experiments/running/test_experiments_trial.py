"""A cell from its configuration to its file: both arms start alike, and the scores are those of the example's own."""

from dataclasses import asdict, replace

import pytest
import torch
from evaluation.evaluator import evaluate
from grid.cell_store import file_of
from run_folder.weights import load_weights
from running.trial import evaluated, run_cell
from tiny_cells import tiny, tiny_folders

BASELINE, SCNET = tiny(weight=0.0), tiny()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_folders(tmp_path_factory.mktemp("experiments"))


@pytest.fixture(scope="module")
def results(folders):
    run_cell(BASELINE, folders)
    run_cell(SCNET, folders)
    return [folders.result(cell) for cell in (BASELINE, SCNET)]


def test_both_arms_have_the_same_first_weights_and_the_same_episodes(results):
    baseline, scnet = results
    assert baseline["training"]["training_episodes_digest"] == scnet["training"]["training_episodes_digest"]
    # Same weights, episode, mirroring and dropout: L1 of the first step is the same number, and then no more.
    firsts, lasts = ([one["losses"][place]["main_loss"] for one in results] for place in (0, -1))
    assert firsts[0] == firsts[1] and lasts[0] != lasts[1]
    assert baseline["losses"][0]["contrast_loss"] is None and scnet["losses"][0]["contrast_loss"] > 0
    for shot in ("1", "5"):
        one, other = (result["evaluations"][shot] for result in results)
        assert one["episodes_digest"] == other["episodes_digest"] and one["pixels"] != other["pixels"]


def test_both_arms_have_the_same_first_weights_bit_by_bit(folders):
    states = []
    for cell in (BASELINE, SCNET):
        recipe = folders.recipe(cell)
        torch.manual_seed(recipe.seed)
        states.append(recipe.build_model().state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    other = replace(folders.recipe(BASELINE), seed=1)
    torch.manual_seed(other.seed)
    assert not torch.equal(other.build_model().cls[0].weight, states[0]["cls.0.weight"])


@pytest.mark.parametrize("shot", [1, 5])
def test_scores_are_those_of_the_examples_evaluation(folders, results, shot):
    recipe = replace(folders.recipe(SCNET), shot=shot, episodes=SCNET.episodes[str(shot)])
    model = recipe.build_model()
    load_weights(folders.run(SCNET) / "run", model)
    expected = evaluate(model, recipe, recipe.evaluation_images())
    found = results[1]["evaluations"][str(shot)]
    assert found["episodes_digest"] == expected.digest and found["episodes"] == expected.episodes
    # Not to the last digit: a picture and its mirror image went through the backbone together.
    assert found["miou"] == pytest.approx(expected.scores.miou, abs=0.05)
    assert found["fb_iou"] == pytest.approx(expected.scores.fb_iou, abs=0.05)
    assert found["every_pixel_foreground_miou"] == pytest.approx(expected.chance)


def test_the_file_holds_all_that_a_score_needs(results):
    for result, cell in zip(results, (BASELINE, SCNET), strict=True):
        assert result["cell"] == asdict(cell) and result["environment"]["torch"] and result["seconds"]["training"] > 0
        for evaluation in result["evaluations"].values():
            sums = [
                (pixels["target"][1], sum(pixels["target"]) + sum(b for _, b in list(pixels.values())[:3]))
                for pixels in evaluation["pixels"].values()
            ]
            ious = [100 * intersection / union for intersection, union in sums if union]
            assert evaluation["miou"] == pytest.approx(sum(ious) / len(ious))


def test_a_finished_cell_is_left_as_it_is(folders, results, monkeypatch):
    monkeypatch.setattr("running.trial.result_of", lambda *_: pytest.fail("it was trained again"))
    path = file_of(folders.results, SCNET)
    before = path.read_bytes()
    run_cell(SCNET, folders)
    assert path.read_bytes() == before and results[1] == folders.result(SCNET)


def test_base_classes_are_judged_where_no_novel_object_is_shown(folders):
    recipe = folders.recipe(BASELINE)
    images, classes = evaluated(tiny(classes="base"), recipe)
    assert classes == list(range(6, 21))
    assert 0 < len(images.items) < len(recipe.evaluation_images().items)
    assert not any(c in item.pixels for item in images.items for c in range(1, 6))
    run_cell(tiny(classes="base", episodes={"1": 4}), folders)
    (evaluation,) = folders.result(tiny(classes="base", episodes={"1": 4}))["evaluations"].values()
    assert len(evaluation["pixels"]) == 15 and not any(sum(kinds["novel"]) for kinds in evaluation["pixels"].values())


def test_another_default_of_the_library_is_refused(folders):
    other = replace(tiny(seed=7), task={"seeding": "random", "iterations": 10})
    with pytest.raises(ValueError, match="expected the library's default seeding='random', got 'farthest-first'"):
        run_cell(other, folders)
    assert folders.result(other) is None


def test_photographs_must_be_named(folders):
    with pytest.raises(ValueError, match="--data: expected a folder in VOC's layout"):
        folders.recipe(tiny(data="photographs"))
