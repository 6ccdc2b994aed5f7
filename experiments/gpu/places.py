"""Options that both commands on the machine with the GPU have: where things lie, and what differs in a rehearsal."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from grid.cell import Settings

RESULTS = Path(__file__).parents[1] / "results"


def add_places(parser: ArgumentParser) -> None:
    parser.add_argument("--pack", type=Path, required=True, help="the file that experiments/gpu/pack.py wrote")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu"), help="pictures, features and checkpoints")
    parser.add_argument("--results", type=Path, default=RESULTS, help="lines of the readings, below gpu/")
    parser.add_argument("--settings", type=read_settings, default={}, help="of the recipe that differ, as JSON")


def read_settings(text: str) -> Settings:
    """
    >>> read_settings('{"size": 64}')
    {'size': 64}
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ArgumentTypeError(f"expected a JSON object, got {text}; write for instance '{{\"size\": 64}}'")
    return found
