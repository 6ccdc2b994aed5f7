import os
import subprocess
import sys

from processes import EXAMPLE
from runtime.environment import environment

SAY = "import sys; sys.path.insert(0, sys.argv[1]); from runtime.environment import environment; print(environment())"


def test_names_versions_machine_and_commit():
    found = environment()
    assert found.keys() >= {"torch", "selfcontrast", "python", "machine", "device", "commit"}
    assert all(found.values())


def test_without_git_a_run_says_so_and_goes_on(tmp_path):
    line = [sys.executable, "-c", SAY, str(EXAMPLE)]
    # No program is found on an empty path.
    done = subprocess.run(
        line, cwd=tmp_path, env=os.environ | {"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "'commit': 'unknown, as git is not installed'" in done.stdout, done.stderr
