"""The studies as data: which cells they share, what an arm changes, and what it is compared with."""

from dataclasses import asdict

from grid.studies import STUDIES, every_cell
from grid.study import FOLDS, RECIPE, SCNET
from running.objectives import DELETED, OBJECTIVES, OF_A_RECIPE


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


def test_the_schedule_looks_at_no_novel_class_and_shares_no_seed():
    schedule = STUDIES["schedule"].cells().values()
    assert {one.classes for one in schedule} == {"base"} and {one.recipe["weight"] for one in schedule} == {0}
    others = [one for name, study in STUDIES.items() if name != "schedule" for one in study.cells().values()]
    assert {one.classes for one in others} == {"novel"}
    assert not {one.recipe["seed"] for one in schedule} & {one.recipe["seed"] for one in others}


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
            }
            assert changed <= allowed | more.get(name, set()), (name, arm_name)


def test_arms_are_compared_with_arms_of_the_same_study_and_training_data():
    for study in STUDIES.values():
        for name, reference in study.compared.items():
            one, other = (study.arms[key] for key in (name, reference))
            assert all(one.get(key) == other.get(key) for key in ("data", "hidden", "novel", "classes"))
            assert (
                other.get("weight") == 0 or other == SCNET or ("objective" not in other and study is STUDIES["oracle"])
            )
    assert set(STUDIES["dose"].compared) == {f"SCNet, {share} % hidden" for share in (0, 12.5, 25, 37.5, 50)}


def test_the_first_cells_of_a_study_are_one_seed_of_everything():
    keys = list(STUDIES["main"].cells())
    assert {seed for _, _, seed in keys[:8]} == {0} and {key[:2] for key in keys[:8]} == {key[:2] for key in keys}


def test_every_cell_once_and_its_objective_exists():
    cells = [one for _, one in every_cell()]
    assert len({one.digest for one in cells}) == len(cells) < sum(len(study.cells()) for study in STUDIES.values())
    assert {one.objective for one in cells} == OBJECTIVES.keys() | OF_A_RECIPE.keys() | set(DELETED)
