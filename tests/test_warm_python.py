"""A forked process is one that Python started: the same words, folder, environment, output and end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

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
WAITING = """
import os, pathlib, time
pathlib.Path("number").write_text(str(os.getpid()))
os.rename("number", "at work")
time.sleep(60)
"""
POOL = """
import multiprocessing, sys
def square(x):
    return x * x, "torch" in sys.modules
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        print(pool.map(square, [1, 2, 3]))
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
@pytest.mark.parametrize("way", ["script", "module", "code"])
def test_a_forked_process_is_as_one_that_was_started(tmp_path, end, way):
    (tmp_path / "inner").mkdir()
    folder = tmp_path if way == "script" else tmp_path / "inner"
    (folder / "beside.py").touch()
    script = folder / "written.py"
    script.write_text(SCRIPT.format(end=end))
    environment = {key: value for key, value in os.environ.items() if key != "HOME"} | {"ASKED": "yes"}
    ways = {"script": [script], "module": ["-m", "written"], "code": ["-c", script.read_text()]}
    words = [*ways[way], "a b", "--c=ü"]
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


def test_what_it_starts_is_forked_too(tmp_path):
    inner = "import sys; print('torch' in sys.modules)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-B', '-X', 'utf8', '-c', {inner!r}])"
    assert warm_python.run("-c", outer, cwd=tmp_path, env=os.environ).stdout == "True\n"


def test_what_it_has_in_a_pool_is_forked_too(tmp_path):
    (tmp_path / "script.py").write_text(POOL)
    done = warm_python.run(tmp_path / "script.py", cwd=tmp_path, env=os.environ)
    assert (done.stdout, done.stderr) == ("[(1, True), (4, True), (9, True)]\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it_too(tmp_path, number):
    started = subprocess.Popen([warm_python.python(), "-c", WAITING], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while not (tmp_path / "at work").exists():
        time.sleep(0.01)
    started.send_signal(number)
    assert started.wait() == (1 if number == signal.SIGINT else -number)
    assert ended_in_time(int((tmp_path / "at work").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_its_group_reaches_what_it_started_too(tmp_path, number):
    outer = f"import os\nif os.fork():\n    os.wait()\nelse:\n    exec({WAITING!r})"
    words, alone = [warm_python.python(), "-c", outer], {"process_group": 0, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(words, cwd=tmp_path, **alone)
    while not (tmp_path / "at work").exists():
        time.sleep(0.01)
    os.killpg(started.pid, number)
    assert started.wait() == (1 if number == signal.SIGINT else -number)
    assert ended_in_time(int((tmp_path / "at work").read_text()))


def test_who_is_killed_while_it_asks_stops_nobody_else(tmp_path):
    (address,) = re.findall(r"connect\('(.*)'\)", Path(warm_python.python()).read_text())
    for said in (b"", b"."):
        with socket.socket(socket.AF_UNIX) as server, (tmp_path / "file").open("w") as file:
            server.connect(address)
            if said:
                socket.send_fds(server, [said], [file.fileno()])
                server.sendall(b"[[0], [")
    assert warm_python.run("-c", "print(7)", cwd=tmp_path, env=os.environ).stdout == "7\n"


def ended_in_time(process):
    end = time.monotonic() + 10
    while is_alive(process) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_alive(process)


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
