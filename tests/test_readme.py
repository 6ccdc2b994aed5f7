"""What the README shows is what runs."""

import re
import runpy
from pathlib import Path

import pytest
import torch
from hosts import build
from torch import nn

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(16, 2, 1)

    def compare(self, features, prototype_map):
        return self.head(torch.cat([features, prototype_map], 1))


def test_the_three_lines_attach_to_a_model_that_nobody_edited(capsys):
    hero, check, *_ = BLOCKS
    lines = [line for line in hero.splitlines() if line.strip()]
    assert len(lines) == 3
    small = build("pfenet")
    names = {"model": small.model, "batch": tuple(small.keywords[name] for name in ("x", "s_x", "s_y", "y"))}
    exec("\n".join(lines[:2]), names)
    exec(check.partition("\n")[0], names)
    assert capsys.readouterr().out.startswith("ok")
    names["loss"] = main_loss = small.main_loss(small.model(*names["batch"]))
    exec(lines[2], names)
    assert names["loss"] != main_loss and names["attachment"].contrast is not None
    names["loss"].backward()
    exec(check.partition("\n")[2], names)
    assert not small.model._forward_hooks


def test_the_other_python_blocks_run():
    torch.manual_seed(0)
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    names = {
        "model": Own(),
        "features": torch.rand(2, 8, 8, 8, requires_grad=True),
        "high_level": torch.rand(2, 16, 4, 4),
        "mask": mask,
        "main_loss": torch.tensor(1.0),
    }
    assert len(BLOCKS) == 4
    for block in BLOCKS[2:]:
        exec(block, names)
    names["loss"].backward()
    assert names["model"].head.weight.grad is not None and names["loss"] != 1
    assert names["prototype_map"].shape == (2, 8, 8, 8)


@pytest.mark.parametrize("name", ["README.md", "docs/data.md", "docs/attach.md"])
def test_files_and_options_it_names_exist(name):
    page = ROOT / name
    # torchrun's own options are not ours to know.
    text = re.sub(r"torchrun --nproc-per-node \d+", "", page.read_text())
    for path in re.findall(r"\]\(([\w/.]+)\)", text):
        assert (page.parent / path).is_file(), path
    for path in re.findall(r"python (examples/[\w/.]+|benchmarks/[\w/.]+)", text):
        assert (ROOT / path).is_file(), path
    scripts = "".join(path.read_text() for path in (ROOT / "examples/pfenet_scnet").rglob("*.py"))
    for option in set(re.findall(r" --(\w+)", text)) - {"help", "recipe"}:
        assert re.search(rf"^ +{option}: |[(,] ?{option}: |\"--{option}\"", scripts, re.MULTILINE), option


def test_quickstart_learns(capsys):
    quickstart = ROOT / "examples/quickstart.py"
    assert len(quickstart.read_text().splitlines()) < 60
    runpy.run_path(str(quickstart))
    losses = [float(value) for value in re.findall(r"L1 ([\d.]+)", capsys.readouterr().out)]
    assert len(losses) == 3 and losses[-1] < losses[0]
