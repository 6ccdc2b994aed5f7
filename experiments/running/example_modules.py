"""Importing this makes the modules of examples/pfenet_scnet importable; every script here does so first."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples" / "pfenet_scnet")]
