"""timm's models cut into five layers: the features are timm's own. Tiny models without weights; no network."""

import pytest
import timm
import torch
from model.backbones import build_backbone
from model.pfenet import PFENet
from model.timm_backbone import IMAGENET_MEAN, IMAGENET_STD

# A ViT with a class token, one of DINOv3's kind with registers and rotary positions, and two pyramids.
TRANSFORMERS = {"test_vit": 64, "vit_tiny_patch16_dinov3_qkvb": 64}
PYRAMIDS = {"test_convnext": 64, "test_resnet": 65}


def saved(name, path):
    """timm's model with random weights, which lie in a file too."""
    torch.manual_seed(0)
    model = timm.create_model(name).eval()
    torch.save(model.state_dict(), path)
    return model


def seen_by(model, images):
    """Images that were normalised by ImageNet's mean and deviation, as the model's own."""
    mean, std, own_mean, own_std = (
        torch.tensor(one).view(3, 1, 1)
        for one in (IMAGENET_MEAN, IMAGENET_STD, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])
    )
    return (images * std + mean - own_mean) / own_std


@torch.no_grad()
def levels(backbone, images):
    """What PFENet reads: the maps of layer2, layer3 and layer4, by way of the model itself."""
    model = PFENet(backbone, 16, (4, 2)).eval()
    mid, layer3 = model.mid_level(images)
    return mid, layer3, model.layer4(layer3), model


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformers_layers_are_its_own_intermediate_features(name, tmp_path):
    own, images = saved(name, tmp_path / "weights.pth"), torch.randn(2, 3, 64, 64)
    backbone = build_backbone(f"timm:{name}", str(tmp_path / "weights.pth"))
    mid, _, high_level, _ = levels(backbone, images)
    own.set_input_size(img_size=(64, 64))
    depth = len(own.blocks)
    ends = [round(depth * quarter / 4) - 1 for quarter in (2, 3, 4)]
    with torch.no_grad():
        half, later, last = own.forward_intermediates(
            seen_by(own, images), indices=ends, norm=True, intermediates_only=True
        )
    assert mid.shape == (2, backbone.mid_channels, 4, 4) and backbone.patch == 16
    assert torch.allclose(mid, torch.cat([later, half], 1), atol=1e-4)
    assert torch.allclose(high_level, last, atol=1e-4)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_a_pyramids_layers_are_its_own_features(name, tmp_path):
    saved(name, tmp_path / "weights.pth")
    images = torch.randn(2, 3, PYRAMIDS[name], PYRAMIDS[name])
    own = timm.create_model(
        name,
        features_only=True,
        output_stride=16,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "weights.pth")},
    ).eval()
    backbone = build_backbone(f"timm:{name}", str(tmp_path / "weights.pth"))
    with torch.no_grad():
        *_, second, third, fourth = own(seen_by(own, images))
    mid, layer3, high_level, _ = levels(backbone, images)
    assert torch.allclose(layer3, third, atol=1e-4) and torch.allclose(high_level, fourth, atol=1e-4)
    assert mid.shape[1] == second.shape[1] + third.shape[1] == backbone.mid_channels
    assert third.shape[2] == fourth.shape[2] == -(-PYRAMIDS[name] // 16)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_pfenet_on_it_masks_supports_trains_and_keeps_it_frozen(name):
    torch.manual_seed(0)
    model = PFENet(build_backbone(f"timm:{name}", None), 16, (4, 2)).train()
    images, masks = torch.randn(2, 3, 64, 64), torch.zeros(2, 64, 64)
    masks[:, 16:48, 16:48] = 1
    before = {key: value.clone() for key, value in model.state_dict().items() if key.startswith("layer")}
    encoded = model.encode(images, images[:, None], masks[:, None])
    logits = model.compare(encoded.features, encoded.prototype_map, encoded.prior)
    model.loss(logits, masks).backward()
    assert not any(p.requires_grad or p.grad is not None for one in model.backbone_layers() for p in one.parameters())
    assert not any(module.training for one in model.backbone_layers() for module in one.modules())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    _, layer3 = model.mid_level(images)
    masked = model.masked_high_level(layer3, masks)
    assert masked[:, :, 0, 0].eq(0).all() and masked[:, :, 2, 2].ne(0).any()
    # As a cache of features does it: each mask with every view.
    repeated = model.masked_high_level(layer3.repeat(2, 1, 1, 1), masks.repeat(2, 1, 1))
    assert torch.allclose(repeated[2:], masked, atol=1e-5)


def test_whole_masks_change_nothing_and_the_class_token_is_never_masked():
    model = PFENet(build_backbone("timm:test_vit", None), 16, (4, 2)).eval()
    with torch.no_grad():
        _, layer3 = model.mid_level(torch.randn(1, 3, 64, 64))
        assert torch.allclose(model.masked_high_level(layer3, torch.ones(1, 64, 64)), model.layer4(layer3), atol=1e-5)
        nothing = layer3 * torch.zeros(1, 1, 4, 4)
    assert nothing.prefix == 1 and torch.equal(nothing.tokens[:, 0], layer3.tokens[:, 0])
    assert nothing.tokens[:, 1:].eq(0).all() and nothing.shape == (1, 64, 4, 4)


@pytest.mark.parametrize(("size", "near"), [(70, "64 or 80"), (8, "16")])
def test_a_size_that_no_patches_fill_is_refused(size, near):
    model = PFENet(build_backbone("timm:test_vit", None), 16, (4, 2)).eval()
    with pytest.raises(ValueError, match=f"size: expected a multiple of 16, .* got {size}; set --size to {near}$"):
        model.mid_level(torch.zeros(1, 3, size, size))
