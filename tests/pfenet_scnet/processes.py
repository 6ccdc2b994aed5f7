"""The commands as a user types them, in processes of their own."""

import os
import re
from pathlib import Path

import warm_python

EXAMPLE = Path(__file__).parents[2] / "examples" / "pfenet_scnet"
# A run of seconds: a real backbone on tiny pictures.
SHORT = [
    "--size",
    "64",
    "--scales",
    "[4,2]",
    "--channels",
    "16",
    "--batch",
    "2",
    "--steps",
    "4",
    "--episodes",
    "1",
    "--workers",
    "0",
    "--min_pixels",
    "50",
]
# Its words are a module, and a script with its own words, which does not find the module.
WITHOUT_MODULE = """
import runpy, sys
_, module, *sys.argv = sys.argv
sys.path[0], sys.modules[module] = sys.argv[0].rpartition("/")[0], None
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PROGRESS = re.compile(r"\d+%\||it/s|\?it|\bepisodes\b.*\[")


def call(command, *words, cwd, **environment):
    """A finished process of a command, with a cache of its own and no data from outside."""
    return warm_python.run(EXAMPLE / f"{command}.py", *words, cwd=cwd, env=_settings(cwd, environment))


def _settings(cwd, environment):
    settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}
    return settings | {"SELFCONTRAST_CACHE": str(cwd / "cache")} | environment


def refused(command, *words, cwd, **environment):
    """The one line that a command says to a mistake, with exit status 2 and nothing like a traceback."""
    done = call(command, *words, cwd=cwd, **environment)
    lines = [line for line in re.split(r"[\r\n]+", done.stderr) if line.strip() and not PROGRESS.search(line)]
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(lines) == 1 and lines[0].startswith(f"{command}.py: "), done.stderr
    return lines[0]


def carried_out(command, *words, cwd, **environment):
    """What a command that did its work printed."""
    done = call(command, *words, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
