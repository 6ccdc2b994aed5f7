"""torch.compile: after `attach` the same losses with more graphs, before it a refusal by name."""

from types import ModuleType
from typing import Any

import pytest
import torch
from small_modes import Learned, Small, assert_alike, attach, blended, build, episode, every_mechanism, gradients
from torch import nn
from torch._dynamo.utils import counters

from selfcontrast import InputError

GRAPHS = {"fold": 7, "replay": 8, "exchange": 1}
"""How many graphs the compiled host has at most; alone it has one. docs/attach-modes.md tells of these."""


@every_mechanism
@pytest.mark.parametrize("way", ["function", "method"])
def test_a_model_that_is_compiled_already_is_refused(mechanism: str, way: str) -> None:
    model = build(mechanism)
    compiled: nn.Module = model
    if way == "method":
        model.compile(backend="eager")
    else:
        compiled = torch.compile(model, backend="eager")
    with pytest.raises(InputError, match=r"^model: expected a model that is not compiled yet.*attach first"):
        attach(compiled, mechanism)


def train(model: Small, called: nn.Module, attachment: Any) -> tuple[list[float], list[int], dict[str, torch.Tensor]]:
    """Losses and how many graphs there are, step by step, and the last gradients."""
    losses, graphs = list[float](), list[int]()
    for seed in range(3):
        model.zero_grad()
        loss = blended(called, attachment, episode(seed))
        loss.backward()
        losses.append(loss.item())
        graphs.append(counters["stats"]["unique_graphs"])
    return losses, graphs, gradients(model)


@pytest.mark.filterwarnings("ignore::UserWarning")
@every_mechanism
def test_a_model_that_is_compiled_afterwards_learns_the_same(
    no_shape_checks: ModuleType, fresh_compiler: None, mechanism: str
) -> None:
    counters.clear()
    plain, compiled = build(mechanism), build(mechanism)
    expected, _, gradient = train(plain, plain, attach(plain, mechanism, no_shape_checks))
    attachment = attach(compiled, mechanism, no_shape_checks)
    found, graphs, own = train(compiled, torch.compile(compiled, backend="eager"), attachment)
    assert found == pytest.approx(expected, rel=1e-4)
    assert_alike(own, gradient, 1e-3)
    assert graphs[0] == graphs[-1] <= GRAPHS[mechanism], "no step compiles anything again"
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@every_mechanism
def test_inference_is_one_graph(no_shape_checks: ModuleType, fresh_compiler: None, mechanism: str) -> None:
    counters.clear()
    model = build(mechanism).eval()
    expected = model(*episode())
    attach(model, mechanism, no_shape_checks)
    torch.testing.assert_close(torch.compile(model, backend="eager")(*episode()), expected)
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_graph_cannot_be_asked_for(no_shape_checks: ModuleType, fresh_compiler: None) -> None:
    model = build("fold")
    attach(model, "fold", no_shape_checks)
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(model, backend="eager", fullgraph=True)(*episode())


class Evaluating(Learned):
    """A forward that names a variable of its own in a text, as BAM's does."""

    def forward(self, query: torch.Tensor, support: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        features, foreground, background = self.encode(query, support)
        text = "features"
        self.deep(features)
        return self.compare(eval(text), foreground, background)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_forward_that_evaluates_text_compiles_outside_the_graphs(
    no_shape_checks: ModuleType, fresh_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, plain = Evaluating(), build("fold")
    attachment = attach(model, "fold", no_shape_checks)
    expected, _, _ = train(plain, plain, attach(plain, "fold", no_shape_checks))
    monkeypatch.setattr(Evaluating, "forward", torch.compiler.disable(Evaluating.forward, recursive=False))
    counters.clear()
    found, graphs, _ = train(model, torch.compile(model, backend="eager"), attachment)
    assert found == pytest.approx(expected, rel=1e-4) and graphs[0] == graphs[-1] > 0
