"""The hosts against the published models themselves: without this, what they claim is hearsay."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from builders import BUILDERS, build
from explicit import CHANGES
from patches import on_cpu
from published import Published, Size
from torch import nn
from training_runs import attached, compare_by_hand, forward, without_draws

from selfcontrast import SelfContrastiveAuxiliary, probe
from selfcontrast.attach.presets import REFUSED
from selfcontrast.attach.verify.images import EXCHANGED, REST
from selfcontrast.attach.verify.second_comparison import CLAIM as PASS
from selfcontrast.auxiliary import PRIORS
from selfcontrast.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.* is experimental", "ignore::UserWarning", "ignore::FutureWarning")

# What `check` rightly leaves open. BAM weights five supports by what the query looks like.
OPEN = {
    ("bam", 5): {EXCHANGED},
    ("svf_bam", 5): {EXCHANGED},
    ("msanet", 1): {REST},
    ("msanet", 5): {EXCHANGED, REST},
    # One of its prototypes for each pixel of the query.
    **{("r2net", shots): {EXCHANGED} for shots in (1, 5)},
    ("ipmt", 1): {REST},
    **{(f"aenet_{name}", shots): {REST} for name in ("hdmnet", "sccan", "cyctr") for shots in (1, 5)},
    # Their own output holds a later comparison; the pass by hand below is read off that.
    ("ssp", 1): {PASS},
    ("ssp", 5): {PASS},
    ("ifa", 1): {PASS},
    ("ifa", 5): {PASS},
    # Its last prototype is made of support and query.
    ("rpt", 1): {EXCHANGED},
}
NOTHING_TO_ATTACH_TO = {
    **dict.fromkeys(("hsnet", "patnet", "fecanet"), "dense correlation of query and support"),
    "capl": "training has no support to compare with",
}
ATTACHED = [name for name in BUILDERS if name not in REFUSED]
SIZES = [(name, size) for name in ATTACHED for size in BUILDERS[name].sizes]
WITH_PRIOR = [name for name, changes in CHANGES.items() if any(change.content == "prior" for change in changes)]
PASSES = [(name, prior) for name in ATTACHED for prior in PRIORS if prior == "neutral" or name in WITH_PRIOR]


def folder_of_checkouts(name: str) -> Path:
    """Where the published code of this model lies, or a skip that says what is missing."""
    named = os.environ.get("SELFCONTRAST_UPSTREAM")
    if named is None:
        pytest.skip("set SELFCONTRAST_UPSTREAM=DIR, see tests/upstream/README.md")
    checkouts = Path(named)
    if not any((checkouts / builder.folder).is_dir() for builder in BUILDERS.values()):
        pytest.fail(f"SELFCONTRAST_UPSTREAM={named} holds none of the folders that tests/upstream/README.md names")
    if not (checkouts / BUILDERS[name].folder).is_dir():
        pytest.skip(f"{named} holds no {BUILDERS[name].folder}, see tests/upstream/README.md for where to get it")
    return checkouts


def built(name: str, size: Size | None = None) -> Published:
    return build(name, folder_of_checkouts(name), size)


@pytest.fixture(autouse=True)
def without_gpu() -> Iterator[None]:
    with on_cpu():
        yield


@pytest.fixture(scope="module", params=ATTACHED)
def published(request: pytest.FixtureRequest) -> Published:
    """One model after the other, each built once."""
    return built(request.param)


@pytest.mark.parametrize(("name", "size"), SIZES, ids=[f"{name}-B{size.batch}-K{size.shots}" for name, size in SIZES])
def test_check_passes_in_every_size_that_the_published_code_trains_in(name: str, size: Size) -> None:
    published = built(name, size)
    with attached(published) as attachment, without_draws(published.model):
        report = attachment.check(*published.arguments, **published.keywords)
    print(report)
    assert {finding.claim for finding in report if not finding.holds} == OPEN.get((name, size.shots), set())


def test_two_training_steps_as_published_with_the_task_blended_in(published: Published) -> None:
    model = published.model
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.SGD(weights, lr=1e-4, momentum=0.9)
    with attached(published) as attachment:
        for _ in range(2):
            main_loss = published.main_loss(model(*published.arguments, **published.keywords))
            loss = attachment.blend(main_loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)
            assert not torch.equal(loss, main_loss)
    assert all(torch.isfinite(weight).all() for weight in weights)
    assert any(not torch.equal(old, new) for old, new in zip(before, weights, strict=True))


@pytest.mark.parametrize(("published", "prior"), PASSES, indirect=["published"])
def test_the_pass_is_the_published_comparison_with_the_map_in_the_prototype_s_place(
    published: Published, prior: str
) -> None:
    compared = compare_by_hand(published, prior)
    for got, expected in compared.logits:
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    if compared.losses is not None:
        torch.testing.assert_close(*compared.losses, rtol=1e-5, atol=1e-6)


def test_inference_and_the_model_s_face_are_untouched(published: Published) -> None:
    model = published.model
    keys, count, hooks = list(model.state_dict()), sum(weight.numel() for weight in model.parameters()), _hooks(model)
    before = _inference(published)
    with attached(published) as attachment:
        torch.testing.assert_close(_inference(published), before, rtol=0, atol=0)
        # One step's forward, for it leaves running statistics and, in RPMMs, a module behind.
        attachment.blend(published.main_loss(forward(published)))
        during = _inference(published)
        assert list(model.state_dict()) == keys
        assert sum(weight.numel() for weight in model.parameters()) == count
        twin = copy.deepcopy(published)
    assert _hooks(model) == hooks
    torch.testing.assert_close(_inference(published), during, rtol=0, atol=0)
    torch.testing.assert_close(_inference(twin), during, rtol=0, atol=0)


@torch.no_grad()
def _inference(published: Published) -> object:
    # Scripts train with some of these still, so `train()` alone would not restore what was.
    training = [module for module in published.model.modules() if module.training]
    published.model.eval()
    output = forward(published)
    for module in training:
        module.training = True
    return output


def _hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_a_prototype_in_training_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be attached to: "):
        SelfContrastiveAuxiliary().attach(nn.Identity(), name)


@pytest.mark.parametrize(("name", "reason"), NOTHING_TO_ATTACH_TO.items())
def test_probe_refuses_them_with_the_reason_too(name: str, reason: str) -> None:
    published = built(name)
    with pytest.raises(InputError, match=reason):
        probe(published.model, *published.arguments, **published.keywords)


def test_another_model_s_preset_on_hsnet_names_what_hsnet_lacks() -> None:
    model = built("hsnet").model
    with pytest.raises(InputError, match=r"HypercorrSqueezeNetwork.forward: query_img, support_img, support_mask"):
        SelfContrastiveAuxiliary().attach(model, "pfenet")
