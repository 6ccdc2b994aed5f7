import pytest
import torch
from recipe import Recipe
from run_folder.weights import load_model, load_weights, weights_file
from torch import nn
from trained_model import trained
from training.checkpoint import save_atomically, save_weights


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
    with pytest.raises(ValueError, match="a damaged file, or one that holds more than tensors"):
        load_weights(tmp_path / "weights.pth", nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "an empty file"), (b"<!DOCTYPE html>", "a web page"), (b"\x00\x01\x02" * 99, "something else")],
)
def test_a_file_that_is_no_checkpoint_is_one_sentence(tmp_path, content, kind):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ValueError, match=f"weights.pth: expected a checkpoint of tensors, got {kind}") as raised:
        load_weights(tmp_path / "weights.pth", nn.Linear(2, 2))
    assert "\n" not in str(raised.value) and "weights_only" not in str(raised.value)


@pytest.mark.parametrize("saved", [[1, 2], {"state_dict": 3}])
def test_what_holds_no_tensors_by_name_is_refused(tmp_path, saved):
    torch.save(saved, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights.pth: expected"):
        load_weights(tmp_path / "weights.pth", nn.Linear(2, 2))


def test_a_run_whose_promised_weights_are_missing_says_which_it_takes(tmp_path, capsys):
    save_atomically(tmp_path / "checkpoint.pt", *trained(), 1)
    assert weights_file(tmp_path, "base").name == "checkpoint.pt"
    assert "has no best.pt; the weights are those of checkpoint.pt" in capsys.readouterr().out
    save_weights(tmp_path / "last.pt", trained()[0])
    assert weights_file(tmp_path, "last").name == "last.pt"
    assert capsys.readouterr().out == ""
    assert weights_file(tmp_path, "novel").name == "last.pt"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="train first"):
        weights_file(tmp_path / "empty", "last")


@pytest.mark.parametrize("deep_stem", [True, False])
def test_a_resnet_loads_by_either_stem_without_its_pretrained_weights(tmp_path, monkeypatch, deep_stem):
    import torchvision
    from model.backbones import build_backbone

    def download(*_):
        raise AssertionError("the network")

    recipe = Recipe(backbone="resnet50", channels=8, scales=(4, 2))
    model = recipe.model_on(build_backbone("resnet50", None, deep_stem=deep_stem))
    save_weights(tmp_path / "weights.pth", model)
    monkeypatch.setattr(torchvision.models, "get_model_weights", download)
    loaded = load_model(tmp_path / "weights.pth", recipe)
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
