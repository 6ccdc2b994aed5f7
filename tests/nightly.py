"""How often a test that could go on for hours repeats itself: a little in every run, and much in a nightly one."""

import os

import pytest

NIGHTLY = os.environ.get("SELFCONTRAST_NIGHTLY") == "1"
# Of a test whose promise shorter ones hold every day.
at_night = pytest.mark.skipif(not NIGHTLY, reason="runs each night, with SELFCONTRAST_NIGHTLY=1")


def often(here: int, nightly: int) -> int:
    """How many times this run does it: `here` times, or `nightly` times where SELFCONTRAST_NIGHTLY is 1."""
    return nightly if NIGHTLY else here
