"""The studies as data: which cells they share, what an arm changes, and what it is compared with."""

from dataclasses import asdict

import pytest
from data.synthetic import DRAWING
from grid.studies import STUDIES, every_cell
from grid.study import DRAWS, FOLDS, ONE_SHOT, RECIPE, REGIME, SCNET, WRONG_SUPPORTS
from running.folders import Folders
from running.objectives import DELETED, OBJECTIVES, OF_A_RECIPE, objective_of
from running.small_hosts import HOSTS
from tiny_backbone import tiny_backbone

IN_REGIME = ("few-shot", "few-shot-weights", "scenes-now")


def arm(study, name, fold=0, seed=0):
    return STUDIES[study].cells()[name, fold, seed]


def test_equal_cells_of_different_studies_are_one():
    baseline, scnet = arm("main", "PFENet"), arm("main", "SCNet")
    for study, name in (("controls", "PFENet"), ("table3", "n = 0"), ("table4", "PFENet"), ("table5", "λ = 0")):
        assert arm(study, name).digest == baseline.digest
    assert arm("table6", "none").digest == baseline.digest and arm("novel", "PFENet, keep").digest == baseline.digest
    for study, name in (("controls", "SCNet"), ("table3", "n = 3"), ("table5", "λ = 0.5"), ("novel", "SCNet, keep")):
        assert arm(study, name).digest == scnet.digest
    assert arm("table4", "query").digest == arm("table3", "n = 1").digest != arm("table4", "support").digest


def test_the_main_study_has_four_folds_and_five_seeds_of_two_arms_that_differ_in_the_weight_alone():
    cells = STUDIES["main"].cells()
    assert {key[1:] for key in cells} == {(fold, seed) for fold in FOLDS for seed in range(5)} and len(cells) == 40
    for fold, seed in {key[1:] for key in cells}:
        one, other = (asdict(cells[name, fold, seed]) for name in ("PFENet", "SCNet"))
        assert one["recipe"] | {"weight": 0.5} == other["recipe"]
        assert one["recipe"]["weight"] == 0 and (one["recipe"]["fold"], one["recipe"]["seed"]) == (fold, seed)
        assert all(one[key] == other[key] for key in one.keys() - {"recipe", "task"})


def test_what_chooses_a_recipe_looks_at_no_novel_class_and_shares_no_seed():
    choosing = [one for name in ("schedule", "regime") for one in STUDIES[name].cells().values()]
    assert {one.classes for one in choosing} == {"base"} and {one.recipe["weight"] for one in choosing} == {0}
    named = [(name, one) for name, study in STUDIES.items() for one in study.cells().values()]
    others = [one for name, one in named if name not in ("schedule", "regime")]
    assert {one.classes for one in others} == {"novel"}
    assert not {one.recipe["seed"] for one in choosing} & {one.recipe["seed"] for one in others}


def test_the_regimes_candidates_are_the_baseline_changed_in_one_point():
    arms = STUDIES["regime"].arms
    long = arms["3200 steps"]
    for name, changes in arms.items():
        changed = {key for key in changes if changes[key] != long.get(key)}
        assert changed in ({"steps"}, {"size", "scales"}, {"draw"}, {"host"}, set()), name
    assert {one.get("draw") for one in arms.values()} == {None, *DRAWS} and len(arms) == 8
    plain, schedule = (STUDIES[name].cells() for name in ("regime", "schedule"))
    assert plain["800 steps", 0, 100].digest == schedule["800 steps of 4, rate 0.001", 0, 100].digest


def test_the_studies_of_the_regime_train_in_it():
    for name in IN_REGIME:
        for arm_name, changes in STUDIES[name].arms.items():
            steps = REGIME["steps"] * (2 if arm_name.endswith("as many passes") else 1)
            assert changes.items() >= (REGIME | ONE_SHOT | {"steps": steps}).items(), (name, arm_name)
    cells = {one.digest for one in STUDIES["few-shot"].cells().values()}
    assert len(cells) == len(FOLDS) * 5 * 8
    weights = STUDIES["few-shot-weights"]
    assert {one.digest for (name, _, _), one in weights.cells().items() if name.endswith("λ = 0.5")} <= cells
    assert {one.data for one in STUDIES["scenes-now"].cells().values()} == {DRAWING}


def test_every_arm_of_few_shot_is_set_beside_equal_steps_equal_passes_and_scnet():
    study = STUDIES["few-shot"]
    beside: dict[str, set[str]] = {}
    for name, reference in study.compared.items():
        digest = study.cells()[name, 0, 0].digest
        beside.setdefault(digest, set()).add(reference)
    baselines = {"PFENet", "PFENet, as many passes"}
    assert sorted(map(len, beside.values())) == [1, 2, 3, 3, 3, 3, 3]
    assert set.union(*beside.values()) == baselines | {"SCNet"}


@pytest.mark.parametrize("name", STUDIES)
def test_every_cell_builds(name, tmp_path):
    """On a backbone that costs nothing; what asks which episodes it sees is tried with episodes elsewhere."""
    (tmp_path / f"scenes-{DRAWING}-hidden0.5").mkdir()
    folders, seen = Folders(tmp_path, tmp_path, tmp_path), set()
    for one in STUDIES[name].cells().values():
        kind = (one.host, one.objective, one.recipe["draw"], *one.recipe["scales"])
        if one.data != "scenes" and one.objective not in DELETED and kind not in seen:
            seen.add(kind)
            recipe = folders.recipe(one)
            model = HOSTS[recipe.host](tiny_backbone(), recipe.channels, recipe.scales, False)
            if one.objective not in OF_A_RECIPE and one.recipe["draw"] != WRONG_SUPPORTS:
                objective_of(one.objective, recipe)(model, recipe.build_auxiliary())


def test_all_studies_but_the_schedule_have_the_one_recipe():
    allowed = {"weight", "num_prototypes", "partition", "novel", "hidden", "min_pixels", "fold", "seed"}
    for name, study in STUDIES.items():
        for (arm_name, _, _), one in study.cells().items():
            changed = {key for key, value in one.recipe.items() if RECIPE.get(key) != value}
            more = {
                "schedule": {"learning_rate", "steps", "batch"},
                "controls": {"learning_rate", "steps", "prior"},
                "longer": {"steps"},
                "longest": {"steps"},
                "regions": {"steps"},
                "regime": {"steps", "size", "scales", "draw"},
            }
            more |= dict.fromkeys(IN_REGIME, REGIME.keys() | {"steps"})
            assert changed <= allowed | more.get(name, set()), (name, arm_name)


def test_arms_are_compared_with_arms_of_the_same_study_and_training_data():
    for study in STUDIES.values():
        for name, reference in study.compared.items():
            one, other = (study.arms[key] for key in (name, reference))
            assert all(one.get(key) == other.get(key) for key in ("data", "hidden", "novel", "classes"))
            assert (
                other.get("weight") == 0
                or other in (SCNET, ONE_SHOT | REGIME)
                or ("objective" not in other and study is STUDIES["oracle"])
            )
    assert set(STUDIES["dose"].compared) == {f"SCNet, {share} % hidden" for share in (0, 12.5, 25, 37.5, 50)}


def test_the_first_cells_of_a_study_are_one_seed_of_everything():
    keys = list(STUDIES["main"].cells())
    assert {seed for _, _, seed in keys[:8]} == {0} and {key[:2] for key in keys[:8]} == {key[:2] for key in keys}


def test_every_cell_once_and_its_objective_exists():
    cells = [one for _, one in every_cell()]
    assert len({one.digest for one in cells}) == len(cells) < sum(len(study.cells()) for study in STUDIES.values())
    assert {one.objective for one in cells} == OBJECTIVES.keys() | OF_A_RECIPE.keys() | set(DELETED)
