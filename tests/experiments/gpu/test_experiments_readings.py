"""The lines of readings: what goes on, what is refused, and how long the next stretch is expected to take."""

import pytest
from gpu.readings import Readings

STEPS = (10, 20, 50)


def row(step, digest="a", training=5.0, reading=2.0):
    return {"digest": digest, "step": step, "seconds": {"training": training, "reading": reading}}


def test_lines_are_kept_and_found_again(tmp_path):
    readings = Readings(tmp_path / "gpu" / "one.jsonl", ["a", "b"], STEPS)
    assert readings.last() == 0
    readings.add([row(10), row(10, "b")])
    again = Readings(tmp_path / "gpu" / "one.jsonl", ["a", "b"], STEPS)
    assert again.last() == 10 and again.rows == readings.rows


def test_the_next_stretch_takes_as_long_a_step_as_the_last(tmp_path):
    readings = Readings(tmp_path / "one.jsonl", ["a"], STEPS)
    assert readings.expected_seconds(0) == 0
    readings.add([row(10)])
    assert readings.expected_seconds(10) == 5.0 + 2.0
    readings.add([row(20, training=6.0)])
    assert readings.expected_seconds(20) == 3 * 6.0 + 2.0


def test_a_line_without_its_checkpoint_is_read_again(tmp_path):
    readings = Readings(tmp_path / "one.jsonl", ["a"], STEPS)
    for step in STEPS[:2]:
        readings.add([row(step)])
    readings.go_on_from(10)
    assert [one["step"] for one in readings.rows] == [10]


def test_a_checkpoint_that_is_left_far_behind_is_refused(tmp_path):
    readings = Readings(tmp_path / "one.jsonl", ["a"], STEPS)
    for step in STEPS[:2]:
        readings.add([row(step)])
    with pytest.raises(ValueError, match=r"expected no reading after step 0, .*, got 20; name the --work folder"):
        readings.go_on_from(0)


def test_lines_of_other_cells_are_refused(tmp_path):
    Readings(tmp_path / "one.jsonl", ["a"], STEPS).add([row(10)])
    with pytest.raises(ValueError, match="expected lines of b, got a; name another --results"):
        Readings(tmp_path / "one.jsonl", ["b"], STEPS)
