"""What was computed before the comparison is not computed again, and nothing else is remembered."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from selfcontrast import Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.mechanisms.memory import Memory, before_comparison, replaced_forwards


class Adder(nn.Module):
    """Adds a number, and counts its calls."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number, self.calls = number, [0]

    def forward(self, x: Tensor) -> Tensor:
        self.calls = [self.calls[0] + 1]
        return x + self.number


class Plan(nn.Module):
    """Calls its modules in an order that is given, and starts the comparison at one of these calls."""

    def __init__(self, plan: list[int], start: int) -> None:
        super().__init__()
        self.several = nn.ModuleList(Adder(10.0**place) for place in range(3))
        self.plan, self.start, self.memory = plan, start, Memory(self)

    def forward(self, x: Tensor) -> Tensor:
        for turn, place in enumerate(self.plan):
            if turn == self.start:
                self.memory.stop()
            x = self.several[place](x)
        return x


def remembered(model: Plan) -> Tensor:
    """A first forward, heard."""
    hooks = Hooks(model)
    model.memory.watch(hooks, before_comparison(model, ()))
    try:
        return model(torch.zeros(1))
    finally:
        hooks.remove()


@given(plan=st.lists(st.integers(0, 2), min_size=1, max_size=8), data=st.data())
def test_calls_before_the_comparison_return_what_they_did_and_the_others_compute(
    plan: list[int], data: st.DataObject
) -> None:
    model = Plan(plan, data.draw(st.integers(0, len(plan))))
    remembered(model)
    computed = list[int]()
    for place, adder in enumerate(model.several):
        adder.register_forward_hook(lambda _, args, output, place=place: computed.append(int(output - args[0])))
    with model.memory.again():
        found = model(torch.full((1,), 0.5))
    before = plan[: model.start]
    # What is remembered starts from 0, not from 0.5.
    expected = sum(10.0**place for place in plan) + (0.5 if not before else 0)
    assert found.item() == pytest.approx(expected)
    assert [len(adder.calls) for adder in model.several] == [1, 1, 1]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=8))
def test_only_what_follows_the_start_computes(plan: list[int]) -> None:
    model = Plan(plan, len(plan) // 2)
    remembered(model)
    computed = list[int]()

    def counted(place: int) -> None:
        forward = type(model.several[place]).forward

        def count(x: Tensor) -> Tensor:
            computed.append(place)
            return forward(model.several[place], x)

        model.several[place].forward = count

    for place in range(3):
        counted(place)
    with model.memory.again():
        model(torch.zeros(1))
    assert computed == plan[len(plan) // 2 :]
    assert all("forward" in vars(adder) for adder in model.several), "a forward that was the module's own comes back"


def test_a_module_under_two_names_is_remembered_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.parts = Adder(1.0), nn.ModuleList()
            self.parts.append(self.one)

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.one(x), self.parts[0](2 * x)])

    model = Twice()
    hooks, memory = Hooks(model), Memory(model)
    memory.watch(hooks, before_comparison(model, ()))
    first = model(torch.ones(1))
    hooks.remove()
    with memory.again():
        assert torch.equal(model(torch.zeros(1)), first)


def test_a_second_forward_leaves_no_trace_and_an_error_puts_all_back() -> None:
    model = Plan([0, 1, 2], 1)
    remembered(model)
    before = [adder.calls for adder in model.several]
    for error in (None, ValueError):
        try:
            with model.memory.again():
                model(torch.zeros(1))
                if error is not None:
                    raise error
        except ValueError:
            pass
        assert [adder.calls for adder in model.several] == before == [[1], [1], [1]]
        assert not any("forward" in vars(adder) for adder in model.several)


class Nested(nn.Module):
    """Modules in modules, in lists, and in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.ReLU(), nn.ReLU())
        self.heads = nn.ModuleList([nn.ReLU(), nn.Sequential(nn.ReLU(), nn.ReLU())])
        self.named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.ReLU()})


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ((), {"encoder", "heads.0", "heads.1", "named.a", "named.b"}),
        (("encoder.1",), {"encoder.0", "heads.0", "heads.1", "named.a", "named.b"}),
        (("heads.1.0", "named.b"), {"encoder", "heads.0", "heads.1.1", "named.a"}),
        (("encoder",), {"encoder.0", "encoder.1", "heads.0", "heads.1", "named.a", "named.b"}),
        (("head",), {"encoder", "heads.0", "heads.1", "named.a", "named.b"}),
    ],
)
def test_the_outermost_modules_before_the_comparison(inside: tuple[str, ...], expected: set[str]) -> None:
    model = Nested()
    found = before_comparison(model, inside)
    assert set(found) == expected and all(model.get_submodule(name) is one for name, one in found.items())


def test_a_forward_of_the_models_own_comes_back() -> None:
    layer = nn.ReLU()
    own = layer.forward = torch.neg
    with replaced_forwards({layer: torch.abs}):
        assert layer(torch.tensor(-2.0)) == 2
    assert layer.forward is own and layer(torch.tensor(-2.0)) == 2 and layer(torch.tensor(3.0)) == -3


class InPlace(nn.Module):
    """Changes what a module returned, which a second forward would do once more."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.more, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 2, 1)

    def forward(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:
        features = self.encoder(query)
        other = self.more(query)
        other += features
        prototype = self.encoder(support).mean((2, 3), keepdim=True).expand_as(other)
        return self.head(torch.cat([other, prototype], 1))


def test_check_fails_where_a_host_changes_what_is_remembered_in_place() -> None:
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 4:9] = 1
    host = Host("encoder#0", "encoder#0", (Entry("head"),), (Exit("head"),), mask="y", mechanism="replay")
    attachment = SelfContrastiveAuxiliary().attach(InPlace(), host)
    with pytest.raises((InputError, RuntimeError), match=r"second comparison|inplace operation"):
        attachment.check(torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16), mask)
