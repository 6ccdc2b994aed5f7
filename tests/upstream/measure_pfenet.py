"""Write how far the published PFENet and the example's lie apart: `python measure_pfenet.py DIR > pfenet.json`.

DIR holds the checkouts, see README.md beside this file. Each figure is the largest difference, as a share of the
largest value of its tensor; what is compared is in pfenet_pair.py.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import torch

# The example is no package; its modules import one another by their own names.
sys.path.insert(1, str(Path(__file__).parents[2] / "examples" / "pfenet_scnet"))

from measured_on import about
from pfenet_pair import SETTINGS, Setting, Trained, apart, train_both

COMMAND = "python tests/upstream/measure_pfenet.py DIR"


def measure(checkouts: Path, setting: Setting) -> dict[str, object]:
    """Both against each other in each precision, and what float32 costs each."""
    exact, rounded = (train_both(checkouts, setting, precision) for precision in (torch.float64, torch.float32))
    figures: dict[str, object] = {"loss": float(exact.published.losses["sum"])}
    for what in Trained._fields:
        reference = getattr(exact.published, what)
        figures[what] = {
            "apart in float64": apart(getattr(exact.ours, what), reference),
            "apart in float32": apart(getattr(rounded.ours, what), getattr(rounded.published, what)),
            "ours in float32 from float64": apart(getattr(rounded.ours, what), reference),
            "theirs in float32 from float64": apart(getattr(rounded.published, what), reference),
        }
    return figures


def main(checkouts: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results: dict[str, dict[str, object]] = {}
    for name, setting in SETTINGS.items():
        print(name, file=sys.stderr)
        # The published code prints while it is built.
        with contextlib.redirect_stdout(sys.stderr):
            results[name] = measure(checkouts, setting)
    print(json.dumps(about(COMMAND, "examples/pfenet_scnet") | {"settings": results}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
