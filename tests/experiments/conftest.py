"""Cells run in processes of their own; here in ones that need not import torch first."""

import sys

import pytest
import warm_python


@pytest.fixture(autouse=True)
def quickly_started_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", warm_python.python())
