"""The commands that draw the pictures of the README and the tutorial; they lie beside the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
# isort: split
import readme_picture
import tutorial
from drawing import gains_chart
from drawing.themes import THEMES

ROOT = Path(__file__).parents[2]

__all__ = ["ROOT", "THEMES", "gains_chart", "readme_picture", "tutorial"]
