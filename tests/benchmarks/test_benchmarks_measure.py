import json
import time
from pathlib import Path

import pytest
import torch
from common import measure


def test_arms_take_turns_behind_a_warm_up() -> None:
    calls: list[str] = []
    timed = measure.interleave({name: lambda name=name: calls.append(name) for name in "ABC"}, rounds=2)
    assert "".join(calls) == "ABCABCABC"
    assert {len(one.seconds) for one in timed.values()} == {2}


def test_the_seconds_are_of_the_arm_and_the_first_result_is_kept() -> None:
    results = iter(range(10))

    def slow() -> int:
        time.sleep(0.02)
        return next(results)

    timed = measure.interleave({"slow": slow, "fast": lambda: None}, rounds=3)
    assert timed["slow"].first == 0
    assert min(timed["slow"].seconds) >= 0.02 > min(timed["fast"].seconds)


def test_an_arm_beyond_its_budget_sits_out_and_the_others_go_on() -> None:
    calls: list[str] = []

    def arm(name: str, seconds: float) -> None:
        calls.append(name)
        time.sleep(seconds)

    arms = {"slow": lambda: arm("slow", 0.1), "middle": lambda: arm("middle", 0.04), "fast": lambda: arm("fast", 0)}
    timed = measure.interleave(arms, rounds=4, budget=0.06)
    # The warm-up does not count, so every arm has a round.
    assert calls.count("slow") == 2 and len(timed["slow"].seconds) == 1
    assert calls.count("middle") == 3 and len(timed["middle"].seconds) == 2
    assert len(timed["fast"].seconds) == 4


def test_spread_is_the_median_between_the_extremes() -> None:
    assert measure.spread([3.0, 1.00004, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "rounds": 3}
    assert measure.digits(123456.0) == 123500.0


def test_the_command_names_the_data_by_its_folder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/growth.py", "--rounds", "2"])
    monkeypatch.setenv("SELFCONTRAST_VOC", "/a/private/place/voc-small")
    assert measure.command() == "SELFCONTRAST_VOC=voc-small python benchmarks/growth.py --rounds 2"
    monkeypatch.delenv("SELFCONTRAST_VOC")
    assert measure.command() == "python benchmarks/growth.py --rounds 2"
    monkeypatch.setattr("sys.argv", [str(measure.ROOT / "benchmarks" / "mutation" / "mutants.py")])
    assert measure.command() == "python benchmarks/mutation/mutants.py"


def test_threads_are_set_for_torch_and_for_what_is_imported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = torch.get_num_threads()
    try:
        assert measure.use_threads(2) == 2
        assert torch.get_num_threads() == 2 and measure.os.environ["OMP_NUM_THREADS"] == "2"
    finally:
        torch.set_num_threads(before)


def test_the_machine_has_processor_load_and_versions() -> None:
    about = measure.machine(["pytest"])
    assert about["processor"] and len(about["load"]) == 3 and about["cores"] >= 1
    assert about["pytest"] == pytest.__version__


def test_a_report_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    rows = [{"arm": "ours", "median": 1.23456}, {"arm": "theirs", "not_run": "it is not installed"}]
    path = measure.publish("small", {"rows": rows, "summary": {"won": True}}, ("arm", "median"))
    assert json.loads(path.read_text())["rows"] == rows
    assert list(tmp_path.iterdir()) == [tmp_path / "small.json"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["arm", "median"] and lines[1].split() == ["ours", "1.235"]
    assert lines[2].split(maxsplit=2) == ["theirs", "-", "it is not installed"]
