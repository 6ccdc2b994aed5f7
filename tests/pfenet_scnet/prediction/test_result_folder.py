import csv
from pathlib import PurePath

import numpy as np
import pytest
import torch
from PIL import Image
from prediction.query_pictures import Query
from prediction.result_folder import PRINTED, Row, as_csv, as_text, write_results
from runtime.say import shown

from selfcontrast import overlay_labels


@pytest.mark.parametrize("threshold", [0.5, 0.9, 1])
def test_what_is_written_is_what_was_predicted(tmp_path, threshold):
    image = torch.randint(256, (3, 300, 41), dtype=torch.uint8)
    probability = torch.rand(300, 41)
    query = Query(tmp_path / "sub" / "a.b.jpg", PurePath("sub/a.b"))
    row = write_results(tmp_path, (query, image, probability), threshold, True)
    masks, overlays, maps = (
        Image.open(tmp_path / folder / "sub" / "a.b.png") for folder in ("masks", "overlays", "probabilities")
    )
    mask = probability > threshold
    assert masks.mode == "L" and np.array_equal(np.asarray(masks), mask.numpy() * 255)
    assert overlays.mode == "RGB"
    assert np.array_equal(np.asarray(overlays), overlay_labels(image, mask.long() - 1).permute(1, 2, 0))
    assert maps.mode.startswith("I;16")
    assert np.allclose(np.asarray(maps) / 65535, probability, atol=1 / 65535)
    assert row == (shown(query.path), 41, 300, pytest.approx(100 * mask.double().mean().item()))


def test_probabilities_are_written_only_if_asked_for(tmp_path):
    answer = Query(tmp_path / "a.jpg", PurePath("a")), torch.zeros(3, 4, 4, dtype=torch.uint8), torch.ones(4, 4)
    write_results(tmp_path, answer, 0.5, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks", "overlays"]


def test_the_table_has_a_line_a_picture(tmp_path):
    rows = [Row(f"photos/{place}, ä.jpg", 40, 30, place / 3) for place in range(PRINTED + 2)]
    (tmp_path / "table.csv").write_text(as_csv(rows))
    read = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [row["picture"] for row in read] == [row.picture for row in rows]
    assert read[2] == {"picture": "photos/2, ä.jpg", "width": "40", "height": "30", "foreground_percent": "0.667"}
    lines = as_text(rows).splitlines()
    assert len(lines) == 1 + PRINTED + 1 and lines[-1] == "and 2 more"
    assert lines[3].split() == ["photos/2,", "ä.jpg", "40", "30", "0.7"]
    assert as_text(rows[:2]).splitlines()[-1].endswith("0.3")
