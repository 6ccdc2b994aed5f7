"""Real processes, really killed: what is finished stays, what is not goes on or starts anew."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from grid.cell import Cell
from run import prepare
from running.folders import Folders
from running.pool import log_of, run_cells
from running.trial import run_cell
from tiny_cells import SCENES, tiny, tiny_folders

LONG = tiny(steps=130)
RUNNER = """
import json, sys
from grid.cell import Cell
from running.folders import Folders
from pathlib import Path
from running.pool import run_cells

cells = [Cell(**one) for one in json.loads(sys.argv[2])]
try:
    run_cells(cells, Folders(Path(sys.argv[1]) / "work", Path(sys.argv[1]) / "results"), 1)
except KeyboardInterrupt:
    raise SystemExit(130)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folders = tiny_folders(tmp_path_factory.mktemp("experiments"))
    prepare([LONG], folders)
    return folders


def start_runner(root: Path, cells: list[Cell]) -> subprocess.Popen[str]:
    """A runner of its own session, so that no signal reaches its cells but by its own doing."""
    folders = os.pathsep.join(path for path in sys.path if path)
    configurations = json.dumps([asdict(cell) for cell in cells])
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, root, configurations],
        env=os.environ | {"PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(met, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not met():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


def alone(folders: Folders, root: Path) -> Folders:
    """Folders of one test, with the module's scenes and features."""
    (root / "work").mkdir()
    for shared in (SCENES, "features"):
        (root / "work" / shared).symlink_to(folders.work / shared)
    return Folders(root / "work", root / "results")


def cell_process(folders: Folders, cell: Cell) -> int:
    return int((folders.run(cell) / "process").read_text())


def stamps_of(cells: list[Cell], folders: Folders) -> list[int]:
    """When each cell's process last began: it writes its number."""
    return [(folders.run(cell) / "process").stat().st_mtime_ns for cell in cells]


def test_cells_run_side_by_side_finished_ones_never_again_and_one_that_fails_holds_up_no_other(folders, capsys):
    wrong, cells = tiny(optimizer="sgd", learning_rate=1e30), [tiny(seed=seed, steps=1) for seed in (1, 2)]
    assert run_cells([wrong, *cells, cells[0]], folders, 2) == [wrong]
    assert "3 cells to run" in capsys.readouterr().out
    assert folders.result(wrong) is None and "lower the learning rate" in log_of(wrong, folders).read_text()
    before, stamps = (folders.results / "cells" / "other.jsonl").read_bytes(), stamps_of(cells, folders)
    assert run_cells(cells, folders, 2) == []
    assert "0 cells to run" in capsys.readouterr().out
    assert (folders.results / "cells" / "other.jsonl").read_bytes() == before
    assert stamps_of(cells, folders) == stamps
    result = folders.result(cells[0])
    assert result["environment"]["machine"].endswith("1 threads") and result["cell"]["recipe"]["seed"] == 1
    assert "1-shot evaluation" in log_of(cells[0], folders).read_text()


def test_killed_in_the_middle_a_cell_goes_on_to_the_result_of_one_never_stopped(folders, tmp_path):
    run_cell(LONG, folders)
    killed = alone(folders, tmp_path)
    finished = tiny(steps=2)
    runner = start_runner(tmp_path, [finished, LONG])
    wait_until((killed.run(LONG) / "run" / "checkpoint.pt").exists, runner)
    os.kill(runner.pid, signal.SIGKILL)
    os.kill(cell_process(killed, LONG), signal.SIGKILL)
    runner.communicate()
    assert killed.result(LONG) is None, "it must have been stopped on the way for this test to mean anything"
    first, stamps = killed.result(finished), stamps_of([finished], killed)
    assert run_cells([finished, LONG], killed, 1) == []
    assert killed.result(finished) == first and stamps_of([finished], killed) == stamps
    assert "resumed after step 100" in log_of(LONG, killed).read_text()
    whole, resumed = (at.result(LONG) for at in (folders, killed))
    assert resumed["evaluations"] == whole["evaluations"] and resumed["losses"] == whole["losses"]


def test_a_cell_left_over_from_a_killed_runner_is_waited_for(folders, tmp_path):
    killed = alone(folders, tmp_path)
    runner = start_runner(tmp_path, [LONG])
    wait_until((killed.run(LONG) / "run" / "metrics.jsonl").exists, runner)
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate()
    assert killed.result(LONG) is None
    left = cell_process(killed, LONG)
    assert run_cells([LONG], killed, 1) == []
    # The one left over wrote the result; the one that waited found it and trained nothing.
    assert killed.result(LONG) is not None and cell_process(killed, LONG) != left
    assert log_of(LONG, killed).read_text().count("fold 0:") == 1


def test_ctrl_c_ends_the_cells_between_two_steps(folders, tmp_path):
    stopped = alone(folders, tmp_path)
    runner = start_runner(tmp_path, [LONG])
    wait_until((stopped.run(LONG) / "run" / "metrics.jsonl").exists, runner)
    wait_until(lambda: (stopped.run(LONG) / "run" / "metrics.jsonl").stat().st_size > 0, runner)
    process = cell_process(stopped, LONG)
    os.kill(runner.pid, signal.SIGINT)
    runner.communicate(timeout=60)
    assert runner.returncode == 130 and stopped.result(LONG) is None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    step = torch.load(stopped.run(LONG) / "run" / "checkpoint.pt", weights_only=True)["step"]
    assert 0 < step < 130 and f"stopped after step {step}" in log_of(LONG, stopped).read_text()
