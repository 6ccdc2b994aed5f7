"""Tokens and maps with their channels last: which grid they are, and hosts whose backbone is a vision transformer."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from host_models import tokens
from hosts import PIXELS, build
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.mechanisms.token_grid import OTHERS, channels_first, channels_last, token_grid

SIDES = st.integers(5, 24)
BEFORE = st.sampled_from((0, 1, 2, 5, 9))


@given(height=SIDES, width=SIDES, patch=st.sampled_from((4, 8, 14, 16)), before=BEFORE)
def test_whole_patches_give_their_grid(height: int, width: int, patch: int, before: int) -> None:
    """Tokens before a grid of a few rows can be another row of it: then none is named."""
    found = token_grid(height * width + before, (height * patch, width * patch))
    assert found == (height, width) or (found is None and before >= min(height, width))


@given(
    image=st.tuples(st.integers(192, 640), st.integers(192, 640)),
    patch=st.sampled_from((8, 14, 16)),
    padded=st.booleans(),
    before=st.sampled_from((0, 1, 5)),
)
def test_images_with_a_rest_give_their_grid_or_none(
    image: tuple[int, int], patch: int, padded: bool, before: int
) -> None:
    height, width = (-(-side // patch) if padded else side // patch for side in image)
    assert token_grid(height * width + before, image) in ((height, width), None)


@pytest.mark.parametrize(("side", "patch"), [(21, 4), (25, 4), (29, 4), (99, 8)])
def test_a_padded_image_gives_the_grid_that_holds_its_last_pixels_too(side: int, patch: int) -> None:
    cells = side // patch + 1
    assert token_grid(cells**2, (side, side)) == (cells, cells)


@given(side=st.integers(5, 40), before=st.integers(0, 9))
def test_a_square_image_always_gives_its_grid(side: int, before: int) -> None:
    assert token_grid(side**2 + before, (14 * side, 14 * side)) == (side, side)


@pytest.mark.parametrize("image", [(224, 224), (224, 448), (448, 224), (320, 480), (480, 640), (476, 630)])
@pytest.mark.parametrize("patch", [14, 16])
def test_usual_sizes(image: tuple[int, int], patch: int) -> None:
    for before in (0, 1, 5):
        height, width = (side // patch for side in image)
        if not any(side % patch for side in image):
            assert token_grid(height * width + before, image) == (height, width)


def test_a_mask_of_other_proportions_than_the_image_is_refused() -> None:
    """The published way: images made square, the query's mask as it was."""
    tokens_of_square = torch.zeros(1, 1 + 37 * 37, 8)
    with pytest.raises(
        InputError, match=r"features: expected tokens of one grid with the proportions of the mask, 375 x 500"
    ):
        channels_first(tokens_of_square, (375, 500), "features")


def test_a_prompt_of_many_tokens_is_refused() -> None:
    assert token_grid(144 + OTHERS, (48, 48)) == (12, 12)
    with pytest.raises(InputError, match=r"at most 16 before it, got 161 tokens"):
        channels_first(torch.zeros(1, 144 + OTHERS + 1, 8), (48, 48), "features")


@pytest.mark.parametrize("shape", [(2, 8), (2, 2, 2, 2, 2)])
def test_other_ranks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"features: expected tokens \(B, N, C\) or a map"):
        channels_first(torch.zeros(shape), (32, 32), "features")


@given(height=SIDES, width=SIDES, channels=st.integers(1, 3), rank=st.sampled_from((3, 4)))
def test_there_and_back(height: int, width: int, channels: int, rank: int) -> None:
    image = (4 * height, 4 * width)
    written = torch.arange(2 * height * width * channels).view(2, height, width, channels).float()
    tensor = written if rank == 4 else written.flatten(1, 2)
    read = channels_first(tensor, image, "entries")
    assert torch.equal(read, written.permute(0, 3, 1, 2))
    assert torch.equal(channels_last(read, tensor), tensor)


def test_tokens_before_the_grid_stay_as_they_were() -> None:
    whole = torch.randn(2, 5 + 8 * 6, 3)
    found = channels_last(2 * channels_first(whole, (32, 24), "features"), whole)
    assert torch.equal(found[:, :5], whole[:, :5]) and torch.equal(found[:, 5:], 2 * whole[:, 5:])


def test_one_token_becomes_the_whole_map() -> None:
    """A prototype (B, 1, C) that the host itself spreads over the tokens."""
    one, whole = torch.zeros(2, 1, 8), torch.rand(2, 8, 4, 6)
    assert channels_first(one, (16, 24), "entries").shape == (2, 8, 1, 1)
    assert torch.equal(channels_last(whole, one), whole.flatten(2).transpose(1, 2))


class Whole(nn.Module):
    """A comparison that gets the class token too."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(16, 2)

    def forward(self, x: Tensor, s_x: Tensor, y: Tensor) -> Tensor:
        features, support = (tokens.as_tokens(self.encoder(image)) for image in (x, s_x))
        features = torch.cat([features.mean(1, keepdim=True), features], 1)
        merged = torch.cat([features, support.mean(1, keepdim=True).expand_as(features)], 2)
        return tokens.as_map(self.head(merged)[:, 1:], x)


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_an_entry_with_other_tokens_is_refused_for_they_would_keep_the_support(mechanism: Any) -> None:
    host = Host(
        *("encoder", "encoder", (Entry("head"),), (Exit("head"),), "y"),
        mechanism=mechanism,
        channels_last=("entries", "exits"),
    )
    model = Whole()
    SelfContrastiveAuxiliary().attach(model, host)
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, :9] = 1
    with pytest.raises(InputError, match=r"entry head: expected the grid's tokens alone.*got 1 before them"):
        model(torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32), mask)


NAMES = ("tokens_convolved", "tokens_linear", "tokens_grid")


def cropped(name: str, height: int, width: int) -> Any:
    """The small model's episode cut to another shape."""
    small = build(name).still()
    small.keywords = {key: value[..., :height, :width] for key, value in small.keywords.items()}
    small.mask = small.mask[..., :height, :width]
    return small


@pytest.mark.parametrize("name", [*NAMES, "tokens_cosine"])
@pytest.mark.parametrize(("height", "width"), [(32, 24), (20, 32), (24, 16)])
def test_images_that_are_not_square(name: str, height: int, width: int) -> None:
    small = cropped(name, height, width)
    attachment = small.attach()
    assert all(finding.holds for finding in attachment.check(**small.keywords))
    small.step(attachment)
    assert attachment.contrast is not None
    assert attachment.contrast.prototype_map.shape[2:] == (height // tokens.PATCH, width // tokens.PATCH)
    prior = lambda prior: torch.full_like(prior, 0.5)  # noqa: E731
    (expected,) = small.model.explicit(attachment.contrast.prototype_map, prior, **small.keywords)
    assert isinstance(attachment.contrast.logits, Tensor)
    torch.testing.assert_close(attachment.contrast.logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_regions_and_prototypes_are_those_of_the_grid_without_class_token_and_registers(name: str) -> None:
    """Changed registers change the features, through attention; taken for a part of the grid they would be in it."""
    small = cropped(name, 32, 24)
    attachment = small.attach()
    with torch.no_grad():
        features = small.model.encode(*(small.keywords[key] for key in ("x", "s_x", "s_y")))[0]
    small.step(attachment)
    contrast = attachment.contrast
    assert contrast is not None and contrast.labels.shape[1:] == features.shape[2:] == (8, 6)
    for image, prototypes in enumerate(contrast.prototypes):
        for region, prototype in enumerate(prototypes):
            inside = contrast.regions[image, region].bool()
            if inside.any():
                torch.testing.assert_close(prototype, features[image][:, inside].mean(1), rtol=1e-3, atol=1e-3)


def test_a_replay_of_tokens_is_the_fold() -> None:
    logits: list[Tensor] = []
    for mechanism in ("fold", "replay"):
        torch.manual_seed(0)
        small = build("tokens_linear")
        small.host = replace(tokens.LINEAR, mechanism=mechanism)
        attachment = small.attach(generator=torch.Generator().manual_seed(0))
        small.step(attachment)
        assert attachment.contrast is not None and isinstance(attachment.contrast.logits, Tensor)
        logits.append(attachment.contrast.logits)
    torch.testing.assert_close(*logits)


class OnTimm(nn.Module):
    """Features of a library's transformer as its users take them: `forward_features`, prefix tokens cut off."""

    def __init__(self, backbone: nn.Module, channels: int) -> None:
        super().__init__()
        self.backbone, self.down = backbone.requires_grad_(False), nn.Linear(channels, 8)
        self.merge, self.head = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 2, 1)

    def patches(self, image: Tensor) -> Tensor:
        return self.backbone.forward_features(image)[:, self.backbone.num_prefix_tokens :]

    def forward(self, x: Tensor, s_x: Tensor, y: Tensor) -> Tensor:
        grid = (x.shape[2] // 14, x.shape[3] // 14)
        features, support = (self.down(self.patches(image)).transpose(1, 2).unflatten(2, grid) for image in (x, s_x))
        merged = torch.cat([features, support.mean((2, 3), keepdim=True).expand_as(features)], 1)
        return self.head(self.merge(merged).relu())


@pytest.mark.parametrize("kind", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_a_transformer_of_timm(kind: str) -> None:
    timm = pytest.importorskip("timm")
    backbone = timm.create_model(
        *(kind,), pretrained=False, img_size=112, embed_dim=16, depth=1, num_heads=2, dynamic_img_size=True
    )
    model = OnTimm(backbone, 16)
    host = Host(
        *("down#0", "backbone.norm#0", (Entry("merge"),), (Exit("head"),), "y"),
        channels_last=("features", "high_level"),
    )
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    image, mask = torch.randn(2, 2, 3, 112, 168), torch.zeros(2, 112, 168, dtype=torch.long)
    mask[:, 10:80, 20:100] = 1
    report = attachment.check(image[:, 0], image[:, 1], mask)
    assert all(finding.holds for finding in report)
    model(image[:, 0], image[:, 1], mask)
    assert attachment.contrast is not None and attachment.contrast.labels.shape == (2, 8, 12)


def test_the_small_transformer_has_the_pattern_of_dinov2() -> None:
    backbone, seen = tokens.Transformer(), list[tuple[int, ...]]()
    backbone.norm.register_forward_hook(lambda _, args, output: seen.append(tuple(output.shape)))
    found = backbone.forward_features(torch.randn(2, 3, PIXELS, 24))
    assert seen == [(2, 1 + 4 + 8 * 6, tokens.D)] and found["x_norm_patchtokens"].shape == (2, 48, tokens.D)
