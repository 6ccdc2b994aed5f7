"""`benchmarks/gpu.sh` runs from end to end with tiny sizes: whoever has a GPU next starts with it."""

import json
import os
import subprocess
from pathlib import Path

import warm_python
from common.measure import ROOT
from jsonschema import Draft202012Validator

SCHEMA = Draft202012Validator(json.loads((ROOT / "benchmarks" / "schema.json").read_text()))


def test_the_rehearsal_writes_what_a_gpu_would_be_asked(tmp_path: Path) -> None:
    surroundings = os.environ | {"PATH": warm_python.search_path()}
    surroundings["SELFCONTRAST_RESULTS"] = str(tmp_path)
    subprocess.run(["bash", "benchmarks/gpu.sh", "rehearse"], cwd=ROOT, env=surroundings, check=True)
    clustering, step = (
        json.loads((tmp_path / f"{name}_rehearsal.json").read_text()) for name in ("clustering", "step")
    )
    for report in (clustering, step):
        SCHEMA.validate(report)
    # The kernels and the peers are named, and so is what they lack here.
    absent = {row["arm"] for row in clustering["rows"] if "not_run" in row}
    assert any("flash-kmeans" in arm for arm in absent) and any("fastkmeans" in arm for arm in absent)
    assert {bar["arm"] for bar in step["summary"]["bars"]} == {"fold"} | {
        f"own part{kind}" for kind in ("", ", channels last", ", bfloat16", ", bfloat16, channels last")
    }
