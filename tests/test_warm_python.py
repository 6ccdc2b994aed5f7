"""A forked process is one that Python started: the same words, folder, environment, output and end."""

import os
import subprocess
import sys

import pytest
import warm_python

SCRIPT = """
import atexit, os, sys
import beside
atexit.register(print, "at the end")
print(sys.argv, os.getcwd(), os.environ.get("ASKED"), os.environ.get("HOME"), __name__, sys.path[0], beside.__file__)
print("aside", file=sys.stderr)
print(repr(sys.stdin.read()))
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(0)",
        "sys.exit(3)",
        "sys.exit('a sentence')",
        "raise ValueError('a fault')",
        "os.kill(os.getpid(), 9)",
    ],
)
def test_a_forked_process_is_as_one_that_was_started(tmp_path, end):
    (tmp_path / "beside.py").touch()
    (tmp_path / "inner").mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(end=end))
    environment = {key: value for key, value in os.environ.items() if key != "HOME"} | {"ASKED": "yes"}
    words = [script, "a b", "--c=ü"]
    forked = warm_python.run(*words, cwd=tmp_path / "inner", env=environment)
    options = {"cwd": tmp_path / "inner", "env": environment, "stdin": subprocess.DEVNULL, "text": True}
    real = subprocess.run([sys.executable, *words], capture_output=True, **options)
    assert (forked.returncode, forked.stdout) == (real.returncode, real.stdout)
    assert forked.stderr.splitlines()[:1] == real.stderr.splitlines()[:1] and len(real.stderr) > 0
    assert forked.stderr.splitlines()[-1] == real.stderr.splitlines()[-1]


def test_nothing_of_one_process_is_left_in_the_next(tmp_path):
    (tmp_path / "script.py").write_text(
        "import os, sys\nprint(os.environ.get('ONCE'), 'beside' in sys.modules)\nimport beside\n"
    )
    (tmp_path / "beside.py").touch()
    for once in ("yes", None):
        more = {} if once is None else {"ONCE": once}
        done = warm_python.run(tmp_path / "script.py", cwd=tmp_path, env=os.environ | more)
        assert done.stdout == f"{once} False\n", done.stderr
