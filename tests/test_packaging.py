import importlib.metadata
import importlib.resources
import json
import subprocess
import sys

import pytest

import selfcontrast

HEAVY = {"torchvision", "faiss", "matplotlib", "lightning", "lightning_fabric", "jsonargparse", "PIL", "yaml", "tqdm"}


def modules_brought() -> set[str]:
    """Top-level modules that a fresh interpreter holds because of the package, and not because of torch alone."""
    code = "import json, sys, torch; before = set(sys.modules); import selfcontrast; "
    code += "print(json.dumps([list(before), list(sys.modules)]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = ({name.partition(".")[0] for name in names} for names in json.loads(run.stdout))
    return after - before


def test_the_import_brings_in_nothing_heavy() -> None:
    brought = modules_brought()
    assert "selfcontrast" in brought
    assert not brought & HEAVY
    # Every third-party module is a declared dependency, or what torch 2.6 loads of its own when it is first needed.
    declared = {"selfcontrast", "jaxtyping", "wadler_lindig", "sympy", "mpmath"}
    assert {name for name in brought if name in importlib.metadata.packages_distributions()} <= declared


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("selfcontrast").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", selfcontrast.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(selfcontrast, name).__doc__


def test_public_names_are_sorted_and_unique() -> None:
    assert selfcontrast.__all__ == sorted(set(selfcontrast.__all__))
