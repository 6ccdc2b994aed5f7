"""Commands in processes of their own, without the seconds that each would take to import torch.

One process imports the command and then forks a child for every line of words that it is sent.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

EXAMPLE = Path(__file__).parents[2] / "examples" / "pfenet_scnet"


class Ended(NamedTuple):
    status: int
    out: str
    err: str


class ForkedCommand:
    """A command to be called many times in a folder."""

    script = __file__

    def __init__(self, name, folder):
        self.folder = folder
        settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
        settings |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLE)}
        self.server = subprocess.Popen(
            [sys.executable, self.script, name], cwd=folder, env=settings, text=True, stdin=-1, stdout=-1
        )

    def __call__(self, *words):
        self.server.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        return Ended(status, *((self.folder / f".{name}").read_text() for name in ("out", "err")))

    def close(self):
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()


def serve(name, prepared=list):
    """Carry out line after line; `prepared` gets a child ready, and returns the command's words of all."""
    sys.argv[0] = f"{name}.py"
    command = importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _be(command, prepared(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _be(command, words):
    """Run as the command, and end the process as Python would."""
    for number, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    status = 0
    try:
        command.run_command(command.main, words)
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
