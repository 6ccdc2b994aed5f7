"""Options as people mistype them, in every command: one line, exit status 2, the traceback with --debug true."""

import pytest
from processes import EXAMPLE, call, refused

COMMANDS = sorted(path.stem for path in EXAMPLE.glob("*.py"))
WRONG = {
    "train": ["--size", "0"],
    "compare": ["--size", "0"],
    "evaluate": ["nowhere"],
    "report": ["nowhere"],
    "leakage": ["nowhere"],
    "prepare": ["coco", "--coco", "nowhere", "--out", "out"],
    "predict": ["nowhere", "--support", "a", "b", "--query", "c", "--out", "out"],
    "demo": ["nowhere"],
}
MISSPELT = {
    "train": ("--wieght", "--weight"),
    "compare": ("--wieght", "--weight"),
    "evaluate": ("--protocl", "--protocol"),
    "report": ("--episods", "--episodes"),
    "leakage": ("--min_pixel", "--min_pixels"),
    "prepare": ("--skip_damged", "--skip_damaged"),
    "predict": ("--chanels", "--channels"),
    "demo": ("--chanels", "--channels"),
}


def test_every_command_is_tried():
    assert WRONG.keys() == MISSPELT.keys() == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_is_one_line_and_its_traceback_is_shown_when_asked(command, tmp_path):
    said = refused(command, *WRONG[command], cwd=tmp_path)
    done = call(command, *WRONG[command], "--debug=true", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" in done.stderr and said.partition(": ")[2] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_option_suggests_the_nearest(command, tmp_path):
    option, meant = MISSPELT[command]
    said = refused(command, *WRONG[command], option, "1", cwd=tmp_path)
    assert f"{option}: expected one of this command's options" in said and f"did you mean {meant}?" in said


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("train", ["--steps", "0"], "steps: expected at least 1, got 0; change --steps"),
        ("train", ["--batch", "0"], "batch: expected at least 1, got 0; change --batch"),
        ("train", ["--weight", "2"], "weight: expected 0 to 1, got 2; change --weight"),
        ("train", ["--learning_rate", "nan"], "learning_rate: expected a number, got nan"),
        ("train", ["--recipe", "pascal_resnet5"], "did you mean pascal_resnet50?"),
        ("train", ["--size", "many"], "size: expected a whole number, got many; change --size"),
        ("train", ["size", "64"], "size: expected an option"),
        ("evaluate", [".", "--seed", "3"], "recipe.yaml: expected the recipe of a run"),
        ("evaluate", [".", "--episodes", "0"], "recipe.yaml: expected the recipe of a run"),
        ("evaluate", [".", "--seeds", "3", "3"], "seeds: expected each seed once"),
        ("evaluate", [".", "--seeds", "-1"], "seeds: expected at least 0, got -1"),
        ("evaluate", [], "target: expected a value, got none"),
        ("prepare", ["coko"], "did you mean coco?"),
        ("prepare", ["scenes", "--root", "s", "--hidden", "0.9"], "hidden: expected 0 to 0.5, got 0.9"),
        ("leakage", [".", "--min_pixels", "0"], "min_pixels: expected at least 1, got 0"),
        ("leakage", [".", "--debug", "false", "--folds", "3"], "data: expected a list at"),
        ("leakage", [".", "--debug", "perhaps"], "debug: expected true or false, got perhaps"),
    ],
)
def test_ranges_and_names_are_checked_first(command, words, sentence, tmp_path):
    assert sentence in refused(command, *words, cwd=tmp_path)
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_an_abbreviation_is_no_option(tmp_path):
    """`evaluate --seed 3` is the recipe's seed, which the run contradicts, and not `--seeds 3`."""
    done = call("train", "--step", "3", cwd=tmp_path)
    assert done.returncode == 2 and "--step: expected one of this command's options" in done.stderr
