"""What the doctor prints: one screen, with a last line that says whether all is well."""

import importlib.metadata
import re

import pytest
import torch

import selfcontrast
from selfcontrast.doctor import findings
from selfcontrast.doctor.devices import Checkup
from selfcontrast.doctor.optional_parts import State


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """Optional parts that are made up: one installed, two missing of one extra."""
    made = [State("timm", "1.0.31", "more"), *(State(name, "missing", "loops", "loops") for name in ("a", "b"))]
    monkeypatch.setattr(findings, "states", lambda: made)
    return made


def test_all_of_it_fits_on_one_screen() -> None:
    text, well = findings.report()
    assert well and text.endswith("All that is installed works.")
    lines = text.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    assert lines[0].startswith(f"selfcontrast {selfcontrast.__version__}, Python 3.")
    assert torch.__version__ in lines[0] and importlib.metadata.version("numpy") in lines[0]
    assert re.search(rf"^  works   cpu       {torch.get_num_threads()} threads?, \d+\.\d\d s$", text, re.MULTILINE)
    for name in ("faiss-cpu", "torchvision", "timm", "tensorboard", "lightning", "accelerate", "opencv-python"):
        assert re.search(rf"^  {name}", text, re.MULTILINE), name


def test_a_missing_part_is_no_fault_and_its_line_keeps_the_torch_that_is_installed(parts: list[State]) -> None:
    text, well = findings.report()
    assert well
    public = importlib.metadata.version("torch").partition("+")[0]
    assert text.count(f"  pip install 'torch=={public}' 'selfcontrast[loops]'") == 1 == text.count("pip install")


def test_with_all_parts_there_is_nothing_to_install(parts: list[State]) -> None:
    del parts[1:]
    assert "pip install" not in findings.report()[0]


def test_what_does_not_work_comes_last(parts: list[State], monkeypatch: pytest.MonkeyPatch) -> None:
    parts.append(
        State("torchvision", "0.21.0, of another torch", "backbones", broken="torchvision 0.21.0 wants torch 1")
    )
    monkeypatch.setattr(findings, "examine", lambda device: Checkup(str(device), "", "RuntimeError: broken"))
    text, well = findings.report()
    assert not well
    assert "  failed  cpu\n" in text
    assert text.endswith("What does not work\n  cpu: RuntimeError: broken\n  torchvision 0.21.0 wants torch 1")


@pytest.mark.parametrize(("cuda", "built"), [(None, "processors alone"), ("13.0", "CUDA 13.0")])
def test_without_an_accelerator_it_says_what_torch_was_built_for(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, built: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(findings, "devices", lambda: [torch.device("cpu")])
    assert f"no accelerator found; this torch was built for {built}\n" in findings.report()[0]
