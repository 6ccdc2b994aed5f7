"""Write what the presets measure on the published models: `python measure_presets.py DIR > RESULTS.json`.

DIR holds the checkouts, see README.md beside this file.
"""

import contextlib
import json
import sys
import time
import warnings
from pathlib import Path

import torch
from builders import BUILDERS, build
from patches import on_cpu
from published import Published
from training_runs import attached, compare_by_hand, without_draws

from selfcontrast.attach.presets import REFUSED


def measure(published: Published) -> dict[str, object]:
    """Findings of `check`, and the largest difference to a comparison by hand, as a share of its largest logit."""
    with attached(published) as attachment, without_draws(published.model):
        findings = attachment.check(*published.arguments, **published.keywords)
    pairs = compare_by_hand(published).logits
    by_hand = max(float((got - expected).abs().max() / expected.abs().max()) for got, expected in pairs)
    model = type(published.model)
    return {
        "class": f"{model.__module__}.{model.__name__}",
        "check": {finding.claim: finding.figure for finding in findings},
        "by hand": by_hand,
    }


def main(checkouts: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    results: dict[str, dict[str, object]] = {}
    for name in (one for one in BUILDERS if one not in REFUSED):
        for size in BUILDERS[name].sizes:
            # Some published code prints while it is built.
            print(f"{name}: {size}", file=sys.stderr)
            with on_cpu(), contextlib.redirect_stdout(sys.stderr):
                published = build(name, checkouts, size)
                results.setdefault(name, {})[f"{size.batch} x {size.shots}-shot"] = measure(published)
    head = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "device": "cpu"}
    print(json.dumps(head | {"presets": results}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
