"""Attach to twenty published models, by `probe` and by preset: `python measure_probe.py DIR > attached.json`.

DIR holds the checkouts, see README.md beside this file. Each model runs in a process of its own on one thread; a name
behind DIR measures this one alone.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from builders import build
from patches import on_cpu
from published import Published
from tqdm import tqdm
from training_runs import attached, without_draws

from selfcontrast import CosineHost, Host, InputError, probe
from selfcontrast.attach.presets import REFUSED

MODELS = (
    *("mianet", "pfenet2plus", "svf_bam", "svf_pfenet", "msanet", "aenet_hdmnet", "aenet_sccan", "aenet_cyctr"),
    *("ipmt", "qgnet", "dcp", "r2net", "ntrenet", "ifa", "qnet", "rpt", "alpnet", "patnet", "fecanet", "capl"),
)


def by_probe(published: Published) -> dict[str, Any]:
    """What `probe` finds on the published training call, and how long it takes."""
    said, started = io.StringIO(), time.perf_counter()
    try:
        with contextlib.redirect_stdout(said), without_draws(published.model):
            host = probe(published.model, *published.arguments, **published.keywords)
    except InputError as error:
        return {"found": False, "says": str(error), "seconds": round(time.perf_counter() - started, 1)}
    seconds = round(time.perf_counter() - started, 1)
    lines = said.getvalue().splitlines()
    return {"found": True, "mechanism": mechanism(host), "seconds": seconds, "printed": lines}


def by_preset(published: Published) -> dict[str, Any]:
    """What `check` says of the preset, or why the model is refused."""
    if published.name in REFUSED:
        return {"refused": REFUSED[published.name]}
    started = time.perf_counter()
    with attached(published) as attachment, without_draws(published.model):
        findings = attachment.check(*published.arguments, **published.keywords)
    seconds = round(time.perf_counter() - started, 1)
    return {"mechanism": mechanism(attachment.host), "seconds": seconds, "check": str(findings).splitlines()}


def mechanism(host: Host | CosineHost) -> str:
    return "exchange" if isinstance(host, CosineHost) else host.mechanism


def one_model(checkouts: Path, name: str) -> dict[str, Any]:
    """What both ways say of one model."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    # Some published code prints while it is built.
    with on_cpu(), contextlib.redirect_stdout(sys.stderr):
        found = by_probe(build(name, checkouts))
        return {"probe": found, "preset": by_preset(build(name, checkouts))}


def every_model(checkouts: Path) -> dict[str, Any]:
    """The same of all, each in its own process, for published packages share their names."""
    results: dict[str, Any] = {}
    for name in tqdm(MODELS, unit="model"):
        alone = [sys.executable, __file__, str(checkouts), name]
        done = subprocess.run(alone, capture_output=True, text=True, check=False)
        last = done.stderr.strip().splitlines()[-1:]
        results[name] = json.loads(done.stdout) if done.returncode == 0 else {"failed": " ".join(last)}
    about = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "device": "cpu"}
    return about | {"threads": 1, "processors": os.cpu_count(), "pixels": 129, "models": results}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", type=Path)
    parser.add_argument("model", nargs="?", choices=MODELS)
    given = parser.parse_args()
    result = one_model(given.checkouts, given.model) if given.model else every_model(given.checkouts)
    print(json.dumps(result, indent=1))
