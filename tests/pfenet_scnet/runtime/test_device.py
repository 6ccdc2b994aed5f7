"""One place chooses the device, for every command."""

from pathlib import Path

import pytest
import torch
from runtime.device import best_device, device_name
from training.fit import start_fabric

EXAMPLE = Path(__file__).parents[3] / "examples" / "pfenet_scnet"


@pytest.fixture
def machine(monkeypatch):
    """Pretends that a machine has these kinds of GPU."""

    def pretend(cuda=False, mps=False):
        monkeypatch.delenv("SELFCONTRAST_DEVICE", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("there", "best"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_the_fastest_device_that_is_there(machine, there, best):
    machine(**there)
    assert best_device() == torch.device(best)


def test_the_environment_may_name_another_that_is_there(machine, monkeypatch):
    machine(mps=True)
    monkeypatch.setenv("SELFCONTRAST_DEVICE", "cpu")
    assert best_device() == torch.device("cpu") and device_name() == "cpu"
    monkeypatch.setenv("SELFCONTRAST_DEVICE", "cuda")
    with pytest.raises(ValueError, match="SELFCONTRAST_DEVICE: expected one of mps, cpu, got 'cuda'; unset it"):
        best_device()


def test_an_apple_gpu_is_named_and_takes_one_process_in_float32(machine, monkeypatch):
    machine(mps=True)
    assert device_name() == "Apple GPU (MPS)"
    with pytest.raises(ValueError, match=r"precision: expected 32-true and one process .* got bf16-mixed and 1"):
        start_fabric("bf16-mixed")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="got 32-true and 2"):
        start_fabric("32-true")


def test_no_other_file_asks_which_device_is_there():
    asking = [path for path in EXAMPLE.rglob("*.py") if "is_available()" in path.read_text(encoding="utf-8")]
    assert asking == [EXAMPLE / "runtime" / "device.py"]
