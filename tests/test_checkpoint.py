import pytest
import torch
from checkpoint import load_checkpoint, save_atomically
from torch import nn


def trained():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_restores_model_optimizer_and_step(tmp_path):
    model, optimizer = trained()
    save_atomically(tmp_path / "checkpoint.pt", model, optimizer, 7)
    other, other_optimizer = trained()
    assert load_checkpoint(tmp_path / "checkpoint.pt", other, other_optimizer) == 7
    assert torch.equal(other.weight, model.weight)
    momenta = [o.state_dict()["state"][0]["momentum_buffer"] for o in (optimizer, other_optimizer)]
    assert torch.equal(*momenta)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_no_checkpoint_yet_is_step_0(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint.pt", *trained()) == 0


def test_a_crash_while_saving_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    model, optimizer = trained()
    save_atomically(tmp_path / "checkpoint.pt", model, optimizer, 1)

    def crash(_state, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="disk full"):
        save_atomically(tmp_path / "checkpoint.pt", model, optimizer, 2)
    assert load_checkpoint(tmp_path / "checkpoint.pt", model, optimizer) == 1


def test_runs_nobodys_code(tmp_path):
    torch.save({"model": print}, tmp_path / "checkpoint.pt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        load_checkpoint(tmp_path / "checkpoint.pt", *trained())
