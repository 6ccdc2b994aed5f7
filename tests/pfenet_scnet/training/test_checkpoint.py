import pytest
import torch
from torch import nn
from training.checkpoint import load_checkpoint, load_weights, save_atomically, save_weights


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


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s}, lambda s: {"epoch": 7, "state_dict": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_load_as_this_and_the_published_code_save_them(tmp_path, wrap, prefix):
    model, optimizer = trained()
    state = wrap({prefix + name: value for name, value in model.state_dict().items()})
    torch.save(state | {"optimizer": optimizer.state_dict()} if "epoch" in state else state, tmp_path / "weights.pth")
    other = nn.Linear(2, 2)
    load_weights(tmp_path / "weights.pth", other)
    assert torch.equal(other.weight, model.weight) and torch.equal(other.bias, model.bias)


def test_a_runs_weights_are_the_best_or_else_the_last_or_those_it_stopped_at(tmp_path):
    model = nn.Linear(2, 2)
    (stopped, optimizer), (last, _), (best, _) = trained(), trained(), trained()
    save_atomically(tmp_path / "checkpoint.pt", stopped, optimizer, 1)
    for saved, name in ((stopped, None), (last, "last.pt"), (best, "best.pt")):
        if name:
            save_weights(tmp_path / name, saved)
        load_weights(tmp_path, model)
        assert torch.equal(model.weight, saved.weight) and (saved is best or not torch.equal(saved.weight, best.weight))


def test_weights_are_a_plain_state_dict(tmp_path):
    model, _ = trained()
    save_weights(tmp_path / "last.pt", model)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state.keys() == model.state_dict().keys() and torch.equal(state["weight"], model.weight)


def test_weights_of_another_model_are_refused_with_a_name(tmp_path):
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"got a file that differs in 1, weight among them; name the recipe"):
        load_weights(tmp_path / "other.pth", nn.Linear(2, 2))
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match=r"expected the 2 tensors of this model"):
        load_weights(tmp_path / "empty.pth", nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match="expected a run's folder or a file"):
        load_weights(tmp_path / "none.pth", nn.Linear(2, 2))


def test_weights_run_nobodys_code(tmp_path):
    torch.save({"state_dict": {"weight": print}}, tmp_path / "weights.pth")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        load_weights(tmp_path / "weights.pth", nn.Linear(2, 2))


def test_runs_nobodys_code(tmp_path):
    torch.save({"model": print}, tmp_path / "checkpoint.pt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        load_checkpoint(tmp_path / "checkpoint.pt", *trained())
