from typing import Any

import pytest
import torch
from clustering import fastest_reading, paired, passes, properties, share
from common.clustering_bars import CHANNELS_LAST, CONTIGUOUS, NAIVE, OURS, PAPER, SMALL, TWICE, bars
from common.measure import Timed
from common.resident_memory import extra_bytes
from torch import Tensor

MEGABYTE = 1_000_000


def take_nothing(features: Tensor, centres: Tensor, iterations: int) -> None:
    features.sum()


def take_one_input(features: Tensor, centres: Tensor, iterations: int) -> None:
    (features + 1).sum()


def take_two_inputs_in_turn(features: Tensor, centres: Tensor, iterations: int) -> None:
    take_one_input(features, centres, iterations)
    take_one_input(features, centres, iterations)


def take_two_inputs(features: Tensor, centres: Tensor, iterations: int) -> None:
    copy = features + 1
    (copy + 1).sum()


def test_extra_memory_is_the_peak_beyond_the_input() -> None:
    features = torch.rand(2, 512, 60, 60)
    takers = (take_two_inputs, take_one_input, take_two_inputs_in_turn, take_nothing)
    extra = extra_bytes({taker.__name__: taker for taker in takers}, features, torch.rand(2, 3, 512), 10)
    assert extra["take_nothing"] < MEGABYTE
    assert extra["take_one_input"] == pytest.approx(features.nbytes, abs=MEGABYTE)
    assert extra["take_two_inputs_in_turn"] == pytest.approx(features.nbytes, abs=MEGABYTE)
    assert extra["take_two_inputs"] == pytest.approx(2 * features.nbytes, abs=MEGABYTE)


def test_the_floor_is_the_fastest_reading() -> None:
    timed = {name: Timed(None, [2.0, 3.0, 4.0]) for name in ("dot", "sum", "largest")}
    timed["norm"] = Timed(None, [1.0, 2.0, 9.0])
    assert fastest_reading(timed) == [1.0, 2.0, 9.0]


def test_the_floor_reads_as_often_as_the_clustering() -> None:
    reads: list[Tensor] = []
    passes(lambda values: reads.append(values), torch.zeros(3))
    assert len(reads) == 10


def test_ratios_are_of_the_same_round() -> None:
    assert paired([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]) == 3.0
    # An arm that sat out rounds is compared in its own.
    assert paired([2.0], [1.0, 100.0]) == 2.0


def test_share_counts_equal_labels() -> None:
    assert share(torch.tensor([[0, 1], [2, 0]]), torch.tensor([[0, 1], [2, 2]])) == 0.75


def test_properties_hold_on_a_small_map() -> None:
    torch.manual_seed(0)
    assert properties(torch.rand(2, 8, 6, 9)) == {"alone_as_in_batch": 1.0, "masked_as_cropped": 1.0}


def row(arm: str, size: str, layout: str, **figures: float) -> dict[str, Any]:
    good = {"times_floor": 2.0, "times_ours": 6.0, "labels_as_float64": 1.0, "extra_memory": 0.1, "objective": 0.3}
    return {"arm": arm, "size": size, "layout": layout, **good, **figures}


def all_rows(**figures: dict[str, float]) -> list[dict[str, Any]]:
    """Every bar met, but for the figures given by arm."""
    return [
        row(arm, size, layout, **figures.get(arm, {}))
        for arm in (OURS, NAIVE, "faiss", "fast")
        for size in (PAPER, TWICE, SMALL)
        for layout in (CONTIGUOUS, CHANNELS_LAST)
    ] + [{"arm": "floor", "size": PAPER}, {"arm": "absent", "not_run": "it is not installed"}]


KEPT = {size: {"alone_as_in_batch": 1.0, "masked_as_cropped": 1.0} for size in (PAPER, TWICE, SMALL)}


def test_all_bars_are_met_by_good_figures() -> None:
    found = bars(all_rows(), KEPT)
    assert all(bar.met() for bar in found)
    # Plain 4, fastest peer 6, memory 2, labels 6, kept 6, objective 6.
    assert len(found) == 30


@pytest.mark.parametrize(
    ("arm", "figure", "failing", "count"),
    [
        (OURS, {"extra_memory": 0.2}, "extra memory", 2),
        (OURS, {"labels_as_float64": 0.9994}, "float64", 6),
        (NAIVE, {"times_ours": 4.9}, NAIVE, 4),
        ("fast", {"times_ours": 1.3}, "fastest peer", 4),
        ("faiss", {"times_ours": 1.3}, "fastest peer", 4),
        ("faiss", {"times_ours": 0.9}, "fastest peer", 6),
        ("faiss", {"objective": 0.300001}, "objective", 6),
    ],
)
def test_a_bar_that_is_not_met_is_said_to_be(arm: str, figure: dict[str, float], failing: str, count: int) -> None:
    failed = [bar.measure for bar in bars(all_rows(**{arm: figure}), KEPT) if not bar.met()]
    assert len(failed) == count and all(failing in measure for measure in failed)


def test_labels_that_change_with_the_batch_fail() -> None:
    failed = [bar for bar in bars(all_rows(), KEPT | {SMALL: {"alone_as_in_batch": 0.99}}) if not bar.met()]
    assert [bar.measure for bar in failed] == [f"alone_as_in_batch, {SMALL}"]
