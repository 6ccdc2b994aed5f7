"""What the loops share, which lies beside them and not in a package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "loops"))
# isort: split
import lightning_module
from episodes import Episodes
from tiny_pfenet import TinyPFENet

LOOPS = Path(lightning_module.__file__).parent

__all__ = ["LOOPS", "Episodes", "TinyPFENet", "lightning_module"]
