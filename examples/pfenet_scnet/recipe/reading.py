"""Where a recipe comes from: names in recipes/, a YAML file, a run's folder, and single options after them."""

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile
from runtime.options import Parser, given_options, nearest, unknown_option

from recipe.recipe import Recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def read_recipe(arguments: list[str] | None = None, description: str = "") -> Recipe:
    """The recipe that a command line asks for: defaults, then --recipe NAME or FILE.yaml, then single options.

    Raises:
        ValueError: an option or a name is unknown, or a value is not what the option takes.
    """
    parser = Parser(description=description)
    parser.add_argument(
        "--recipe", action=ActionConfigFile, help="a name in recipes/, names joined by _, or a YAML file"
    )
    parser.add_class_arguments(Recipe)
    given = sys.argv[1:] if arguments is None else arguments
    values = parser.parse_args(_with_files(given)).as_dict()
    values.pop("recipe")
    return Recipe(**values)


def recipe_of(target: Path, options: list[str]) -> Recipe:
    """The recipe of a run's folder, or of a file of weights, with options after it.

    A file of weights is read by the recipe that --recipe names, else by the one of the run in whose folder it lies.

    Raises:
        FileNotFoundError: `target` is neither.
        ValueError: a saved recipe is damaged, or an option is unknown.
    """
    known = [f"--{name}" for name in ("recipe", *(field.name for field in fields(Recipe)))]
    for name in given_options(options):
        if f"--{name}" not in known:
            raise unknown_option(f"--{name}", known)
    if not target.exists():
        raise FileNotFoundError(f"target: expected a run's folder or a file of weights, got {target}; check the path")
    saved = saved_recipe(target)
    of_a_run = target.is_dir() or (saved.is_file() and "recipe" not in given_options(options))
    if of_a_run:
        saved_options(saved)
    return read_recipe([*(["--recipe", str(saved)] if of_a_run else []), *options])


def saved_recipe(target: Path) -> Path:
    """Where the recipe of a run's folder lies, or of the run in whose folder a file of weights lies."""
    return (target if target.is_dir() else target.parent) / "recipe.yaml"


def load_recipe(run: str | Path) -> Recipe:
    """The recipe that a run wrote."""
    return recipe_of(Path(run), [])


def saved_options(path: Path) -> dict[str, Any]:
    """The options in a run's recipe, which must be all: a file cut off in the middle is another recipe.

    Raises:
        FileNotFoundError: there is none.
        ValueError: an option is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the recipe of a run, got no such file; give a run's folder")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    missing = [field.name for field in fields(Recipe) if field.name not in found]
    if missing:
        raise ValueError(
            f"{path}: expected every option of a recipe, got none of {', '.join(missing[:5])}"
            f"{' and more' if len(missing) > 5 else ''}; the file is damaged or of another version: copy it again, or "
            "add those lines"
        )
    return found


def _with_files(arguments: list[str]) -> list[str]:
    """`--recipe pascal_resnet50` becomes `--recipe .../pascal.yaml --recipe .../resnet50.yaml`."""
    expanded: list[str] = []
    for argument in (part for one in arguments for part in re.split(r"(?<=^--recipe)=", one)):
        named = _files(argument) if expanded[-1:] == ["--recipe"] else [argument]
        expanded += [named[0], *(word for file in named[1:] for word in ("--recipe", file))]
    return expanded


def _files(name: str) -> list[str]:
    """The files of a recipe: one of its own name, or one for each of the names that `_` joins."""
    if Path(name).is_file():
        return [name]
    if (RECIPES / f"{name}.yaml").is_file():
        return [str(RECIPES / f"{name}.yaml")]
    parts = [RECIPES / f"{part}.yaml" for part in name.split("_")]
    if all(part.is_file() for part in parts):
        return [str(part) for part in parts]
    single = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    data, backbones = ("pascal", "coco"), ("vgg16", "resnet50", "resnet101")
    known = [*single, *(f"{one}_{other}" for one in data for other in backbones)]
    raise ValueError(
        f"recipe: expected a name in recipes/, names joined by _, or a YAML file, got {name}; {nearest(name, known)}"
    )
