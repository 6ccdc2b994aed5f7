"""What a run by day does of tests that could go on for hours: a little, and some of them only a nightly one."""

import os

import pytest

NIGHTLY = os.environ.get("SELFCONTRAST_NIGHTLY") == "1"
# Of a test whose promise shorter ones hold by day, or of a tool that runs at night.
at_night = pytest.mark.skipif(not NIGHTLY, reason="runs each night, with SELFCONTRAST_NIGHTLY=1")


def often(here: int, nightly: int) -> int:
    """How many times this run does it: `here` times, or `nightly` times where SELFCONTRAST_NIGHTLY is 1."""
    return nightly if NIGHTLY else here
