"""probe on hosts it has never seen: other orders of channels, extras in between, pooled scales, a shared encoder."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, InputError, SelfContrastiveAuxiliary, probe
from selfcontrast.attach.probe import probing
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.maps import Trace
from selfcontrast.attach.probe.trace import trace

WIDTH = 8


class Stranger(nn.Module):
    """A host whose comparison takes its parts in any order, at one or more scales."""

    def __init__(self, order: str, scales: tuple[int, ...] = (), shared: bool = False, own_loss: bool = False) -> None:
        super().__init__()
        self.order, self.scales, self.shared, self.own_loss = order, scales, shared, own_loss
        self.stem = nn.Conv2d(3, WIDTH, 4, 4)
        self.deep = nn.Sequential(nn.Conv2d(WIDTH, 3 * WIDTH, 3, 2, 1), nn.ReLU())
        self.query_side = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 1), nn.ReLU(), nn.Dropout2d(0.5))
        self.support_side = self.query_side if shared else nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 1), nn.Sigmoid())
        width = WIDTH * (1 + order.count("p")) + order.count("x") + 3 * order.count("c")
        self.mix = nn.ModuleList(nn.Sequential(nn.Conv2d(width, 12, 1), nn.ReLU()) for _ in scales or (1,))
        self.side = nn.ModuleList(nn.Conv2d(12, 2, 1) for _ in scales)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, support: Tensor, support_mask: Tensor, query: Tensor, mask: Tensor) -> Tensor:
        prototype = self.prototype(support, support_mask)
        stem = self.stem(query)
        self.deep(stem)
        features = self.query_side(stem)
        similarity = torch.sigmoid((features * prototype).sum(1, keepdim=True))
        merged = []
        for mix, scale in zip(self.mix, self.scales or (features.shape[2],), strict=True):
            pooled = F.adaptive_avg_pool2d(features, scale)
            constant = torch.linspace(0, 1, scale).expand(len(query), 3, scale, scale)
            parts = {
                "f": pooled,
                "p": prototype.expand(-1, -1, scale, scale),
                "x": F.adaptive_avg_pool2d(similarity, scale),
                "c": constant,
            }
            merged.append(mix(torch.cat([parts[part] for part in self.order], 1)))
        size = features.shape[2:]
        logits = [side(one) for side, one in zip(self.side, merged, strict=False)]
        logits.append(self.last(sum(F.interpolate(one, size) for one in merged)))
        if not self.own_loss:
            return logits[-1]
        big = [F.interpolate(one, mask.shape[1:], mode="bilinear", align_corners=True) for one in logits]
        return sum(F.cross_entropy(one, mask, ignore_index=255) for one in big)

    def prototype(self, support: Tensor, support_mask: Tensor) -> Tensor:
        features = self.support_side(self.stem(support))
        weight = F.adaptive_avg_pool2d(support_mask[:, None].float(), features.shape[2:])
        return (features * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=0.1)


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 4:20, 8:28] = 1
    return torch.rand(2, 3, 32, 32), mask.flip(2), torch.rand(2, 3, 32, 32), mask


@pytest.mark.parametrize(
    ("order", "prototype", "prior"),
    [
        ("fpx", "C:2C", "2C:"),
        ("pf", ":C", None),
        ("xpf", "1:9", ":1"),
        ("pxf", ":C", "C:9"),
        ("fxp", "9:", "C:9"),
        ("fcpx", "11:19", "19:"),
        ("fppx", "C:3C", "3C:"),
    ],
)
def test_any_order_of_channels_is_found(order: str, prototype: str, prior: str | None) -> None:
    host = probe(Stranger(order).train(), *batch())
    assert host.entries == (Entry("mix.0", prototype, prior),)
    assert host.features == "query_side" and host.high_level == "deep"
    assert host.exits == (Exit("last"),) and host.mask == "mask"


def test_pooled_scales_are_one_entry_with_a_star() -> None:
    host = probe(Stranger("fpx", scales=(8, 4, 2), own_loss=True).train(), *batch())
    assert host.entries == (Entry("mix.*", "C:2C", "2C:"),)
    assert set(host.exits) == {Exit("side.*"), Exit("last")}


def test_a_shared_encoder_that_sees_the_support_first() -> None:
    host = probe(Stranger("pf", shared=True).train(), *batch())
    assert host.features == "query_side#1" and host.high_level == "deep"


def test_features_are_read_behind_the_dropout() -> None:
    model = Stranger("fp").train()
    attachment = SelfContrastiveAuxiliary().attach(model, probe(model, *batch()))
    seen = []
    # Behind the entry's own hooks, which are put on for each pass.
    model.mix[0][0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(*batch())
    features, prototype_map = seen[0][2:, :WIDTH], seen[0][2:, WIDTH:]
    assert attachment.contrast is not None
    torch.testing.assert_close(prototype_map, attachment.contrast.prototype_map)
    dropped = (features == 0).all(3).all(2)
    assert dropped.any() and (prototype_map.amax((2, 3))[dropped] == 0).all()


def test_the_printed_host_is_the_returned_one(capsys: pytest.CaptureFixture[str]) -> None:
    host = probe(Stranger("fpx", scales=(8, 4)).train(), *batch())
    printed = capsys.readouterr().out
    code = printed[: printed.index("\n)") + 2]
    assert eval(code, {"Host": Host, "Entry": Entry, "Exit": Exit}) == host
    assert "unsure: high_level is deep" in printed and "taken for a prior mask" in printed
    assert "ok   the pass equals an explicit second comparison" in printed


def test_dead_channels_do_not_shift_the_prototype() -> None:
    model = Stranger("pf").train()
    with torch.no_grad():
        for side in (model.query_side, model.support_side):
            side[0].bias.fill_(3.0)
            side[0].bias[[0, -1]] = -60.0
    model.support_side[1] = nn.ReLU()
    assert probe(model, *batch()).entries == (Entry("mix.0", ":C", None),)


def test_the_model_is_left_as_it_was() -> None:
    model = Stranger("fpx").train()
    images = batch()
    state, numbers = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    probe(model, *images)
    assert torch.equal(numbers, torch.get_rng_state())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    assert all(module.training for module in model.modules())
    hooks = [hook for m in model.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    assert hooks == [] and all("forward" not in vars(module) for module in model.modules())


def test_a_forward_that_a_module_has_of_its_own_comes_back() -> None:
    model = Stranger("fp").train()
    usual = model.deep.forward

    def own(*arguments: Tensor) -> Tensor:
        return usual(*arguments)

    model.deep.forward = own
    probe(model, *batch())
    assert model.deep.forward is own


def test_eval_mode_is_refused() -> None:
    with pytest.raises(InputError, match="model: expected training mode"):
        probe(Stranger("fp").eval(), *batch())


def test_logits_without_a_module_are_asked_for() -> None:
    model = Stranger("fp").train()
    model.last = nn.Conv2d(12, 3, 1)
    with pytest.raises(InputError, match=r"expected a module behind the comparison's start that gives logits"):
        probe(model, *batch())


@pytest.mark.parametrize("deterministic", [True, False])
def test_how_much_equal_forwards_differ_is_measured_where_sums_come_in_any_order(
    deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    purposes: list[str] = []

    def noted(forwards: Forwards, purpose: str, *arguments: Any, **options: Any) -> Trace:
        purposes.append(purpose)
        return trace(forwards, purpose, *arguments, **options)

    monkeypatch.setattr(probing, "trace", noted)
    monkeypatch.setattr(Forwards, "deterministic", deterministic)
    assert probe(Stranger("fp").train(), *batch()).entries == (Entry("mix.0", "C:"),)
    assert purposes.count("runs the model again") == (0 if deterministic else 1)
