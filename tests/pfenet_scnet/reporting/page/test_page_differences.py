import pytest
from page_runs import result, run
from reporting.page.differences import (
    EVALUATED_ON,
    compared,
    environment_differences,
    every_option,
    incomparable,
    option_differences,
)


def test_only_options_that_differ_and_change_a_result_are_listed():
    runs = [run("a", weight=0.0, seed=1, workers=3, out="x"), run("b", seed=1), run("c", seed=2)]
    assert option_differences(runs).rows == [("weight", ["0", "0.5", "0.5"]), ("seed", ["1", "1", "2"])]
    everything = dict(every_option(runs).rows)
    assert everything["workers"] == ["3", "1", "1"] and everything["scales"] == ["[14,7,4]"] * 3
    assert everything["epochs"] == ["null"] * 3 and everything["cache_features"] == ["false"] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("data", "data/other"), ("min_pixels", 9), ("split", "interleaved"), ("fold", 1), ("folds", 5)),
        *(("size", 96), ("shot", 5), ("protocol", "bam"), ("episodes", 9), ("evaluation_seed", 9)),
        ("skip_damaged", True),
    ],
)
def test_scores_over_other_things_are_not_compared(name, value):
    assert name in EVALUATED_ON
    (reason,) = incomparable([run("a"), run("b", **{name: value})])
    assert reason.startswith(f"{name}: ") and "(a)" in reason and "(b)" in reason


def test_other_classes_are_not_compared():
    reasons = incomparable([run("a"), run("b", novel_classes="cat")])
    assert [one.partition(":")[0] for one in reasons] == ["fold", "novel_classes"]


@pytest.mark.parametrize("options", [{"weight": 0.0}, {"seed": 3}, {"backbone": "resnet50"}, {"steps": 9}])
def test_other_trainings_are_compared(options):
    assert incomparable([run("a"), run("b", **options)]) == []


def test_data_that_changed_between_two_runs_are_noticed():
    first, second = run("a", result()), run("b", result(episodes_digest="other"))
    assert incomparable([first, second]) == [
        "episodes: they differ although the options agree, so the data changed between the runs"
    ]
    assert incomparable([first, run("b")]) == []


def test_the_sentence_says_what_was_compared():
    assert compared([run("a", weight=0.0), run("b")]) == (
        "This page compares 2 runs, a (PFENet baseline) and b (PFENet with SCNet's task, weight 0.5): fold 2 of voc, "
        "1-shot, protocol ours, 300 episodes, pictures of 224 pixels. Their recipes differ in weight."
    )
    assert compared([run("a"), run("b")]).endswith("Their recipes are the same.")
    assert compared([run("a", novel_classes="cat")]).startswith(
        "This page shows one run, a (PFENet with SCNet's task, weight 0.5): novel classes cat of voc, 1-shot"
    )
    assert "1-shot" not in compared([run("a"), run("b", shot=5)])


def test_the_environment():
    runs = [run("a", environment={"torch": "2.6", "device": "cpu"}), run("b", environment={"torch": "2.7"})]
    assert environment_differences(runs).rows == [("torch", ["2.6", "2.7"]), ("device", ["cpu", "not noted"])]
