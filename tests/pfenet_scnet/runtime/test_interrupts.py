import os
import signal
import subprocess
import sys
import time

import pytest
from lightning_fabric import Fabric
from living_processes import alive_after, is_alive
from processes import EXAMPLE
from training import fit

CHILD = "import sys, time; from runtime.interrupts import end_with_parent; end_with_parent(); time.sleep(60)"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stderr=subprocess.PIPE, text=True, start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows keeps the number of a dead parent")
def test_a_process_ends_when_the_one_that_started_it_is_killed():
    environment = os.environ | {"PYTHONPATH": str(EXAMPLE)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    time.sleep(1.5)
    assert is_alive(child), "it lives as long as its parent does"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    survived = alive_after(10, [child])
    for process in survived:
        os.kill(process, signal.SIGKILL)
    assert not survived


@pytest.mark.parametrize(("ranks", "watched"), [("1", False), ("2", True)])
def test_the_ranks_of_a_launcher_end_with_it(monkeypatch, ranks, watched):
    called = []
    monkeypatch.setenv("WORLD_SIZE", ranks)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
    monkeypatch.setattr(Fabric, "launch", lambda _: None)
    monkeypatch.setattr(fit, "end_with_parent", lambda: called.append(True))
    fit.start_fabric("32-true")
    assert bool(called) == watched
