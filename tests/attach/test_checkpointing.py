"""Hosts that save memory by torch.utils.checkpoint: the gradients of one that does not, or a refusal that says why."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate
from torch.utils.checkpoint import checkpoint

from selfcontrast import Entry, Exit, Host, SelfContrastiveAuxiliary
from selfcontrast.attach.checkpointing import recomputing, region
from selfcontrast.errors import InputError

QUERY, SUPPORT = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
MASK = torch.zeros(2, 16, 16, dtype=torch.long)
MASK[:, 3:9] = 1


class Model(nn.Module):
    """Encoder, deep features, entry, a body with live batch normalisation, exit; one of them, or two, checkpointed."""

    def __init__(self, where=(), reentrant=False):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 1)
        self.merge, self.head = nn.Conv2d(16, 8, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(8, 2, 1))
        self.body = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.where, self.reentrant = where, reentrant

    def part(self, name, run, x):
        return checkpoint(run, x, use_reentrant=self.reentrant) if name in self.where else run(x)

    def comparison(self, x):
        return self.head(self.body(self.merge(x)))

    def forward(self, query, support, mask):
        features = self.part("encoder", self.encoder, query)
        self.part("deep", self.deep, features)
        prototype = self.encoder(support).mean((2, 3), keepdim=True)
        merged = torch.cat([features, prototype.expand_as(features)], 1)
        if "comparison" in self.where:
            logits = self.part("comparison", self.comparison, merged)
        else:
            logits = self.part("head", self.head, self.part("body", self.body, self.part("merge", self.merge, merged)))
        return cross_entropy(interpolate(logits, mask.shape[1:]), mask, ignore_index=255)


def host(mechanism="fold"):
    return Host("encoder#0", "deep", (Entry("merge", "C:2C"),), (Exit("head"),), mask="mask", mechanism=mechanism)


def attached(*where, reentrant=False, mechanism="fold"):
    model = Model(where, reentrant)
    task = SelfContrastiveAuxiliary(generator=torch.Generator().manual_seed(0))
    return model, task.attach(model, host(mechanism))


def step(model, attachment):
    """The blended loss, all gradients, and the running statistics of one step."""
    query = QUERY.clone().requires_grad_()
    loss = attachment.blend(model(query, SUPPORT, MASK))
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return loss.detach(), gradients


def assert_alike(one, other):
    assert torch.equal(one[0], other[0]) and one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], msg=name)


PARTS = [("merge",), ("body",), ("head",), ("merge", "body", "head"), ("comparison",), ("encoder",), ("deep",)]


@pytest.mark.parametrize("where", PARTS, ids="+".join)
def test_a_fold_learns_what_it_learns_without_checkpoints(where):
    plain, checkpointed = step(*attached()), step(*attached(*where))
    assert_alike(checkpointed, plain)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_part_between_entry_and_exit_may_be_checkpointed_in_either_way(reentrant):
    model, attachment = attached("body", reentrant=reentrant)
    assert_alike(step(model, attachment), step(*attached()))
    alone = Model(("body",), reentrant)
    alone(QUERY.clone().requires_grad_(), SUPPORT, MASK).backward()
    assert model.body[1].num_batches_tracked == alone.body[1].num_batches_tracked == 2, "as the host alone counts"


@pytest.mark.parametrize("where", ["encoder", "merge", "head", "comparison"])
@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_reentrant_checkpoints_that_would_lose_a_gradient_are_refused_by_name(where, mechanism):
    model, attachment = attached(where, reentrant=True, mechanism=mechanism)
    for act in (step, lambda model, attachment: attachment.check(QUERY, SUPPORT, MASK)):
        with pytest.raises(InputError, match=r"host [\w.]+: expected a call outside .* pass use_reentrant=False there"):
            act(model, attachment)


def test_deep_features_may_come_from_a_reentrant_checkpoint():
    assert_alike(step(*attached("deep", reentrant=True)), step(*attached()))


@pytest.mark.parametrize("where", ["encoder", "deep"])
def test_a_replay_learns_before_its_comparison(where):
    plain, checkpointed = (step(*attached(*parts, mechanism="replay")) for parts in ((), (where,)))
    assert_alike(checkpointed, plain)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("merge", "a comparison outside torch.utils.checkpoint, where the mechanism is a second forward"),
        ("comparison", "a comparison outside torch.utils.checkpoint, where the mechanism is a second forward"),
        ("body", "batch normalisation in training mode outside torch.utils.checkpoint"),
    ],
)
def test_a_replay_refuses_what_backward_would_compute_in_another_way(where, sentence):
    model, attachment = attached(where, mechanism="replay")
    with pytest.raises(InputError, match=sentence):
        step(model, attachment)


def test_check_proves_a_checkpointed_comparison():
    _, attachment = attached("comparison")
    report = attachment.check(QUERY, SUPPORT, MASK)
    assert len(report) == 9 and all(finding.holds for finding in report)


def test_backward_may_wait_for_a_forward_without_a_pass():
    plain = step(*attached())
    model, attachment = attached("comparison")
    loss = attachment.blend(model(QUERY.clone().requires_grad_(), SUPPORT, MASK))
    model.eval()(QUERY, SUPPORT, MASK)
    with torch.no_grad():
        model.train()(QUERY, SUPPORT, MASK)
    loss.backward()
    for name, parameter in model.named_parameters():
        if name in plain[1] and "body" not in name:
            torch.testing.assert_close(parameter.grad, plain[1][name], msg=name)


def test_steps_one_after_another_each_learn():
    runs = {}
    for where in ((), ("comparison",)):
        model, attachment = attached(*where)
        for _ in range(3):
            loss, gradients = step(model, attachment)
        runs[where] = loss, gradients
        attachment.detach()
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    torch.testing.assert_close(runs["comparison",][1]["head.1.weight"], runs[()][1]["head.1.weight"])


def test_the_part_of_an_earlier_forward_is_not_computed_with_the_prototypes_of_a_later_one():
    model, attachment = attached("comparison")
    first = attachment.blend(model(QUERY.clone().requires_grad_(), SUPPORT, MASK))
    second = attachment.blend(model(2 * QUERY.clone().requires_grad_(), SUPPORT, MASK))
    with pytest.raises(RuntimeError, match="call backward after each forward"):
        (first + second).backward()


def test_a_module_called_twice_cannot_be_told_apart_and_says_so():
    model = Model(("comparison",))
    model.comparison = lambda x: model.head(model.merge(x)) + 0 * model.head(model.merge(x))
    described = Host("encoder#0", "deep", (Entry("merge#0", "C:2C"),), (Exit("head#0"),), mask="mask")
    attachment = SelfContrastiveAuxiliary().attach(model, described)
    loss = attachment.blend(model(QUERY.clone().requires_grad_(), SUPPORT, MASK))
    with pytest.raises(InputError, match=r"a module that is called once, where torch\.utils\.checkpoint"):
        loss.backward()


def test_a_copy_made_before_backward_has_nothing_attached():
    model, attachment = attached("comparison")
    loss = attachment.blend(model(QUERY.clone().requires_grad_(), SUPPORT, MASK))
    twin = copy.deepcopy(model)
    loss.backward()
    alone = Model(("comparison",))
    for one in (twin, alone):
        one.zero_grad()
        one(QUERY.clone().requires_grad_(), SUPPORT, MASK).backward()
    torch.testing.assert_close(twin.merge.weight.grad, alone.merge.weight.grad)


def test_nothing_is_recomputed_in_a_forward():
    assert not recomputing() and region() is None
