"""A Python that has imported torch and what else the scripts are built on, and nothing of ours.

Its executable is started as Python's own, with a script, `-m`, `-c` or `-`, by a test or by what a test started. It
asks a server, which has imported all that once, to fork a process with its words, folder, environment and files, passes
signals on to it, and ends as it ends. One that was started with `process_group=0` passes them on to all that the forked
process started too, as a terminal does. What the forked process starts with `sys.executable` or multiprocessing is
forked in turn.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from functools import cache
from pathlib import Path

# Never ours: each process reads our files anew.
LIBRARIES = """
torch torchvision.models torchvision.transforms.v2 lightning_fabric jsonargparse matplotlib.pyplot
matplotlib.backends.backend_agg cv2 jaxtyping scipy.io efficientnet_lite_pytorch attrs docstring_parser platformdirs
simplejpeg pycocotools.mask jinja2
"""
EXECUTABLE = """#!{python} -IS
import json, os, signal, socket, sys
files = []
for number in sorted(map(int, os.listdir("/dev/fd"))):
    try:
        os.fstat(number)
        files.append(number)
    except OSError:
        pass
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], files)
    words, leads = sys.argv[1:], os.getpgid(0) == os.getpid() != os.getsid(0)
    server.sendall(json.dumps([files, words, os.getcwd(), dict(os.environ), leads]).encode() + b"\\n")
    # Who waits for the end of a pipe waits for all that hold it.
    for number in files[3:]:
        os.close(number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.sendall(bytes([number])))
    status = int(server.makefile().readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


def run(*words, cwd, env):
    """A finished process of `python WORDS`."""
    line = [python(), *map(str, words)]
    return subprocess.run(line, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def search_path():
    """A PATH on which `python` is the executable."""
    return f"{Path(python()).parent}{os.pathsep}{os.environ['PATH']}"


@cache
def python():
    """The path of the executable; its server ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address, executable = (str(Path(folder.name) / name) for name in ("server", "python"))
    Path(executable).write_text(EXECUTABLE.format(python=sys.executable, address=address))
    Path(executable).chmod(0o755)
    words = [sys.executable, __file__, address, executable]
    server = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdin=-1, stdout=-1)
    assert server.stdout.readline() == b"ready\n"
    atexit.register(_end, server, folder)
    return executable


def _end(server, folder):
    """It ends when all that it forked has ended; multiprocessing's tracker outlives this process."""
    server.stdin.close()
    server.returncode = 0
    folder.cleanup()


def _serve(address, executable):
    gc.disable()
    for name in LIBRARIES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # What torch registers as an operation is struck off at the end of each process, which takes long.
    for finalizer in weakref.finalize._registry:
        finalizer.atexit = False
    # A forked process that collects garbage would go over all that was imported, and copy it.
    gc.freeze()
    gc.enable()
    sys.executable = executable
    multiprocessing.set_executable(executable)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        _attend(listening)


def _attend(listening):
    """Fork what is asked for, and pass on signals and ends, until nobody can ask any more and all has ended."""
    # The end of a child is told of through a pipe.
    ends, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running, asked = {}, [listening, sys.stdin.fileno()]
    while asked or running:
        heard = [connection for connection, one in running.items() if one.heard]
        for ready in select.select([*asked, ends, *heard], [], [])[0]:
            if ready is listening:
                connection, _ = listening.accept()
                # Who is killed while it asks gets nothing.
                with contextlib.suppress(EOFError, ConnectionError):
                    running[connection] = _Running(connection, [ends, told, listening, *running])
            elif ready in running:
                running[ready].pass_on()
            elif ready == ends:
                os.read(ends, 1 << 16)
            else:
                asked = []
        running = {connection: one for connection, one in running.items() if not one.ended()}


class _Running:
    """A forked process, for the executable at the other end of the connection."""

    def __init__(self, connection, of_others):
        self.connection, self.heard = connection, True
        _, files, *_ = socket.recv_fds(connection, 1, 200)
        try:
            numbers, words, folder, environment, self.leads = json.loads(_line(connection))
        except (EOFError, ConnectionError):
            self._close(files)
            raise
        options, words = _parted(words)
        self.child = os.fork()
        if self.child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in [connection, *of_others]:
                one.close() if isinstance(one, socket.socket) else os.close(one)
            _take_over(dict(zip(numbers, files, strict=True)))
            _write_to_them("-u" in options or bool(environment.get("PYTHONUNBUFFERED")))
            _become(words, folder, environment)
        if self.leads:
            os.setpgid(self.child, self.child)
        self._close(files)

    @staticmethod
    def _close(files):
        for file in files:
            os.close(file)

    def pass_on(self):
        """Signals; where nobody waits for the process any more, it is killed."""
        try:
            numbers = self.connection.recv(16)
        except ConnectionError:
            numbers = b""
        self.heard = bool(numbers)
        for number in numbers or [signal.SIGKILL]:
            (os.killpg if self.leads else os.kill)(self.child, number)

    def ended(self):
        """Whether it did, which is then told."""
        found, status = os.waitpid(self.child, os.WNOHANG)
        if found:
            with contextlib.suppress(BrokenPipeError):
                self.connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            self.connection.close()
        return bool(found)


def _take_over(files):
    """Have the files under the numbers that they had."""
    clear = 1 + max([*files, *files.values()])
    aside = {number: fcntl.fcntl(file, fcntl.F_DUPFD, clear) for number, file in files.items()}
    for file in files.values():
        os.close(file)
    for number, file in aside.items():
        os.dup2(file, number)
        os.close(file)


def _write_to_them(unbuffered):
    """Input, output and errors anew: Python remembers of its own whether they are files or pipes."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before, writes = getattr(sys, name), number > 0
        raw = open(number, "wb" if writes else "rb", 0 if writes and unbuffered else -1, closefd=False)  # noqa: SIM115
        settings = {"line_buffering": number == 2, "write_through": writes and unbuffered}
        anew = io.TextIOWrapper(raw, before.encoding, before.errors, **settings)
        setattr(sys, name, anew)
        setattr(sys, f"__{name}__", anew)


def _line(connection):
    """Up to the end of the line and not a byte further: signals follow."""
    text = bytearray()
    while not text.endswith(b"\n"):
        seen = connection.recv(1 << 16, socket.MSG_PEEK)
        if not seen:
            raise EOFError
        text += connection.recv(seen.find(b"\n") + 1 or len(seen))
    return text


def _become(words, folder, environment):
    """Run the words as Python would, and end the process so."""
    os.environ.clear()
    os.environ |= environment
    os.chdir(folder)
    # A suite that a shell runs in the background ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 0
    try:
        _run(words)
    except SystemExit as ended:
        status = ended.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    # Python's own way to end now and then aborts over a thread that torch keeps for DDP and FSDP (torch 2.14).
    os._exit(status or 0)


def _parted(words):
    """Python's own options, of which only "-u" matters here, and what to run."""
    start = 0
    while words[start].startswith("-") and words[start] not in ("-", "-c", "-m"):
        start += 2 if words[start] in ("-X", "-W") else 1
    return words[:start], words[start:]


def _run(words):
    way, *arguments = words
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if way not in ("-m", "-c", "-"):
        sys.argv, sys.path[:1] = words, [str(Path(way).parent), *paths]
        runpy.run_path(way, run_name="__main__")
        return
    sys.path[:1] = [os.getcwd() if way == "-m" else "", *paths]
    sys.argv = [way, *(arguments if way == "-" else arguments[1:])]
    if way == "-m":
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        code = arguments[0] if way == "-c" else sys.stdin.read()
        exec(compile(code, "<string>", "exec"), vars(sys.modules["__main__"]))


if __name__ == "__main__":
    _serve(*sys.argv[1:])
