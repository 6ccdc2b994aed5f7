"""Scripts in processes of their own, without the seconds that each would take to import torch.

A process that has imported what the scripts are built on, and nothing of ours, forks a child for each.
"""

import atexit
import contextlib
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

# Never ours: each child reads our files anew.
LIBRARIES = "torch torchvision.models torchvision.transforms.v2 lightning_fabric jsonargparse matplotlib.pyplot cv2"


def run(script, *words, cwd, env):
    """A finished process of `python SCRIPT WORDS`, as `subprocess.run` returns it."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = (Path(folder) / name for name in ("out", "err"))
        asked = {"script": str(script), "words": [str(word) for word in words], "cwd": str(cwd), "env": dict(env)}
        server = _server()
        server.stdin.write(json.dumps(asked | {"out": str(out), "err": str(err)}) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess([script, *words], status, _text(out), _text(err))


def _text(path):
    """As a pipe in text mode gives it."""
    with path.open(encoding=None, errors="surrogateescape") as file:
        return file.read()


@cache
def _server():
    started = [sys.executable, __file__]
    server = subprocess.Popen(started, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, stdin=-1, stdout=-1)
    # It ends where its input ends.
    atexit.register(server.communicate)
    return server


def _serve():
    for name in LIBRARIES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(script, words, cwd, env, out, err):
    """Run the script as Python would, and end the process so."""
    for number, (path, mode) in enumerate(((os.devnull, os.O_RDONLY), (out, os.O_WRONLY), (err, os.O_WRONLY))):
        os.dup2(os.open(path, mode | os.O_CREAT), number)
    os.environ.clear()
    os.environ |= env
    os.chdir(cwd)
    sys.argv = [script, *words]
    sys.path[0] = str(Path(script).parent)
    sys.path[1:1] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        status = ended.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    _serve()
