"""What the commands need is what pyproject.toml names, and a torchvision of another torch is known for it."""

import re
import tomllib
from pathlib import Path

import pytest
from runtime import requirements

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


def test_every_package_of_the_extra_is_looked_for():
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["examples"]]
    names = {re.match(r"[\w-]+", one)[0] for one in declared}
    assert set(requirements.MODULES.values()) == names - {"tensorboard"} | {"selfcontrast"}
    assert requirements.wrong() is None, "all of it is installed here"


def test_all_that_is_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setattr(requirements, "find_spec", lambda module: None if module in ("yaml", "cv2") else module)
    assert requirements.wrong() == (
        "pyyaml, opencv-python-headless: expected to be installed, got none; in the folder of the checkout, run: "
        "pip install -e '.[examples]'"
    )


@pytest.mark.parametrize("error", [RuntimeError("operator torchvision::nms does not exist"), ImportError("libc10.so")])
def test_a_torchvision_that_another_torch_broke_is_named(monkeypatch, error):
    def broken(module):
        raise error

    monkeypatch.setattr(requirements, "requires", lambda name: ["numpy", "torch==2.6.0", "pillow>=5"])
    monkeypatch.setattr(requirements, "version", {"torch": "2.7.1+cpu", "torchvision": "0.21.0"}.get)
    monkeypatch.setattr(requirements, "import_module", broken)
    assert requirements.unlike_torch() == (
        "torchvision: expected the release that belongs to torch 2.7.1, got 0.21.0; install it with: "
        "pip install -e '.[examples]' 'torch==2.7.1'"
    )
    monkeypatch.setattr(requirements, "import_module", lambda module: module)
    assert requirements.unlike_torch() is None, "one that can be imported serves"
    monkeypatch.setattr(requirements, "version", {"torch": "2.6.0+cu124", "torchvision": "0.21.0"}.get)
    monkeypatch.setattr(requirements, "import_module", broken)
    assert requirements.unlike_torch() is None, "they belong together, and nothing is imported"
