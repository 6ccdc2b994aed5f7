"""Weights of timm's models: from its own download, from files, and never another model's. No network."""

import re

import pytest
import timm
import torch
from model.backbones import build_backbone
from safetensors.torch import save_file


def saved(name, path):
    """timm's model with random weights, which lie in a file too."""
    model = timm.create_model(name).eval()
    torch.save(model.state_dict(), path)
    return model


def test_weights_come_from_timms_own_download(monkeypatch):
    own = timm.create_model("test_vit").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_args, **_options: dict(own))
    layers = build_backbone("timm:test_vit").layers
    assert torch.equal(layers[0][1].model.patch_embed.proj.weight, own["patch_embed.proj.weight"])
    assert torch.equal(layers[4][0][-1].mlp.fc2.weight, own["blocks.5.mlp.fc2.weight"])


def test_without_a_connection_one_line_says_what_to_do(monkeypatch):
    def offline(*_args, **_options):
        raise ConnectionError("no route to host\nand a long story")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(
        OSError, match=r"got no download \(no route to host\); get the file .* --backbone_weights FILE$"
    ):
        build_backbone("timm:test_vit")


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("timm:convnextt_tiny", None, "did you mean timm:convnext_tiny or"),
        ("timm:test_vit.lost", None, "did you mean timm:test_vit.r160_in1k"),
        ("timm:qqqqqq", None, "got timm:qqqqqq; see timm.list_models()"),
        ("timm:test_efficientnet", None, "backbone: expected a plain vision transformer, or a pyramid of convolutions"),
        ("timm:convnext_atto_rms", "imagenet", "got none from timm; name a file by --backbone_weights"),
        ("timm:test_vit", "none.pth", "backbone_weights: expected 'imagenet' or a checkpoint's path, got 'none.pth'"),
        ("efficientnet_lite1", None, "timm:NAME, got 'efficientnet_lite1'; did you mean efficientnet_lite"),
    ],
)
def test_says_in_one_line_what_is_wrong(name, weights, message):
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)) as raised:
        build_backbone(name, weights)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_refuses_another_models_checkpoint_which_timm_takes_in_silence(name, tmp_path):
    saved("test_vit2" if name == "test_vit" else "test_vit", tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=rf"expected a checkpoint of {name}, got .* from .*weights.pth; choose"):
        build_backbone(f"timm:{name}", str(tmp_path / "weights.pth"))


def test_a_file_that_is_no_checkpoint_ends_with_one_line(tmp_path):
    (tmp_path / "weights.pth").write_text("<html>")
    with pytest.raises(ValueError, match=r"weights.pth: expected a checkpoint of tensors, got a web page") as raised:
        build_backbone("timm:test_vit", str(tmp_path / "weights.pth"))
    assert "\n" not in str(raised.value)


def test_a_safetensors_file_serves_too_and_is_not_kept_beside_the_model(tmp_path):
    own = saved("test_vit", tmp_path / "weights.pth")
    save_file(own.state_dict(), tmp_path / "weights.safetensors")
    embedding = build_backbone("timm:test_vit", str(tmp_path / "weights.safetensors")).layers[0][1]
    assert torch.equal(embedding.model.patch_embed.proj.weight, own.patch_embed.proj.weight)
    assert not embedding.model.pretrained_cfg.get("state_dict")


def test_building_it_draws_no_random_numbers_of_the_run():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_backbone("timm:test_vit", None)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_timm_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("model.timm_models.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[timm\]'$"):
        build_backbone("timm:test_vit", None)
