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


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def test_a_flipped_bit_in_a_weight_is_noticed(tmp_path):
    path, (model, optimizer) = tmp_path / "checkpoint.pt", trained()
    save_atomically(path, model, optimizer, 1)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, whole.index(model.weight.detach().numpy().tobytes())))
    torch.load(path, weights_only=True)  # torch does not look
    with pytest.raises(ValueError, match=r"expected a checkpoint of tensors, got a damaged file.* copy it again"):
        load_checkpoint(path, *trained())


def test_what_the_checkpoint_says_of_itself_is_looked_at_first(tmp_path):
    model, optimizer = trained()
    path, origin = tmp_path / "checkpoint.pt", {"options": {"seed": 1, "scales": [4, 2], "fold": None}, "episodes": "a"}
    save_atomically(path, model, optimizer, 3, origin)

    def refuse(found):
        assert found == origin
        raise ValueError("another run")

    other, other_optimizer = trained()
    torch.nn.init.zeros_(other.weight)
    with pytest.raises(ValueError, match="another run"):
        load_checkpoint(path, other, other_optimizer, refuse)
    assert not other.weight.any() and load_checkpoint(path, other, other_optimizer) == 3
