"""Every preset on a small model of its published one's shape, against a second comparison written out beside it."""

import copy
import pickle

import pytest
import torch
from attached import leaves
from hosts import BUILDERS, Small, build
from torch import Tensor, nn
from written_out import COUNTERS, logits_of, seeded, written_out

from selfcontrast.attach.presets import PRESETS
from selfcontrast.attach.verify.images import EXCHANGED, REST, SAME

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")
everyone = pytest.mark.parametrize("name", BUILDERS)
WITH_PRIOR = (
    *("pfenet", "scl", "asgnet_pyramid", "bam", "mianet", "msanet", "pfenet2plus", "qgnet", "pmms", "hdmnet", "sccan"),
    *("dcp", "r2net", "ntrenet", "ipmt", "aenet_hdmnet", "aenet_sccan", "aenet_cyctr"),
    "simpropnet",
)
ANY_SHOT = ("pfenet", "hpa", "bam", "msanet", "pfenet2plus", "qgnet", "dcp", "r2net", "panet", "ppnet", "mlc", "ssp")
PASS = "the pass equals an explicit second comparison"
# What `check` rightly leaves open: prototypes made of query and support, and other ways of the support to the logits.
OPEN = {
    "asgnet_pyramid": {EXCHANGED},
    "asgnet_aspp": {EXCHANGED},
    "msanet": {REST},
    "ssp": {PASS},
    "ifa": {PASS},
    "rpt": {EXCHANGED},
    "cyctr": {REST},
    "sccan": {REST},
    "hdmnet": {REST},
    "aenet_hdmnet": {REST},
    "aenet_sccan": {REST},
    "aenet_cyctr": {REST},
    "ipmt": {REST},
    "r2net": {EXCHANGED},
    "fwb": {SAME, REST},
    "crnet": {SAME, EXCHANGED, REST},
}


def complement(mask: Tensor) -> Tensor:
    return torch.where(mask == 255, 255, 1 - mask)


def hooks_of(model: nn.Module) -> list[tuple[str, int]]:
    return [
        (name, len(hooks))
        for name, module in model.named_modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        if hooks
    ]


def test_every_preset_has_a_small_model() -> None:
    assert set(PRESETS) == {name for name in BUILDERS if isinstance(build(name).host, str)}


@everyone
def test_the_check_passes(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    if attachment.host.mask is None:
        with attachment.episode(small.mask):
            report = attachment.check(*small.arguments, **small.keywords)
    else:
        report = attachment.check(*small.arguments, **small.keywords)
    assert len(report) >= 3 and {finding.claim for finding in report if not finding.holds} == OPEN.get(name, set())


@everyone
def test_the_pass_equals_the_second_comparison_written_out(name: str) -> None:
    small = build(name).still()
    attachment = small.attach(num_prototypes=2)
    seeded(small, attachment)
    found, expected = logits_of(attachment.contrast), written_out(small, attachment)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@everyone
def test_the_host_computes_what_it_did_alone(name: str) -> None:
    plain, plugged = build_twice(name)
    expected = seeded(plain.still())
    attachment = plugged.still().attach()
    found = seeded(plugged, attachment)
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    # Running statistics and counts of batches too, of BatchNorm before, inside and behind the comparison.
    torch.testing.assert_close(plugged.model.state_dict(), plain.model.state_dict(), rtol=1e-5, atol=1e-6)


def build_twice(name: str) -> tuple[Small, Small]:
    torch.manual_seed(0)
    first = build(name)
    torch.manual_seed(0)
    return first, build(name)


@everyone
def test_the_loss_is_the_blend_with_the_hosts_whole_loss(name: str) -> None:
    small = build(name)
    attachment = small.attach(weight=0.3)
    main_loss = small.main_loss(small.step(attachment))
    l2 = small.whole_loss(logits_of(attachment.contrast), complement(small.mask))
    torch.testing.assert_close(attachment.blend(main_loss), 0.7 * main_loss + 0.3 * l2)


@everyone
def test_inference_is_bit_equal_and_meets_no_hook_inside(name: str) -> None:
    small = build(name)
    small.model.eval()
    expected = seeded(small)
    attachment = small.attach()
    assert [found[0] for found in hooks_of(small.model)] == ["", ""]
    seen: list[list[tuple[str, int]]] = []
    probe = next(module for module in small.model.modules() if isinstance(module, nn.Conv2d))
    probe.register_forward_hook(lambda *_: seen.append([f for f in hooks_of(small.model) if f[0] == ""]))
    found = seeded(small)
    assert seen and all(inside == [("", 1), ("", 1)] for inside in seen)
    assert all(torch.equal(one, other) for one, other in zip(leaves(found), leaves(expected), strict=True))
    loss = small.mask.float().mean()
    assert attachment.blend(loss) is loss and attachment.contrast is None


@everyone
def test_the_model_and_its_optimizer_stay_as_they_were(name: str) -> None:
    small = build(name)
    # A first forward: RPMMs registers a module in it.
    small()
    trained = [parameter for parameter in small.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9)
    before = list(small.model.state_dict()), sum(one.numel() for one in small.model.parameters())
    state = copy.deepcopy(optimizer.state_dict())
    attachment = small.attach()
    assert (list(small.model.state_dict()), sum(one.numel() for one in small.model.parameters())) == before
    assert optimizer.state_dict() == state
    attachment.blend(small.main_loss(small.step(attachment))).backward()
    optimizer.step()
    assert (list(small.model.state_dict()), sum(one.numel() for one in small.model.parameters())) == before
    for twin in (copy.deepcopy(small.model), pickle.loads(pickle.dumps(small.model))):
        # A copy is the bare model: it trains without a mask, and takes an attachment of its own.
        other = copy.copy(small)
        other.model = twin
        torch.testing.assert_close(twin.state_dict(), small.model.state_dict())
        assert torch.isfinite(small.main_loss(other()))
        other.attach()
    attachment.detach()
    assert hooks_of(small.model) == []


@everyone
def test_two_steps_train(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    trained = [parameter for parameter in small.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss = attachment.blend(small.main_loss(small.step(attachment)))
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
    assert [found[0] for found in hooks_of(small.model)] == ["", ""]


@everyone
def test_after_a_detach_training_is_the_hosts_own(name: str) -> None:
    plain, plugged = build_twice(name)
    attachment = plugged.attach()
    attachment.detach()
    expected, found = seeded(plain), seeded(plugged)
    assert all(torch.equal(one, other) for one, other in zip(leaves(found), leaves(expected), strict=True))
    assert hooks_of(plugged.model) == [] and attachment.contrast is None


@pytest.mark.parametrize("prior", COUNTERS)
@pytest.mark.parametrize("name", WITH_PRIOR)
def test_the_pass_gets_the_counter_prior(name: str, prior: str) -> None:
    small = build(name).still()
    attachment = small.attach(prior=prior)
    seeded(small, attachment)
    assert attachment.contrast is not None
    expected = small.model.explicit(
        attachment.contrast.prototype_map, COUNTERS[prior], *small.arguments, **small.keywords
    )
    for one, other in zip(logits_of(attachment.contrast), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    others = [counter for option, counter in COUNTERS.items() if option != prior]
    for counter in others:
        wrong = small.model.explicit(attachment.contrast.prototype_map, counter, *small.arguments, **small.keywords)
        assert (wrong[0] - expected[0]).abs().max() > 1e-4


@pytest.mark.parametrize("prior", COUNTERS)
def test_the_entrys_second_half_holds_the_map_and_the_counter_prior(prior: str) -> None:
    small = build("hpa").still()
    attachment, seen = small.attach(prior=prior), list[Tensor]()
    small.model.init_merge[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    small.step(attachment)
    assert attachment.contrast is not None
    host, contrast = seen[0].chunk(2)
    assert torch.equal(host[:, :8], contrast[:, :8])
    assert torch.equal(contrast[:, 8:16], attachment.contrast.prototype_map)
    assert torch.equal(contrast[:, 16:], COUNTERS[prior](host[:, 16:]))


@pytest.mark.parametrize("name", ANY_SHOT)
@pytest.mark.parametrize("batch", [1, 2])
def test_five_shots(name: str, batch: int) -> None:
    torch.manual_seed(0)
    small = build(name, batch, shots=5).still()
    attachment = small.attach()
    seeded(small, attachment)
    for one, other in zip(logits_of(attachment.contrast), written_out(small, attachment), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@everyone
def test_one_episode(name: str) -> None:
    small = build(name, batch=1).still()
    attachment = small.attach()
    seeded(small, attachment)
    found = logits_of(attachment.contrast)
    for one, other in zip(found, written_out(small, attachment), strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
