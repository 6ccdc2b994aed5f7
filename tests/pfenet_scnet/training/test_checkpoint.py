import pytest
import torch
from trained_model import trained
from training.checkpoint import load_checkpoint, save_atomically, save_weights


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


def test_weights_are_a_plain_state_dict(tmp_path):
    model, _ = trained()
    save_weights(tmp_path / "last.pt", model)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state.keys() == model.state_dict().keys() and torch.equal(state["weight"], model.weight)


def test_runs_nobodys_code(tmp_path, capfd):
    torch.save({"model": print}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="a damaged file, or one that holds more than tensors"):
        load_checkpoint(tmp_path / "checkpoint.pt", *trained())


@pytest.mark.parametrize("damage", [lambda old: old[:600], lambda old: b"", lambda old: b"text"])
def test_a_damaged_checkpoint_is_named_with_the_way_out(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    save_atomically(path, *trained(), 1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"checkpoint\.pt: expected .* copy it again, or delete it") as raised:
        load_checkpoint(path, *trained())
    assert "weights_only" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_checkpoint_without_its_parts_is_refused(tmp_path):
    torch.save({"model": trained()[0].state_dict()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="expected model, optimizer and step"):
        load_checkpoint(tmp_path / "checkpoint.pt", *trained())
