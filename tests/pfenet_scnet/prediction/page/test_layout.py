"""What the page says, without a browser."""

import re

import numpy as np
import pytest
import torch
from model.pfenet import PFENet
from prediction.page.layout import find, notes, sentence
from prediction.page.two_runs import Runs
from recipe import Recipe
from tiny_backbone import tiny_backbone


def runs(*said, command=None):
    torch.manual_seed(0)
    models = {name: PFENet(tiny_backbone(), channels=16, scales=(6, 3)).eval() for name in ("Baseline", "SCNet")}
    return Runs(models, Recipe(size=48, batch=2), list(said), command)


def picture(height, width):
    return torch.from_numpy(np.random.default_rng(height).integers(0, 256, (3, height, width), dtype=np.uint8))


def test_each_query_has_a_row_of_figures_in_its_place():
    names = [f"{place}.jpg" for place in range(3)]
    support = picture(40, 60), torch.ones(40, 60, dtype=torch.uint8)
    rows = list(find(runs(), ["a.jpg"], [support], names, (picture(40, 50 + place) for place in range(3))))
    assert len(rows) == 3
    for place, row in enumerate(rows):
        assert re.findall(r"<b>(.*?)</b>", row) == ["Query", "Baseline", "SCNet", "Regions", "Prototype map"]
        assert f"{place}.jpg, {50 + place} x 40 pixels" in row and f'alt="Prediction of SCNet for {place}.jpg"' in row


def test_a_support_whose_object_is_too_small_is_named():
    mask = torch.zeros(400, 600, dtype=torch.uint8)
    mask[200, 300] = 1
    supports = [(picture(40, 60), torch.ones(40, 60, dtype=torch.uint8)), (picture(400, 600), mask)]
    with pytest.raises(ValueError, match=r"^b\.jpg: expected a foreground that is seen at size 48"):
        list(find(runs(), ["a.jpg", "b.jpg"], supports, ["q.jpg"], [picture(40, 40)]))


def test_notes_name_what_is_missing_and_are_text():
    text = notes(runs("SCNet: a<b>.", "They differ.", command="python train.py --out 'a b'"), "No episodes.")
    assert re.findall(r"<(?:p|pre)>(?:<code>)?(.*?)</", text) == [
        "SCNet: a&lt;b&gt;.",
        "python train.py --out &#x27;a b&#x27;",
        "They differ.",
        "No episodes.",
    ]
    assert notes(runs("SCNet: a."), "") == '<div class="notes"><p>SCNet: a.</p></div>'


def test_a_sentence_leaves_out_where_uploads_lie(monkeypatch):
    error = ValueError("/tmp/up/0a1f/a.png: expected foreground,\n got none")
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    assert sentence(error) == "/tmp/up/0a1f/a.png: expected foreground, got none"
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/tmp/up")
    assert sentence(error) == "a.png: expected foreground, got none"
    missing = sentence(FileNotFoundError(2, "No such file", "/tmp/up/0a1f/b.png"))
    assert missing.startswith("b.png: No such file") and "/tmp" not in missing
