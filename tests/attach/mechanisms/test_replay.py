"""A replay: a second forward that computes the comparison alone."""

import pytest
import torch
from hosts import build
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, SelfContrastiveAuxiliary


def calls(name: str, module: str) -> int:
    """How many times a module computes in a training forward with the task."""
    small = build(name)
    attachment, count = small.attach(), 0
    inner = small.model.get_submodule(module)
    forward = inner.forward

    def counted(*args: object) -> object:
        nonlocal count
        count += 1
        return forward(*args)

    inner.forward = counted
    small.step(attachment)
    return count


def test_the_encoder_runs_once_and_the_comparison_twice() -> None:
    assert calls("rpmms", "model_res.layer0") == calls("rpmms", "layer5.0") == 2
    assert calls("rpmms", "layer9") == 6
    assert calls("sgone", "netB.features_5") == 2 and calls("sgone", "exit_layer") == 2


def test_a_module_used_before_and_behind_the_entry_computes_behind_it() -> None:
    small = build("crnet")
    attachment = small.attach()
    # co_head runs behind the entry: not remembered, so it runs in both forwards; the reduction runs for both images.
    assert calls("crnet", "co_head") == 4 and calls("crnet", "reduction.0") == 2
    small.step(attachment)


def test_the_forwards_own_method_comes_back() -> None:
    small = build("rpmms")
    attachment = small.attach()
    small.step(attachment)
    assert not [name for name, module in small.model.named_modules() if "forward" in vars(module)]


def test_running_statistics_move_once() -> None:
    small, twin = build("rpmms"), build("rpmms")
    twin.model.load_state_dict(small.model.state_dict())
    twin.arguments = small.arguments
    attachment = small.attach()
    for one, step in ((small, lambda: small.step(attachment)), (twin, twin)):
        torch.manual_seed(0)
        step()
        assert one.model.layer5[1].num_batches_tracked == 2
    torch.testing.assert_close(small.model.state_dict(), twin.model.state_dict())


class Drawing(nn.Module):
    """Draws a prior anew for each of two calls, in code between two modules that nobody remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.merge, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(17, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features = self.encoder(query)
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(features)
        priors = [torch.rand_like(features[:, :1]) for _ in range(2)]
        return self.head(sum(self.merge(torch.cat([features, prototype, prior], 1)) for prior in priors))


@pytest.mark.parametrize(("prior", "counter"), [("complement", lambda prior: 1 - prior), ("keep", lambda prior: prior)])
def test_a_prior_that_is_drawn_anew_is_countered_as_the_host_drew_it(prior: str, counter: object) -> None:
    model, seen = Drawing(), list[Tensor]()
    host = Host("encoder#0", "encoder#0", (Entry("merge", prior="2C:"),), (Exit("head"),), mechanism="replay")
    attachment = SelfContrastiveAuxiliary(prior=prior).attach(model, host)
    # Not by a hook of the entry, which would come before the one that exchanges.
    forward = model.merge._conv_forward
    model.merge._conv_forward = lambda merged, *rest: seen.append(merged) or forward(merged, *rest)
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:12, 4:12] = 1
    with attachment.episode(mask):
        model(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    *own, first, second = (merged[:, 16:] for merged in seen)
    assert torch.equal(first, counter(own[0])) and torch.equal(second, counter(own[1]))
