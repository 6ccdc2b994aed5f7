"""The measure that other work on the machine disturbs least."""

import os


def processor_seconds() -> float:
    """Of this process and of loaders that have ended, since the start."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
