"""Cosine hosts: a second forward in which map and foreground prototype take the prototypes' places."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from attached import assert_nothing_is_heard
from hosts import build
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from written_out import explicit_cosine, logits_of

from selfcontrast import Attachment, CosineHost, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.mechanisms.exchange import explicit_exchange
from selfcontrast.attach.mechanisms.query_features import QueryFeatures

QUERY, SUPPORT = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
MASK = torch.zeros(2, 16, 16, dtype=torch.long)
MASK[:, 4:12, 4:12] = 1


def unit(tensor: Tensor) -> Tensor:
    return F.normalize(tensor, dim=1)


def spread(prototypes: Tensor) -> Tensor:
    return prototypes[..., None, None]


def two_cosines(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    return torch.stack([F.cosine_similarity(features, spread(one)) for one in (back, fore)], 1)


def episode_by_episode(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    pairs = zip(features.split(1), back.split(1), fore.split(1), strict=True)
    return torch.cat([two_cosines(*one) for one in [*pairs][::-1]][::-1])


def by_matmul(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    flat = unit(features).flatten(2)
    both = [unit(one)[:, None] @ flat for one in (back, fore)]
    return torch.cat(both, 1).unflatten(2, features.shape[2:])


def by_kernels(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    images = zip(unit(features).split(1), back.split(1), fore.split(1), strict=True)
    return torch.cat([torch.cat([F.conv2d(own, spread(unit(one))) for one in both], 1) for own, *both in images])


def by_distance(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    return torch.stack([-(features - spread(one)).square().sum(1) for one in (back, fore)], 1)


def by_cdist(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    tokens = features.flatten(2).transpose(1, 2)
    distances = [-torch.cdist(tokens, one[:, None]) for one in (back, fore)]
    return torch.cat(distances, 2).transpose(1, 2).unflatten(2, features.shape[2:])


def both_in_one(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    return torch.einsum("bchw,bkc->bkhw", unit(features), torch.stack([unit(back), unit(fore)], 1))


def background_by_kernels(features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
    """ALPNet where no cell lies in the object: its foreground is a cosine, its background a convolution."""
    rows = zip(unit(features).split(1), features.split(1), back.split(1), fore.split(1), strict=True)
    scores = [(F.conv2d(own, spread(unit(b))), F.cosine_similarity(raw, spread(f))[:, None]) for own, raw, b, f in rows]
    return torch.cat([torch.cat(one, 1) for one in scores])


# How a host compares, and the places of background and foreground among its similarities.
COMPARISONS: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], int, int]] = {
    "cosine": (two_cosines, 0, 1),
    "episode by episode, the last one first": (episode_by_episode, 0, 1),
    "matmul": (by_matmul, 0, 1),
    "kernels": (by_kernels, 0, 1),
    "distance": (by_distance, 0, 1),
    "cdist": (by_cdist, 0, 1),
    "both in one": (both_in_one, 0, 0),
    "background by kernels": (background_by_kernels, 0, 1),
}


class Compares(nn.Module):
    """The smallest host with prototypes of both classes; `joint` passes support and query together."""

    def __init__(self, comparison: str = "cosine", joint: bool = True) -> None:
        super().__init__()
        self.encoder, self.scale = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.full((), 5.0))
        self.comparison, self.joint = comparison, joint

    def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.joint:
            shown, features = self.encoder(torch.cat([support, query])).split([len(support), len(query)])
        else:
            shown, features = self.encoder(support), self.encoder(query)
        return features, shown[:, :, :2].mean((2, 3)), shown[:, :, 2:].mean((2, 3))

    def compare(self, features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
        return self.scale * COMPARISONS[self.comparison][0](features, back, fore)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.compare(*self.encode(query, support))
        return logits.argmax(1), F.interpolate(logits, query.shape[2:], mode="bilinear", align_corners=True)


def host(model: Compares, **changes: Any) -> CosineHost:
    call = "encoder" if model.joint else "encoder#1"
    _, background, foreground = COMPARISONS[model.comparison]
    return replace(CosineHost(call, call, foreground, background, output="[1]", mask="mask"), **changes)


def attach(model: nn.Module, described: CosineHost) -> Attachment:
    generator = torch.Generator().manual_seed(0)
    return SelfContrastiveAuxiliary(weight=1.0, num_prototypes=2, generator=generator).attach(model, described)


def pixel_by_pixel(model: Compares, features: Tensor, fore: Tensor, its_map: Tensor) -> Tensor:
    """(B, 2, h, w): each pixel compared alone, with its own vector of the map in the foreground's place."""
    height, width = features.shape[2:]
    rows = [
        torch.cat(
            [model.compare(features[:, :, y : y + 1, x : x + 1], fore, its_map[:, :, y, x]) for x in range(width)], 3
        )
        for y in range(height)
    ]
    return torch.cat(rows, 2)


def gradients(loss: Tensor, model: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters()), retain_graph=True))


@pytest.mark.parametrize("joint", [True, False], ids=["joint", "apart"])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_logits_and_gradients_are_those_of_a_comparison_pixel_by_pixel(comparison: str, joint: bool) -> None:
    model = Compares(comparison, joint)
    attachment = attach(model, host(model))
    model(QUERY, SUPPORT, MASK)
    contrast = attachment.contrast
    assert contrast is not None and isinstance(contrast.logits, Tensor)
    features, _, fore = model.encode(QUERY, SUPPORT)
    expected = pixel_by_pixel(model, features, fore, contrast.prototype_map)
    expected = F.interpolate(expected, QUERY.shape[2:], mode="bilinear", align_corners=True)
    torch.testing.assert_close(contrast.logits, expected)
    found, wanted = (gradients(one.square().mean(), model) for one in (contrast.logits, expected))
    torch.testing.assert_close(found, wanted)
    assert all(one.abs().sum() > 0 for one in found)


@pytest.mark.parametrize("comparison", [name for name in COMPARISONS if name not in ("distance", "cdist")])
def test_without_an_output_the_similarities_themselves_are_the_logits(comparison: str) -> None:
    model = Compares(comparison)
    attachment = attach(model, host(model, output=None, scale=5.0))
    model(QUERY, SUPPORT, MASK)
    contrast = attachment.contrast
    assert contrast is not None
    features, _, fore = model.encode(QUERY, SUPPORT)
    torch.testing.assert_close(contrast.logits, pixel_by_pixel(model, features, fore, contrast.prototype_map))


def counted(module: nn.Module) -> list[int]:
    """Grows whenever the module computes."""
    forward, ran = module.forward, list[int]()
    module.forward = lambda images: ran.append(1) or forward(images)
    return ran


def test_the_encoder_runs_once_and_the_host_keeps_no_trace() -> None:
    class Counts(Compares):
        steps = 0

        def compare(self, features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
            self.steps += 1
            return super().compare(features, back, fore)

    model = Counts()
    attachment, ran = attach(model, host(model)), counted(model.encoder)
    model(QUERY, SUPPORT, MASK)
    assert len(ran) == 1 and model.steps == 1
    assert_nothing_is_heard(attachment)


def test_a_comparison_inside_a_module_does_not_make_the_encoder_run_again() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Compares()

        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Any:
            return self.inner(query, support, mask)

    model = Outer()
    ran = counted(model.inner.encoder)
    attachment = attach(model, replace(host(model.inner), features="inner.encoder", high_level="inner.encoder"))
    model(QUERY, SUPPORT, MASK)
    assert attachment.contrast is not None and len(ran) == 1


def test_the_explicit_exchange_runs_everything_anew() -> None:
    model = Compares()
    described = host(model)
    attachment = attach(model, described)
    model(QUERY, SUPPORT, MASK)
    assert attachment.query is not None
    ran = counted(model.encoder)
    (found,) = explicit_exchange(model, described, attachment.query, (QUERY, SUPPORT, MASK), {})
    assert len(ran) == 2 and found.weight == 1.0
    torch.testing.assert_close(found.logits, logits_of(attachment.contrast)[0])
    ours, theirs = (gradients(one.square().mean(), model) for one in (logits_of(attachment.contrast)[0], found.logits))
    torch.testing.assert_close(ours, theirs)


class Threshold(nn.Module):
    """F6 of cases/hosts.md: a prototype of the foreground alone, and a learned threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.t = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.zeros(()))

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        prototype = self.encoder(support).mean((2, 3), keepdim=True)
        fore = torch.sigmoid(10 * F.cosine_similarity(self.encoder(query), prototype, dim=1) + self.t)
        return torch.stack([1 - fore, fore], 1)


THRESHOLD = CosineHost("encoder#1", "encoder#1", 0, None, output="", output_holds="probabilities")


def test_a_learned_threshold_takes_part() -> None:
    model = Threshold()
    attachment = attach(model, THRESHOLD)
    with attachment.episode(MASK):
        assert all(finding.holds for finding in attachment.check(QUERY, SUPPORT))
        model(QUERY, SUPPORT)
    contrast = attachment.contrast
    assert contrast is not None
    cosine = F.cosine_similarity(model.encoder(QUERY), contrast.prototype_map)
    fore = torch.sigmoid(10 * cosine + model.t)
    torch.testing.assert_close(contrast.logits, torch.stack([1 - fore, fore], 1).log())
    attachment.blend(torch.zeros(())).backward()
    assert model.t.grad is not None and model.t.grad != 0


def test_probabilities_of_nothing_have_a_logarithm() -> None:
    model = Threshold()
    with torch.no_grad():
        model.t.fill_(-1000.0)
    attachment = attach(model, THRESHOLD)
    with attachment.episode(MASK):
        model(QUERY, SUPPORT)
    assert torch.isfinite(logits_of(attachment.contrast)[0]).all()
    attachment.blend(torch.zeros(())).backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)


def test_without_an_output_check_says_that_the_logits_are_unproven() -> None:
    model = Compares()
    attachment = attach(model, host(model, output=None, scale=5.0))
    claims = {finding.claim: finding.holds for finding in attachment.check(QUERY, SUPPORT, MASK)}
    assert claims["the pass equals an explicit second comparison"] is None


class TwoScales(nn.Module):
    """Each scale with features of its own; the joint pass goes through both."""

    def __init__(self) -> None:
        super().__init__()
        self.shallow, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 12, 2, 2)

    def score(self, query: Tensor, prototype: Tensor, size: Any) -> Tensor:
        return F.interpolate(5 * F.cosine_similarity(query, prototype)[:, None], size)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        shallow = self.shallow(torch.cat([support, query]))
        scales = [one.chunk(2) for one in (shallow, self.deep(shallow))]
        fore = sum(self.score(own, one.mean((2, 3), True), mask.shape[1:]) for one, own in scales)
        return torch.cat([torch.zeros_like(fore), fore], 1)


def test_each_scale_has_a_map_of_its_own() -> None:
    model = TwoScales()
    attachment = attach(model, CosineHost(("shallow", "deep"), "deep", 0, None, output="", mask="mask"))
    model(QUERY, SUPPORT, MASK)
    query = attachment.query
    assert query is not None
    shallow = model.shallow(QUERY)
    scores = [
        model.score(own, query.map_of(call), MASK.shape[1:])
        for own, call in ((shallow, "shallow"), (model.deep(shallow), "deep"))
    ]
    fore = scores[0] + scores[1]
    torch.testing.assert_close(logits_of(attachment.contrast)[0], torch.cat([torch.zeros_like(fore), fore], 1))
    assert query.map_of("deep").shape == (2, 12, 2, 2)


class Tokens(Compares):
    """The encoder gives tokens, a class token first."""

    def __init__(self) -> None:
        super().__init__(joint=False)
        self.encoder = Patches()

    def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shown, tokens = self.encoder(support), self.encoder(query)
        return tokens[:, 1:].transpose(1, 2).reshape(2, 8, 4, 4), shown[:, 1:5].mean(1), shown[:, 5:].mean(1)


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)

    def forward(self, images: Tensor) -> Tensor:
        return F.pad(self.patches(images).flatten(2).transpose(1, 2), (0, 0, 1, 0))


def test_features_that_are_tokens_are_followed() -> None:
    model = Tokens()
    attachment = attach(model, host(model, channels_last=("features", "high_level"), output=None, scale=5.0))
    model(QUERY, SUPPORT, MASK)
    contrast = attachment.contrast
    assert contrast is not None
    features, _, fore = model.encode(QUERY, SUPPORT)
    torch.testing.assert_close(contrast.logits, pixel_by_pixel(model, features, fore, contrast.prototype_map))


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_under_autocast_the_pass_is_that_of_the_host_in_half_precision(comparison: str) -> None:
    model = Compares(comparison)
    attachment = attach(model, host(model))
    with torch.autocast("cpu", torch.bfloat16):
        model(QUERY, SUPPORT, MASK)
        contrast = attachment.contrast
        assert contrast is not None
        features, _, fore = model.encode(QUERY, SUPPORT)
        expected = pixel_by_pixel(model, features, fore, contrast.prototype_map)
        expected = F.interpolate(expected, QUERY.shape[2:], mode="bilinear", align_corners=True)
    assert features.dtype == torch.bfloat16
    torch.testing.assert_close(logits_of(contrast)[0].float(), expected.float(), rtol=0.02, atol=0.02)
    attachment.blend(torch.zeros(())).backward()
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in model.parameters())


class Checkpointed(Compares):
    """With activation checkpointing of the encoder, or of the comparison."""

    def __init__(self, part: str) -> None:
        super().__init__(joint=True)
        self.part = part

    def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.part == "encoder":
            found: Any = checkpoint(self.encoder, torch.cat([support, query]), use_reentrant=False)
            shown, features = found.chunk(2)
            return features, shown[:, :, :2].mean((2, 3)), shown[:, :, 2:].mean((2, 3))
        return super().encode(query, support)

    def compare(self, features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
        if self.part == "comparison":
            return checkpoint(super().compare, features, back, fore, use_reentrant=False)
        return super().compare(features, back, fore)


def test_a_checkpointed_encoder_learns_the_same() -> None:
    learned = []
    for part in ("encoder", "nothing"):
        torch.manual_seed(0)
        model = Checkpointed(part)
        attachment = attach(model, host(model))
        attachment.blend(model(QUERY, SUPPORT, MASK)[1].square().mean()).backward()
        learned.append([one.grad for one in model.parameters()])
    torch.testing.assert_close(*learned)


def test_a_checkpointed_comparison_is_refused() -> None:
    model = Checkpointed("comparison")
    attachment = attach(model, host(model))
    with pytest.raises(InputError, match=r"cosine_similarity: expected a comparison outside torch\.utils\.checkpoint"):
        model(QUERY, SUPPORT, MASK)
    assert_nothing_is_heard(attachment)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("comparison", ["cosine", "both in one"])
def test_a_model_compiled_after_its_attachment_learns_the_same(
    no_shape_checks: ModuleType, fresh_compiler: None, comparison: str
) -> None:
    learned = []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = Compares(comparison)
        described = no_shape_checks.CosineHost(**vars(host(model)))
        generator = torch.Generator().manual_seed(0)
        attachment = no_shape_checks.SelfContrastiveAuxiliary(iterations=1, generator=generator).attach(
            model, described
        )
        called = torch.compile(model, backend="aot_eager") if compiled else model
        for _ in range(2):
            loss = attachment.blend(called(QUERY, SUPPORT, MASK)[1].square().mean())
            loss.backward()
        learned.append([loss, *(one.grad for one in model.parameters())])
    torch.testing.assert_close(*learned, rtol=1e-4, atol=1e-5)


def test_modes_that_the_host_enters_around_its_encoder_are_left_in_their_order() -> None:
    class Placed(Compares):
        def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            with torch.device("cpu"):
                return super().encode(query, support)

    model = Placed()
    attachment = attach(model, host(model))
    model(QUERY, SUPPORT, MASK)
    features, _, fore = model.encode(QUERY, SUPPORT)
    assert attachment.contrast is not None
    expected = pixel_by_pixel(model, features, fore, attachment.contrast.prototype_map)
    expected = F.interpolate(expected, QUERY.shape[2:], mode="bilinear", align_corners=True)
    torch.testing.assert_close(attachment.contrast.logits, expected)
    assert_nothing_is_heard(attachment)


def test_several_queries_an_episode_get_their_own_maps() -> None:
    small = build("panet")
    supports, fore, back, queries = small.arguments
    small.arguments = supports, fore, back, [*queries, torch.randn(2, 3, 32, 32)]
    small.mask = torch.cat([small.mask, small.mask.flip(1)])
    attachment = small.attach()
    small.step(attachment)
    attachment.auxiliary.eval()
    assert attachment.contrast is not None
    expected = explicit_cosine(small, attachment.contrast.prototype_map)
    torch.testing.assert_close(logits_of(attachment.contrast)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("silent", [True, False])
def test_the_alignment_branch_may_come_and_go(silent: bool) -> None:
    """It is skipped where the query's prediction holds no foreground: no fixed count of calls finds the query."""
    small = build("panet")
    attachment = small.attach()
    with torch.no_grad():
        # A prediction of nothing but background, or of much foreground.
        small.arguments[1][0][0].mul_(0 if silent else 1)
    small.step(attachment)
    attachment.auxiliary.eval()
    assert attachment.contrast is not None
    expected = explicit_cosine(small, attachment.contrast.prototype_map)
    torch.testing.assert_close(logits_of(attachment.contrast)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("switch", ["training", "judged"])
def test_the_host_s_own_losses_are_left_out_of_the_second_forward(switch: str) -> None:
    class Judges(Compares):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor, judged: bool = False) -> tuple[Tensor, Tensor]:
            if judged if switch == "judged" else self.training:
                losses.append(self.encoder.training)
            return super().forward(query, support, mask)

    losses = list[bool]()
    model = Judges()
    attachment = attach(model, host(model, losses_off=switch))
    attachment.blend(model(QUERY, SUPPORT, MASK, True)[1].mean())
    assert losses == [True] and model.training and attachment.contrast is not None
    attachment.blend(model(QUERY, support=SUPPORT, mask=MASK, judged=True)[1].mean())
    assert losses == [True, True]


def test_arguments_that_the_host_fills_are_filled_once() -> None:
    class Fills(Compares):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor, queue: list[int]) -> tuple[Tensor, Tensor]:
            queue.append(len(queue))
            return super().forward(query, support, mask)

    model, queue = Fills(), [0]
    attach(model, host(model))
    model(QUERY, SUPPORT, MASK, queue)
    assert queue == [0, 1]


def test_support_encoded_and_compared_first_does_not_count() -> None:
    class First(Compares):
        def encode(self, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            shown = self.encoder(support)
            two_cosines(shown, shown.mean((2, 3)), support.mean((2, 3)).repeat(1, 3)[:, :8])
            return self.encoder(query), shown[:, :, :2].mean((2, 3)), shown[:, :, 2:].mean((2, 3))

    model = First(joint=False)
    attachment = attach(model, host(model, features="encoder#-1", high_level="encoder#-1"))
    model(QUERY, SUPPORT, MASK)
    contrast = attachment.contrast
    assert contrast is not None
    features, _, fore = model.encode(QUERY, SUPPORT)
    expected = pixel_by_pixel(model, features, fore, contrast.prototype_map)
    expected = F.interpolate(expected, QUERY.shape[2:], mode="bilinear", align_corners=True)
    torch.testing.assert_close(contrast.logits, expected)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another call": ({"features": "encoder#0", "high_level": "encoder#0"}, "got 0 of them .*none"),
    "a place too far": ({"foreground": 2}, r"host\.foreground: expected a similarity of each of the 2 query.*place 2"),
    "a background too far": ({"background": 7}, r"host\.background: .*place 7.*cosine_similarity, cosine_similarity"),
    "both at one place": ({"background": 1}, r"host\.background: expected another place than the foreground's"),
    "no tensor": ({"output": "[2]"}, r"host\.output: expected a tensor"),
    "a prediction": ({"output": "[0]"}, r"host\.output: expected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_an_error_that_names_it(name: str) -> None:
    changes, message = WRONG[name]
    model = Compares(joint=False)
    attachment = attach(model, host(model, **changes))
    with pytest.raises(InputError, match=message):
        model(QUERY, SUPPORT, MASK)
    assert attachment.contrast is None
    assert_nothing_is_heard(attachment)


def test_without_a_background_an_output_is_needed() -> None:
    model = Compares()
    with pytest.raises(InputError, match=r"host\.output: expected the item .* no background prototype"):
        attach(model, host(model, output=None, background=None))


@pytest.mark.parametrize("comparison", ["distance", "cdist"])
def test_logits_that_the_host_makes_of_distances_need_an_output(comparison: str) -> None:
    model = Compares(comparison)
    attach(model, host(model, output=None))
    with pytest.raises(InputError, match=r"host\.output: expected the item of the forward's output"):
        model(QUERY, SUPPORT, MASK)


@pytest.mark.parametrize("joint", [True, False])
def test_a_mask_of_fewer_images_than_the_forward_is_refused(joint: bool) -> None:
    model = Compares(joint=joint)
    attachment = attach(model, host(model, mask=None))
    with pytest.raises(InputError, match=r"of the 1 query images.*give a mask for each"), attachment.episode(MASK[:1]):
        model(QUERY, SUPPORT, MASK)


@pytest.mark.parametrize("second", [False, True], ids=["in the host's forward", "in the second forward"])
def test_an_error_in_either_forward_leaves_nothing(second: bool) -> None:
    class Fails(Compares):
        left = 1 + second

        def compare(self, features: Tensor, back: Tensor, fore: Tensor) -> Tensor:
            scores = super().compare(features, back, fore)
            self.fail()
            return scores

        def fail(self) -> None:
            Fails.left -= 1
            if Fails.left == 0:
                raise ArithmeticError("in the host")

    model = Fails()
    attachment = attach(model, host(model))
    with pytest.raises(ArithmeticError, match="in the host"):
        model(QUERY, SUPPORT, MASK)
    assert_nothing_is_heard(attachment)
    assert not vars(model.encoder).get("forward") and attachment.contrast is None
    loss = attachment.blend(model(QUERY, SUPPORT, MASK)[1].square().mean())
    assert torch.isfinite(loss)


@pytest.mark.parametrize("context", [torch.no_grad, nullcontext], ids=["no_grad", "weight 0"])
def test_without_a_pass_nothing_is_listened_to(context: Callable[[], AbstractContextManager[Any]]) -> None:
    model = Compares()
    attachment, heard = attach(model, host(model)), list[Any]()
    if context is nullcontext:
        attachment.auxiliary.weight = 0.0
    model.encoder.register_forward_hook(lambda *_: heard.append(torch.overrides._get_current_function_mode()))
    with context():
        model(QUERY, SUPPORT, MASK)
    assert heard == [None]


def test_the_query_of_an_attachment_is_one_forward_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second forward must not read features anew: those of the pass are the first's."""
    model, reads = Compares(), list[str]()
    attachment = attach(model, host(model))
    plain = QueryFeatures.rows
    monkeypatch.setattr(QueryFeatures, "rows", lambda own, tensor: reads.append("") or plain(own, tensor))
    model(QUERY, SUPPORT, MASK)
    assert len(reads) == 2 and attachment.contrast is not None
