"""A command that is killed at a moment named by what it does then, in a process forked as in `forked_commands`.

Python tells of every file that is opened, renamed or linked before it happens, so a moment is the same in every run.
"""

import json
import os
import resource
import signal
import socket
import sys
from fnmatch import fnmatch
from pathlib import Path

from forked_commands import ForkedCommand, serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "pfenet_scnet"


class KilledCommand(ForkedCommand):
    """A command to be called many times, and killed where that is asked."""

    script = __file__

    def __call__(self, *words, cache="cache", ranks=1, **moment):
        """Carry it out.

        Args:
            cache: the folder of what is counted once.
            ranks: as many processes of one training; the last of them is killed, and the first one's end is returned.
            moment: nothing, or the arguments of `_kill_at`, or `bytes`, the size at which the system kills it while it
                writes a file.
        """
        return super().__call__(json.dumps({"cache": cache, "ranks": ranks, "moment": moment}), *words)


def _prepared(words):
    asked = json.loads(words[0])
    os.environ["SELFCONTRAST_CACHE"] = os.path.abspath(asked["cache"])
    # What it starts is killed together with it.
    os.setpgid(0, 0)
    if asked["ranks"] > 1 and _rank_of(asked["ranks"]) + 1 < asked["ranks"]:
        return words[1:]
    if "bytes" in asked["moment"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["moment"]["bytes"],) * 2)
    elif asked["moment"]:
        _kill_at(**asked["moment"])
    return words[1:]


def _rank_of(ranks):
    """Become several processes, as torchrun starts them, and return this one's number."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    rank = next((rank for rank in range(1, ranks) if os.fork() == 0), 0)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    return rank


def _kill_at(event, name, turn=1, whom="all"):
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
    serve(sys.argv[1], _prepared)
