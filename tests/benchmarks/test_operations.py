import json

import pytest
from common.measure import RESULTS
from operations import ARMS, launches, record

COMMITTED = json.loads((RESULTS / "operations.json").read_text())


def committed(arm: str, measure: str) -> float:
    (row,) = (row for row in COMMITTED["rows"] if row["arm"] == arm and row["measure"] == measure)
    return row["median"]


@pytest.mark.parametrize("arm", ARMS)
def test_what_is_dispatched_does_not_grow(arm: str) -> None:
    recorder = record(arm)
    assert 0 < recorder.operations.total() <= committed(arm, "operations")
    # The committed figures have four digits.
    assert 0 < recorder.bytes / 1e9 <= committed(arm, "gigabytes") * 1.001
    assert recorder.reads == []


def test_launches_do_not_grow() -> None:
    assert 36 < launches({arm: record(arm) for arm in ARMS}) <= committed("task", "launches where Triton serves")
