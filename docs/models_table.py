"""The table of what `probe` and the presets did on twenty published models, as docs/attach-models.md holds it.

python docs/models_table.py     # prints it, from tests/upstream/attached.json
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# The names of the papers; a model that is missing here goes by its preset's.
NAMES = {
    "mianet": "MIANet",
    "pfenet2plus": "PFENet++",
    "svf_bam": "SVF-BAM",
    "svf_pfenet": "SVF-PFENet",
    "msanet": "MSANet",
    "aenet_hdmnet": "AENet on HDMNet",
    "aenet_sccan": "AENet on SCCAN",
    "aenet_cyctr": "AENet on CyCTR",
    "ipmt": "IPMT",
    "qgnet": "QGNet",
    "dcp": "DCP",
    "r2net": "R2Net",
    "ntrenet": "NTRENet",
    "ifa": "IFA",
    "qnet": "Q-Net",
    "rpt": "RPT",
    "alpnet": "SSL-ALPNet",
    "patnet": "PATNet",
    "fecanet": "FECANet",
    "capl": "CAPL",
}


def table(measured: dict[str, Any]) -> str:
    """Rows in Markdown, in the order of the file."""
    head = "| model | `probe` | seconds | preset | seconds | open in its check |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(row(name, one) for name, one in measured["models"].items())])


def row(name: str, one: dict[str, Any]) -> str:
    """One model: what probe found or said, and what the preset's check says."""
    if "failed" in one:
        return f"| {NAMES.get(name, name)} | not run: {one['failed']} | - | - | - | - |"
    probe, preset = one["probe"], one["preset"]
    found = probe["mechanism"] if probe["found"] else "refused"
    if "refused" in preset:
        way, seconds, still = "refused", "-", "-"
    else:
        way, seconds, still = preset["mechanism"], f"{preset['seconds']:.0f}", open_claims(preset["check"])
    return f"| {NAMES.get(name, name)} | {found} | {probe['seconds']:.0f} | {way} | {seconds} | {still} |"


def open_claims(check: list[str]) -> str:
    """The claims of a check that are unproven, in short."""
    return "; ".join(line.removeprefix("?").split(":")[0].strip() for line in check if line.startswith("?")) or "none"


if __name__ == "__main__":
    print(table(json.loads((ROOT / "tests" / "upstream" / "attached.json").read_text())))
