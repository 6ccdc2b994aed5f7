"""Ctrl-C ends a run between two steps, never inside one; a second Ctrl-C ends it at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event


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
