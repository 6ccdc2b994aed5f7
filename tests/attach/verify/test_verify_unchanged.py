"""Whether the host is unharmed, and whose fault it is if it is not."""

import random
from types import SimpleNamespace

import pytest
import torch
from followers import MASK, QUERY, SUPPORT, Appending, Base, Queue, attached, checked, host, judged, line
from torch import Tensor

from selfcontrast import Exit, InputError
from selfcontrast.attach.verify.unchanged import Plain, differing, unchanged

OUTPUTS, TRACES = "outputs and losses", "attributes and running statistics"


class Leaky(Base):
    """Its result depends on the rows of the whole batch behind the entry, so that a fold changes it."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        merged = self.merge(torch.cat(self.both(query, support), 1))
        return self.head(merged - merged.mean(0, keepdim=True))


class QueueInside(Base):
    """It keeps what it computes between entry and exit."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        merged = self.merge(torch.cat(self.both(query, support), 1))
        self.rows.append(len(merged))
        return judged(self.head(merged), mask)


class Counting(Base):
    """Its loss grows with each call, by a count that lies in an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = SimpleNamespace(count=0)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        self.bank.count += 1
        return judged(super().forward(query, support, mask), mask) + 0.1 * self.bank.count


class Drawing(Base):
    """It draws from a source that nobody can put back."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        return super().forward(query, support, mask) * (1 + random.SystemRandom().random())


class Timed(Base):
    """An attribute differs from call to call, and nothing else."""

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        self.stamp = random.SystemRandom().random()
        return super().forward(query, support, mask)


def test_a_fold_that_changes_the_host_is_found() -> None:
    with pytest.raises(InputError, match=r"FAIL the host's outputs and losses are unchanged: relative") as it:
        checked(Leaky())
    assert str(it.value).endswith("mend the Host(...)")


def test_what_the_host_keeps_of_the_comparison_is_named() -> None:
    with pytest.raises(InputError, match=rf"FAIL {TRACES} are those of one plain step: rows: 2 and 4\n"):
        checked(QueueInside())
    assert line(checked(QueueInside(), host(mechanism="replay")), TRACES).holds


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_a_host_that_appends_to_what_it_is_given_is_judged_rightly(mechanism: str) -> None:
    queue: list[Tensor] = []
    report = checked(Appending(), host(mechanism=mechanism), queue)
    assert all(finding.holds for finding in report) and queue == []


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
def test_a_list_of_the_host_is_as_before(mechanism: str) -> None:
    model = Queue()
    model.queue.append(torch.zeros(()))
    assert all(finding.holds for finding in checked(model, host(mechanism=mechanism)))
    assert len(model.queue) == 1


def test_a_host_that_does_not_repeat_itself_is_not_the_attachments_fault() -> None:
    with pytest.raises(InputError) as it:
        checked(Counting())
    text = str(it.value)
    assert text.startswith("model: expected the same results from two forwards on one batch and from one seed, got ")
    assert "the host itself gives other results from call to call: relative difference" in text
    assert "a forward changes bank (count: 0 and 1)" in text and "mend the Host" not in text
    with pytest.raises(InputError, match="the host itself gives other results from call to call"):
        checked(Drawing())


def test_an_attribute_that_differs_anyway_is_no_claim() -> None:
    assert line(checked(Timed()), TRACES).holds


def test_an_error_of_the_model_alone_says_that_the_task_was_not_entered() -> None:
    attachment = attached(Base())
    with pytest.raises(RuntimeError) as it:
        attachment.check(QUERY[:, :2], SUPPORT, MASK)
    assert "from the model's own forward, before the task was entered" in it.value.__notes__[0]


def test_traces_that_differ_say_how() -> None:
    one = {"same": 1, "number": 1, "list": [1], "table": {"a": torch.ones(1)}, "kind": None, "gone": 0}
    other = {"same": 1, "number": 2, "list": [1, 2], "table": {"a": torch.zeros(1)}, "kind": "text"}
    assert differing(one, other) == {
        "number": "1 and 2",
        "list": "1 and 2 items",
        "table": "a: relative difference 1.0e+00",
        "kind": "None and 'text'",
        "gone": "only after one of the two forwards",
    }


def test_a_doubled_batch_that_leaves_by_no_exit_is_found() -> None:
    class TwoHeads(Base):
        def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            merged = self.merge(torch.cat(self.both(query, support), 1))
            return self.head(merged), self.head(merged.relu())

    with pytest.raises(InputError, match=r"FAIL the host's outputs .*: shapes \[\(2, 2, 8, 8\), \(2, 2, 8, 8\)\] and"):
        checked(TwoHeads(), host(exits=(Exit("head#0"),)))


@pytest.mark.parametrize(("names", "more"), [("abc", ""), ("abcd", "; and 1 more")])
def test_three_differences_are_written_out_and_the_others_are_counted(names: str, more: str) -> None:
    plain = Plain(torch.ones(1), dict.fromkeys(names, 1), frozenset())
    outputs, traces = unchanged(plain, torch.ones(1), dict.fromkeys(names, 2))
    assert outputs.holds and traces.figure == "a: 1 and 2; b: 1 and 2; c: 1 and 2" + more


def test_what_differs_from_call_to_call_is_no_difference() -> None:
    plain = Plain(torch.ones(1), {"a": 1, "b": torch.ones(1)}, frozenset({"a"}))
    nearly = {"a": 2, "b": torch.tensor([1 + 1e-6])}
    assert unchanged(plain, torch.ones(1), nearly)[1][1:] == (True, "equal to rounding")
    assert unchanged(plain, torch.ones(1), plain.traces)[1][1:] == (True, "bit-equal")
