"""Which processes live: those that a killed command leaves behind have nobody who could be asked."""

import os
import time
from pathlib import Path


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Nobody may be there to ask how an orphan ended.
    entry = Path(f"/proc/{process}/stat")
    status = entry.read_text() if entry.exists() else ""
    return status.rpartition(")")[2].split()[:1] != ["Z"]


def alive_after(seconds, processes):
    """Those that still live then; returns as soon as none does."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [process for process in processes if is_alive(process)]


def started_by(process):
    """The processes below a process, on Linux."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for one in threads for child in one.read_text().split()]
    return children + [below for child in children for below in started_by(child)]
