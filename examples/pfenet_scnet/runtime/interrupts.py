"""Ctrl-C ends a run between two steps, never inside one; a second Ctrl-C ends it at once.

Who was started by a process that dies, as the ranks of torchrun are, ends too.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Event, Thread

# Seconds between two looks at whether the parent still lives.
PATIENCE = 1.0


@contextmanager
def interrupt_flag() -> Iterator[Event]:
    """An event that the first Ctrl-C sets, inside the context."""
    interrupted = Event()
    before = signal.getsignal(signal.SIGINT)

    def note(_signal: int, _frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def ignore_interrupts(_worker: int) -> None:
    """Ignore Ctrl-C in loader processes, which a terminal interrupts too: the main process ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def begin_worker() -> None:
    """Get a process of a pool ready: it leaves Ctrl-C to the command, and ends when that dies.

    It would wait for a task for ever: the processes of a pool keep its pipe open for each other.
    """
    ignore_interrupts(0)
    command = parent_process()
    assert command is not None
    Thread(target=_end_after, args=(command,), daemon=True).start()


def _end_after(command: BaseProcess) -> None:
    command.join()
    os._exit(1)


def end_with_parent() -> None:
    """From now on, end this process at once when the one that started it dies.

    A rank whose launcher was killed would go on beside those of the next launch, and hold their port and their GPU.
    """
    Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    # A process whose parent dies gets another one; on Windows it keeps the number, and nothing can be seen.
    while os.getppid() == parent:
        time.sleep(PATIENCE)
    try:
        print("the process that started this one died, so this one ends", file=sys.stderr, flush=True)
    finally:  # Nobody may listen any more.
        os._exit(1)
