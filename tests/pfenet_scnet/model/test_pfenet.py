import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model.backbones import build_backbone
from model.pfenet import PFENet, _cross_entropy, _prior_mask, upsample
from tiny_backbone import tiny_backbone

from selfcontrast import SelfContrastiveAuxiliary

PUBLISHED_HEAD = {
    "down_query.0.weight": (256, 1536, 1, 1),
    "down_supp.0.weight": (256, 1536, 1, 1),
    **{f"init_merge.{i}.0.weight": (256, 513, 1, 1) for i in range(4)},
    **{f"beta_conv.{i}.{j}.weight": (256, 256, 3, 3) for i in range(4) for j in (0, 2)},
    **{f"inner_cls.{i}.0.weight": (256, 256, 3, 3) for i in range(4)},
    **{f"inner_cls.{i}.3.weight": (2, 256, 1, 1) for i in range(4)},
    **{f"inner_cls.{i}.3.bias": (2,) for i in range(4)},
    **{f"alpha_conv.{i}.0.weight": (256, 512, 1, 1) for i in range(3)},
    "res1.0.weight": (256, 1024, 1, 1),
    "res2.0.weight": (256, 256, 3, 3),
    "res2.2.weight": (256, 256, 3, 3),
    "cls.0.weight": (256, 256, 3, 3),
    "cls.3.weight": (2, 256, 1, 1),
    "cls.3.bias": (2,),
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return PFENet(tiny_backbone(), channels=16, scales=(6, 3))


@pytest.fixture
def episode():
    torch.manual_seed(1)
    mask = torch.zeros(2, 48, 48, dtype=torch.long)
    mask[:, 10:30, 12:40] = 1
    mask[:, :, -1] = 255
    supports, support_masks = torch.rand(2, 3, 3, 48, 48), mask[:, None].repeat(1, 3, 1, 1)
    return torch.rand(2, 3, 48, 48), supports, support_masks, mask


def test_names_and_shapes_are_the_published_models():
    state = PFENet(build_backbone("resnet50", weights=None)).state_dict()
    head = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("layer")}
    assert head == PUBLISHED_HEAD
    backbone = {"layer0.0.weight": (64, 3, 3, 3), "layer0.6.weight": (128, 64, 3, 3), "layer0.7.running_var": (128,)}
    backbone |= {"layer4.2.conv3.weight": (2048, 512, 1, 1), "layer3.0.downsample.0.weight": (1024, 512, 1, 1)}
    assert {key: tuple(state[key].shape) for key in backbone} == backbone
    assert len(state) == 365


def test_prototype_is_the_masked_average_with_the_published_constant(model, episode):
    query, supports, support_masks, _ = episode
    model.eval()
    with torch.no_grad():
        layer2 = model.layer2(model.layer1(model.layer0(supports[:, 0])))
        layer3 = model.layer3(layer2)
        joined = torch.cat([layer3, F.interpolate(layer2, layer3.shape[2:], mode="bilinear", align_corners=True)], 1)
        features = model.down_supp(joined).numpy()
        weights = F.interpolate(
            (support_masks[:, :1] == 1).float(), layer3.shape[2:], mode="bilinear", align_corners=True
        ).numpy()
        expected = np.array([(f * w).sum((1, 2)) / (w.sum() + 0.0005) for f, w in zip(features, weights, strict=True)])
        found = model.encode(query, supports[:, :1], support_masks[:, :1]).prototype_map
    assert np.allclose(found[:, :, 0, 0].numpy(), expected, atol=1e-5)
    assert (found == found[:, :, :1, :1]).all()


def test_prior_is_each_pixels_best_cosine_spread_over_0_to_1(model, episode):
    query, supports, support_masks, _ = episode
    encoded = model.eval().encode(query, supports[:, :1], support_masks[:, :1])
    assert encoded.prior.shape == (2, 1, *encoded.features.shape[2:])
    assert encoded.prior.amin((1, 2, 3)).abs().max() < 1e-6 and (encoded.prior.amax((1, 2, 3)) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("foreground", [(0, 0), (1, 0), (8, 3), (12, 5), (12, 12)])
def test_prior_sees_the_background_of_zeros_as_one_pixel_would(foreground):
    query, support = torch.randn(2, 5, 3, 4), torch.zeros(2, 5, 12)
    # The first query pixel looks away from all foreground: what it finds best is the background, where there is any.
    query[:, :, 0, 0] = torch.eye(5)[0]
    for image, count in zip(support, foreground, strict=True):
        image[:, 12 - count :] = torch.randn(5, count)
        image[0, 12 - count :] = -5
    found = _prior_mask(query, support.view(2, 5, 3, 4))
    for image in range(2):
        cosines = F.cosine_similarity(query[image].flatten(1)[:, :, None], support[image][:, None], dim=0)
        best = cosines.amax(1)
        expected = (best - best.min()) / (best.max() - best.min() + 1e-7)
        assert torch.allclose(found[image].flatten(), expected, atol=1e-5)


def test_five_shots_average_prototypes_and_priors(model, episode):
    query, supports, support_masks, _ = episode
    model.eval()
    together = model.encode(query, supports, support_masks)
    singles = [model.encode(query, supports[:, i : i + 1], support_masks[:, i : i + 1]) for i in range(3)]
    for name in ("prototype_map", "prior"):
        mean = torch.stack([getattr(single, name) for single in singles]).mean(0)
        assert torch.allclose(getattr(together, name), mean, atol=1e-6)


def test_each_cell_of_each_scale_is_compared_with_one_prototype(model, episode):
    seen = []
    model.init_merge[1].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][:, 16:32]))
    halves = torch.zeros(1, 16, 6, 6)
    halves[..., 3:] = 1
    model.eval().compare(torch.rand(1, 16, 6, 6), halves, torch.rand(1, 1, 6, 6))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}


def test_backbone_is_frozen_and_only_live_statistics_move(model, episode):
    for live in (False, True):
        model.live_statistics = live
        before = model.layer2[1].running_mean.clone()
        model.train().encode(*episode[:3])
        assert torch.equal(before, model.layer2[1].running_mean) is not live
    assert not any(p.requires_grad for layer in model.backbone_layers() for p in layer.parameters())


def test_the_backbone_runs_channels_last_and_what_follows_does_not(model, episode):
    extracted = model.extract(*episode[:3])
    for maps in (extracted.mid, extracted.high_level, extracted.support_high_level.flatten(0, 1)):
        assert maps.is_contiguous(memory_format=torch.channels_last)
    encoded = model.reduce(extracted)
    assert all(one.is_contiguous() for one in (encoded.features, *model.compare(encoded.features, *encoded[2:])))


def test_loss_is_the_final_cross_entropy_plus_the_mean_of_the_scales():
    mask = torch.tensor([[[0, 1], [255, 1]]])
    final, fine, coarse = torch.randn(1, 2, 2, 2), torch.randn(1, 2, 2, 2), torch.randn(1, 2, 1, 1)
    loss = PFENet.loss((final, fine, coarse), mask)
    one, two, three = (F.cross_entropy(x, mask, ignore_index=255) for x in (final, fine, coarse.expand(-1, -1, 2, 2)))
    assert torch.allclose(loss, one + (two + three) / 2)


def test_cross_entropy_of_any_margin_is_torchs_and_so_is_its_gradient():
    margins = torch.tensor([0.0, 1e-8, -3.0, 3.0, 30.0, -200.0, 200.0]).repeat(2).requires_grad_()
    target = torch.tensor([0.0, 1.0]).repeat_interleave(7)
    expected = F.binary_cross_entropy_with_logits(margins, target, reduction="none")
    found = _cross_entropy(margins, target)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7)
    gradients = [torch.autograd.grad(one.sum(), margins)[0] for one in (found, expected)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_loss_without_a_labelled_pixel_is_0_with_a_live_graph():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = PFENet.loss((logits, logits), torch.full((1, 6, 6), 255))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


@pytest.mark.parametrize("size", [(13, 7), (4, 9), (1, 1)])
def test_upsampling_is_torchs_bilinear_with_aligned_corners(size):
    maps = torch.randn(2, 3, 4, 5)
    expected = F.interpolate(maps, size, mode="bilinear", align_corners=True)
    assert torch.allclose(upsample(maps, size), expected, atol=1e-6)


def test_half_precision_logits_are_upsampled_in_single():
    maps = torch.randn(1, 2, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upsample(maps, (9, 9)), upsample(maps.float(), (9, 9)))
        assert upsample(maps.bfloat16(), (9, 9)).dtype == torch.float32


def test_self_contrast_uses_the_same_dropped_out_features_and_weights(model, episode):
    query, supports, support_masks, mask = episode
    encoded = model.train().encode(query, supports, support_masks)
    assert (encoded.features.flatten(2).abs().sum(2) == 0).any(), "Dropout2d left whole channels at zero"
    seen = []

    def compare(features, prototype_map, prior):
        seen.append((features, prototype_map, prior))
        return model.compare(features, prototype_map, prior)

    auxiliary = SelfContrastiveAuxiliary()
    main = model.loss(model.compare(*encoded[:1], *encoded[2:]), mask)
    arguments = (encoded.features, encoded.high_level, mask, compare, model.loss)
    auxiliary(main, *arguments, prior=encoded.prior).backward()
    features, prototype_map, prior = seen[0]
    assert features is encoded.features and (prior == 0.5).all()
    dropped = features.flatten(2).abs().sum(2) == 0
    assert (prototype_map.flatten(2).abs().sum(2)[dropped] == 0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_l2_is_the_hosts_whole_loss_on_the_complement(model, episode):
    query, supports, support_masks, mask = episode
    model.eval()
    encoded = model.encode(query, supports, support_masks)
    auxiliary = SelfContrastiveAuxiliary(weight=1.0)
    torch.manual_seed(5)
    arguments = (encoded.features, encoded.high_level, mask, model.compare)
    loss = auxiliary(torch.tensor(3.0), *arguments, model.loss, prior=encoded.prior)
    torch.manual_seed(5)
    contrast = auxiliary.contrast(*arguments, prior=encoded.prior)
    complement = torch.where(mask == 255, 255, 1 - mask)
    assert torch.equal(contrast.target, complement)
    assert torch.allclose(loss, model.loss(contrast.logits, complement))
