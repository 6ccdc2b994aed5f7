"""What the README promises in numbers; test_blocks.py runs its blocks and commands with those of all pages."""

import re
import runpy

from doc_pages import ROOT, blocks_of


def test_the_first_block_attaches_in_three_lines():
    hero = next(block for block in blocks_of("README.md") if block.language == "python")
    assert len([line for line in hero.text.splitlines() if line.strip()]) == 3


def test_quickstart_learns(capsys):
    quickstart = ROOT / "examples/quickstart.py"
    assert len(quickstart.read_text().splitlines()) < 60
    runpy.run_path(str(quickstart))
    losses = [float(value) for value in re.findall(r"L1 ([\d.]+)", capsys.readouterr().out)]
    assert len(losses) == 3 and losses[-1] < losses[0]
