"""Lines of a report: proven, refuted or left open, and what counts as the same."""

import pytest
import torch

from selfcontrast.attach.verify.report import CheckReport, Finding, alike, difference


def test_each_answer_has_a_mark_and_what_is_open_says_so_in_words() -> None:
    report = CheckReport([Finding("a", True, "1"), Finding("b", False, "2"), Finding("c", None, "nobody looked")])
    assert str(report).splitlines() == ["ok   a: 1", "FAIL b: 2", "?    c: unproven: nobody looked"]


@pytest.mark.parametrize(
    ("other", "holds", "figure"),
    [
        (torch.tensor([1.0, 2.0]), True, "bit-equal"),
        (torch.tensor([1.0, 2.0001]), True, "relative difference 5.0e-05"),
        (torch.tensor([1.0, 2.1]), False, "relative difference 5.0e-02"),
        (torch.tensor([1.0]), False, "shapes [(2,)] and [(1,)]"),
    ],
)
def test_tensors_are_alike_to_rounding(other: torch.Tensor, holds: bool, figure: str) -> None:
    found = alike("", [torch.tensor([1.0, 2.0])], [other])
    assert (found.holds, found.figure) == (holds, figure)


def test_numbers_are_compared_too() -> None:
    assert alike("", (torch.ones(1), 0.5), (torch.ones(1), 0.5)).holds
    assert alike("", (torch.ones(1), 0.5), (torch.ones(1), 0.6)).holds is False


def test_nothing_is_like_nothing() -> None:
    assert alike("", torch.empty(0, 2), torch.empty(0, 2)) == Finding("", True, "bit-equal")


def test_a_difference_is_a_share_of_the_largest_value() -> None:
    assert difference(torch.tensor([10.0, 20.0]), torch.tensor([10.0, 21.0])) == 0.05
    assert difference(torch.zeros(2), torch.tensor([0.0, 1e-12])) == pytest.approx(1.0)


def test_what_is_not_a_number_in_both_is_alike_and_in_one_is_not() -> None:
    nan = torch.tensor([1.0, torch.nan])
    assert alike("", nan, nan.clone()).holds and alike("", nan, torch.ones(2)).holds is False


def test_predictions_may_flip_at_ties() -> None:
    classes = torch.zeros(10_000, dtype=torch.long)
    few, many = classes.clone(), classes.clone()
    few[:9], many[:100] = 1, 1
    assert alike("", classes, few).holds and alike("", classes, many).holds is False


def test_half_precision_rounds_in_larger_steps() -> None:
    one, other = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.01])
    assert alike("", one, other).holds is False
    assert alike("", one.bfloat16(), other.bfloat16()).holds
    with torch.autocast("cpu", torch.bfloat16):
        assert alike("", one, other).holds
