"""The optional parts: those that pyproject.toml lists, looked up and not imported."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

from selfcontrast.doctor import optional_parts
from selfcontrast.doctor.optional_parts import PARTS, belongs, members, states

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
FOR_MAINTAINERS = {"library-test", "test", "docs"}
VERSIONS = {"torch": "2.6.0+cu124", "torchvision": "0.21.0"}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Distributions that seem to be installed, and nothing beside them."""
    versions = dict(VERSIONS)

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(optional_parts, "version", version)
    monkeypatch.setattr(optional_parts, "find_spec", lambda name: None)
    monkeypatch.setattr(optional_parts, "requires", lambda name: requires(name) if name == "selfcontrast" else [])
    return versions


def state_of(name: str) -> optional_parts.State:
    (found,) = [state for state in states() if state.name == name]
    return found


def test_every_extra_for_users_has_a_line_and_every_line_its_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    assert {part.extra for part in PARTS} == set(extras) - FOR_MAINTAINERS
    for part in PARTS:
        assert any(one.startswith(part.distribution) for one in extras[part.extra]), part


def test_an_extra_has_the_members_that_the_project_names() -> None:
    # As installed, so of the last installation; names are all this asks for.
    assert {"torchvision", "tqdm", "scipy"} <= set(members("examples"))
    assert members("no such extra") == []


def test_what_is_missing_names_its_extra(pretended: dict[str, str]) -> None:
    assert state_of("timm") == ("timm", "missing", "more backbones for the example", "timm", None)
    others = state_of("examples")
    count = len(members("examples")) - 3
    assert others.state == f"{count} of {count} others missing"
    assert others.missing == "examples"
    for name in members("examples"):
        pretended[name] = "1.0"
    assert state_of("examples") == ("examples", f"all {count} others", "what else the example needs", None, None)


def test_triton_says_what_it_lacks(pretended: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_parts, "missing", lambda: "no C compiler")
    assert state_of("triton").state == "no C compiler"
    monkeypatch.setattr(optional_parts, "missing", lambda: None)
    assert state_of("triton").state == "of another package"
    pretended["triton"] = "3.8.0"
    assert state_of("triton") == ("triton", "3.8.0", 'k-means on CUDA in few launches, engine="triton"', None, None)


def test_a_module_of_another_package_is_there(pretended: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_parts, "find_spec", lambda name: object() if name == "cv2" else None)
    state = state_of("opencv-python-headless")
    assert state.state == "cv2 of another package" and state.missing is None


@pytest.mark.parametrize(
    ("requirement", "torch", "fits"),
    [
        ("torch==2.6.0", "2.6.0+cu124", True),
        ("torch==2.6.0", "2.13.0", False),
        ("torch (>=2.14.0)", "2.14.1+cu130", True),
        ("torch (>=2.14.0)", "2.9.1", False),
    ],
)
def test_a_torchvision_of_another_torch_is_told(
    pretended: dict[str, str], monkeypatch: pytest.MonkeyPatch, requirement: str, torch: str, fits: bool
) -> None:
    assert belongs(requirement, torch) == fits
    pretended["torch"] = torch
    of = {"torchvision": ["numpy", "torch-extras==1.0", "torch==0.1 ; extra == 'old'", requirement]}
    monkeypatch.setattr(optional_parts, "requires", lambda name: of.get(name, []))
    broken = state_of("torchvision").broken
    assert (
        broken is None if fits else broken == f"torchvision 0.21.0 wants {requirement}, and torch {torch} is installed"
    )


def test_a_folder_that_was_never_installed_has_lines_too(pretended: dict[str, str], monkeypatch) -> None:
    def none(name: str) -> list[str]:
        raise PackageNotFoundError(name) if name == "selfcontrast" else KeyError(name)

    pretended.pop("torchvision")
    monkeypatch.setattr(optional_parts, "requires", none)
    assert members("examples") == [] and state_of("timm").state == "missing"


def test_looking_imports_none_of_them() -> None:
    code = "import sys, selfcontrast.doctor.optional_parts as parts; parts.states(); "
    code += "print(*sorted({part.module for part in parts.PARTS} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "\n"
