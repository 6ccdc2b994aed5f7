"""A step and a check hold nothing of it any more once they are over: on a GPU the graph is most of the memory."""

import gc
import sys
from collections.abc import Iterator

import pytest
import torch
from hosts import Small, build
from nightly import often

from selfcontrast import Attachment
from selfcontrast.attach.hooks import count_hooks


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """What would wait for the garbage collector is seen; what was there before the test is not counted each time."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    # What is frozen stays so: thawing would bring back all that was loaded before the first test.
    gc.enable()


def alive() -> int:
    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


def peak() -> float:
    """The most memory that this process ever had, in megabytes; 0 on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1024 if sys.platform == "linux" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def step(small: Small, attachment: Attachment) -> None:
    small.model.zero_grad()
    attachment.blend(small.main_loss(small.step(attachment))).backward()


def check(small: Small, attachment: Attachment) -> None:
    if attachment.host.mask is not None:
        attachment.check(*small.arguments, **small.keywords)
    else:
        with attachment.episode(small.mask):
            attachment.check(*small.arguments, **small.keywords)


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet", "ifa", "dcp"])
def test_steps_one_after_another_hold_as_many_tensors(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    counts = []
    for _ in range(4):
        step(small, attachment)
        counts.append(alive())
    assert counts[1] == counts[2] == counts[3]


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet", "ifa", "dcp"])
def test_a_check_leaves_nothing_behind(name: str) -> None:
    small = build(name)
    attachment = small.attach()
    counts = []
    for _ in range(3):
        check(small, attachment)
        gc.collect()
        counts.append(alive())
    assert counts[1] == counts[2]


@pytest.mark.parametrize("name", ["pfenet", "panet"])
def test_attaching_and_detaching_a_thousand_times_leaves_nothing(name: str) -> None:
    small = build(name)
    plain = {path: (dict(vars(module)), type(module)) for path, module in small.model.named_modules()}
    counts = []
    for times in range(1000):
        small.attach().detach()
        if times % 333 == 0:
            gc.collect()
            counts.append((alive(), len(gc.get_objects())))
    tensors, objects = zip(*counts[1:], strict=True)
    # What is kept of each attachment would be 333 objects more; other parts of the process come and go by a few.
    assert len(set(tensors)) == 1 and max(objects) - min(objects) < 100
    for path, module in small.model.named_modules():
        before, kind = plain[path]
        assert type(module) is kind and vars(module).keys() == before.keys()
        assert not module._forward_hooks and not module._forward_pre_hooks


@pytest.mark.parametrize("name", ["pfenet", "crnet", "panet"])
def test_steps_by_the_thousand_hold_no_more(name: str) -> None:
    """One host of each mechanism; 2,000 steps each in a nightly run."""
    small, steps = build(name), often(8, 2000)
    attachment = small.attach()
    counts, peaks = [], []
    for done in range(1, steps + 1):
        step(small, attachment)
        if done % (steps // 4) == 0:
            counts.append((alive(), count_hooks(small.model)))
            peaks.append(peak())
            # torch's own helpers leave a thousand small objects a step in cycles, and no tensor.
            gc.collect()
    assert counts[1] == counts[2] == counts[3]
    # The graph of a step is more than a megabyte; what other threads take is less than sixteen.
    assert peaks[3] - peaks[1] < 16
