"""A second forward leaves no trace: whatever a host changes in place or puts anew is afterwards what it was."""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from selfcontrast.attach.mechanisms.undisturbed import copied_arguments, undisturbed


class State(NamedTuple):
    """What a recurrent host may carry."""

    hidden: Tensor
    seen: list[int]


def add(value: Any) -> None:
    value.append(1)


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "tensor": (lambda: torch.zeros(2), lambda one: one.add_(1)),
    "list": (lambda: [1], add),
    "list of lists": (lambda: [[1]], lambda one: add(one[0])),
    "tuple of lists": (lambda: ([1], 2), lambda one: add(one[0])),
    "named tuple": (lambda: State(torch.zeros(1), []), lambda one: (one.hidden.add_(1), add(one.seen))),
    "dictionary": (lambda: {"a": torch.zeros(1)}, lambda one: one["a"].add_(1)),
    "ordered dictionary": (lambda: OrderedDict(a=1), lambda one: one.update(b=2)),
    "dictionary with a default": (lambda: defaultdict(list, a=[1]), lambda one: one["b"].append(1)),
    "counter": (lambda: Counter("aab"), lambda one: one.update("a")),
    "set": (lambda: {1}, lambda one: one.add(2)),
    "queue": (lambda: deque([1, 2], maxlen=2), add),
    "array": (lambda: np.zeros(2), lambda one: one.fill(3)),
    "generator of torch": (lambda: torch.Generator().manual_seed(1), lambda one: torch.rand(1, generator=one)),
    "generator of numpy": (lambda: np.random.default_rng(1), lambda one: one.random()),
    "old generator of numpy": (lambda: np.random.RandomState(1), lambda one: one.rand()),
    "generator of Python": (lambda: random.Random(1), lambda one: one.random()),
}


def content(value: Any) -> Any:
    """Something that can be compared with `==`."""
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.random.RandomState | random.Random):
        return repr(value.__getstate__())
    return repr(value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_changed_in_place_is_afterwards_what_it_was(kind: str) -> None:
    make, change = KINDS[kind]
    module = nn.Sequential(nn.ReLU())
    module[0].state = make()
    before = module[0].state
    with undisturbed(module):
        inside = module[0].state
        assert inside is not before and type(inside) is type(before) and content(inside) == content(before)
        change(inside)
        assert content(inside) != content(before)
    assert module[0].state is before and content(before) == content(make())


def test_a_copied_queue_keeps_its_length_and_a_dictionary_its_default() -> None:
    module = nn.ReLU()
    module.queue, module.known = deque([1, 2], maxlen=2), defaultdict(list)
    with undisturbed(module):
        assert module.queue.maxlen == 2 and module.known["new"] == []


@given(names=st.lists(st.sampled_from("abcd"), min_size=1, unique=True), data=st.data())
def test_attributes_that_are_put_anew_or_taken_away_come_back(names: list[str], data: st.DataObject) -> None:
    module = nn.ReLU()
    for name in names:
        setattr(module, name, [name])
    before = dict(vars(module))
    changes = data.draw(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(("set", "delete", "append")))))
    with undisturbed(module):
        for name, change in changes:
            if change == "set":
                setattr(module, name, 3)
            elif change == "delete" and hasattr(module, name):
                delattr(module, name)
            elif isinstance(getattr(module, name, None), list):
                getattr(module, name).append(1)
    assert vars(module) == before and all(vars(module)[name] is value for name, value in before.items())


def test_submodules_buffers_and_modes_that_are_put_anew_come_back() -> None:
    """RPMMs builds a submodule in each forward."""
    module = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(1))
    before = dict(module.named_modules())
    with undisturbed(module):
        module.new, module[0] = nn.ReLU(), nn.Identity()
        module[1].register_buffer("more", torch.zeros(1))
        module.eval()
    assert dict(module.named_modules()) == before and module.training and "more" not in module.state_dict()


def test_running_statistics_stay_though_the_forward_uses_batch_statistics() -> None:
    layer, batch = nn.BatchNorm1d(3), torch.randn(8, 3)
    before = deepcopy(layer.state_dict())
    with undisturbed(layer):
        found = layer(batch)
        assert layer.num_batches_tracked == 1
    torch.testing.assert_close(layer.state_dict(), before)
    assert torch.equal(found, layer(batch))


def test_statistics_that_a_graph_needs_are_not_changed_under_it() -> None:
    """Spectral normalisation changes its vectors in place in each forward."""
    layer = nn.utils.spectral_norm(nn.Linear(4, 4))
    first = layer(torch.randn(2, 4))
    with undisturbed(layer):
        second = layer(torch.randn(2, 4))
    (first.sum() + second.sum()).backward()
    assert layer.weight_orig.grad is not None


def test_a_value_held_twice_is_one_value_inside_too() -> None:
    module, queue = nn.Sequential(nn.ReLU(), nn.ReLU()), [1]
    module[0].queue = module[1].queue = module.both = queue
    module.inside = [queue]
    with undisturbed(module):
        assert module[0].queue is module[1].queue is module.both is module.inside[0] is not queue


def test_parameters_are_the_same_and_learn_through_what_holds_them() -> None:
    layer = nn.Linear(2, 2)
    layer.known = [layer.weight]
    layer.scale = torch.ones(1, requires_grad=True)
    with undisturbed(layer):
        assert layer.known[0] is layer.weight
        (layer.scale * layer(torch.ones(1, 2))).sum().backward()
    assert layer.weight.grad is not None and layer.scale.grad is not None


def test_an_error_puts_everything_back_too() -> None:
    module = nn.ReLU()
    module.seen = []
    try:
        with undisturbed(module):
            module.seen.append(1)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert module.seen == []


@given(
    st.recursive(
        st.integers() | st.text(max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=8,
    )
)
def test_copied_arguments_are_equal_and_share_no_container(tree: Any) -> None:
    (copied,), named = copied_arguments((tree,), {"name": tree})
    assert copied == tree and named["name"] is copied
    assert copied is not tree or not isinstance(tree, list | dict)
