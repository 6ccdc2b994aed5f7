"""Commands in processes of their own, without the seconds that each would take to import torch."""

import os
from typing import NamedTuple

import warm_python
from processes import EXAMPLE


class Ended(NamedTuple):
    status: int
    out: str
    err: str


class ForkedCommand:
    """A command to be called many times in a folder."""

    def __init__(self, name, folder):
        self.script, self.folder = EXAMPLE / f"{name}.py", folder
        self.settings = {key: value for key, value in os.environ.items() if key != "SELFCONTRAST_VOC"}

    def __call__(self, *words):
        return self._ended(self.script, *words)

    def _ended(self, script, *words):
        done = warm_python.run(script, *words, cwd=self.folder, env=self.settings)
        return Ended(done.returncode, done.stdout, done.stderr)
