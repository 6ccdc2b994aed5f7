"""Each loop as a script: it logs what the task did, learns, and saves weights that fit a model without the task."""

import os
import re
from pathlib import Path

import pytest
import warm_python
from loop_modules import LOOPS

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
RUNS = {
    "amp_accumulation": (),
    "lightning_module": (),
    "fabric_processes": (),
    "accelerate_loop": (),
    "accelerate_loop in two processes": TORCHRUN,
}
SHARED = {"tiny_pfenet", "episodes"}
LOGGED = ("main_loss", "contrast_loss", "blended_loss", "judged", "agreement", "empty_regions", "region_1", "region_3")


@pytest.mark.parametrize("name", RUNS)
def test_a_loop_runs_and_learns(name: str, tmp_path: Path) -> None:
    words = *RUNS[name], LOOPS / f"{name.split()[0]}.py"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = warm_python.run(*words, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for figure in LOGGED:
        assert figure in done.stdout
    # Processes that do not know of each other would each say it.
    ((first, last),) = re.findall(r"the loss fell from ([\d.]+) to ([\d.]+)", done.stdout)
    assert float(last) < 0.5 * float(first)
    ((attached, without),) = re.findall(r"IoU ([\d.]+); .* without the task ([\d.]+)", done.stdout)
    assert attached == without and float(attached) > 0.5


def test_every_loop_is_run() -> None:
    assert {path.stem for path in LOOPS.glob("*.py")} == {name.split()[0] for name in RUNS} | SHARED
