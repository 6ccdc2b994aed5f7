"""Run as a script, become a command that is killed at a moment; see `killed_commands`.

Python tells of every file that is opened, renamed or linked before it happens, so a moment is the same in every run.
"""

import json
import os
import resource
import runpy
import signal
import socket
import sys
from fnmatch import fnmatch
from pathlib import Path


def prepare(cache, ranks, moment):
    os.environ["SELFCONTRAST_CACHE"] = os.path.abspath(cache)
    # What it starts is killed together with it.
    os.setpgid(0, 0)
    if ranks > 1 and rank_of(ranks) + 1 < ranks:
        return
    if "bytes" in moment:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (moment["bytes"],) * 2)
    elif moment:
        kill_at(**moment)


def become(script, *words):
    sys.argv, sys.path[0] = [script, *words], str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


def rank_of(ranks):
    """Become several processes, as torchrun starts them, and return this one's number."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    rank = next((rank for rank in range(1, ranks) if os.fork() == 0), 0)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    return rank


def kill_at(event, name, turn=1, whom="all"):
    """From now on, kill before what `event` tells of is done to a path like `name` for the `turn`-th time.

    Args:
        event: as Python calls it: "open", "os.rename", "os.symlink".
        whom: "all" for the command with all that it started, "itself" for the command alone, "started" for the process
            alone that does it and was started by the command.
    """
    command, met = os.getpid(), []

    def look(told, arguments):
        meant = whom == "all" or (os.getpid() == command) == (whom == "itself")
        paths = [os.fspath(one) for one in arguments if isinstance(one, str | os.PathLike)]
        if told == event and meant and any(fnmatch(path, name) for path in paths):
            met.append(told)
            if len(met) == turn:
                (os.killpg if whom == "all" else os.kill)(0 if whom == "all" else os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


if __name__ == "__main__":
    prepare(**json.loads(sys.argv[1]))
    become(*sys.argv[2:])
