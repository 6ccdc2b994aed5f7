"""What the README shows is what runs."""

import re
import runpy
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


class Host(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(16, 2, 1)

    def compare(self, features, prototype_map):
        return self.head(torch.cat([features, prototype_map], 1))


def test_the_python_blocks_run():
    torch.manual_seed(0)
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    names = {
        "model": Host(),
        "features": torch.rand(2, 8, 8, 8, requires_grad=True),
        "high_level": torch.rand(2, 16, 4, 4),
        "mask": mask,
        "main_loss": torch.tensor(1.0),
    }
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    names["loss"].backward()
    assert names["model"].head.weight.grad is not None and names["loss"] != 1
    assert names["prototype_map"].shape == (2, 8, 8, 8)


def test_three_lines_are_three_lines():
    hero = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in hero.splitlines() if line.strip()]) == 3


def test_files_and_options_it_names_exist():
    for path in re.findall(r"\]\(([\w/.]+)\)", README) + re.findall(r"python (examples/[\w/.]+)", README):
        assert (ROOT / path).is_file(), path
    recipe = (ROOT / "examples/pfenet_scnet/recipe.py").read_text()
    evaluate = (ROOT / "examples/pfenet_scnet/evaluate.py").read_text()
    for option in set(re.findall(r" --(\w+)", README)) - {"help", "recipe"}:
        assert f"    {option}: " in recipe or f'"--{option}"' in evaluate, option


def test_quickstart_learns(capsys):
    quickstart = ROOT / "examples/quickstart.py"
    assert len(quickstart.read_text().splitlines()) < 60
    runpy.run_path(str(quickstart))
    losses = [float(value) for value in re.findall(r"L1 ([\d.]+)", capsys.readouterr().out)]
    assert len(losses) == 3 and losses[-1] < losses[0]
