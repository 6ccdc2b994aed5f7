"""What the command writes, from a run or from a file of weights."""

import re
import shutil

import numpy as np
from photographs import block, files, pixels, read, table
from PIL import Image

SUPPORT = ("--support", "marked.jpg", "marked.png")


def test_the_bar_counts_pictures_a_second(predict):
    ended = predict("run", *SUPPORT, "--query", "photos", "--out", "out")
    assert re.search(r"3/3 .* pictures/s\]", ended.err)


def test_no_data_set_is_needed_and_none_is_drawn(done, work):
    done("run", *SUPPORT, "--query", "photos", "--out", "out")
    assert {path.name for path in work.iterdir() if path.is_dir()} == {"run", "photos", "out"}


def test_probabilities_and_their_threshold(done, work):
    done("run", *SUPPORT, "--query", "photos", "--out", "out", "--probabilities", "true")
    maps = {name: read(work / "out/probabilities" / name) for name in ("a.png", "b.png", "sub/a.png")}
    assert all(one.dtype == np.uint16 for one in maps.values())
    middle = np.median(maps["a.png"]) / 65535
    assert maps["a.png"].min() < maps["a.png"].max()
    done("run", *SUPPORT, "--query", "photos", "--out", "out2", "--threshold", middle, "--batch", "1")
    for name, one in maps.items():
        mask, decided = read(work / "out2/masks" / name), abs(one / 65535.0 - middle) > 1e-3
        assert np.array_equal(mask[decided] == 255, (one / 65535.0 > middle)[decided])
    shown, before = read(work / "out2/overlays/a.png").astype(int), read(work / "photos/a.jpg").astype(int)
    changed = (abs(shown - before) > 3).any(2)
    assert np.array_equal(changed, read(work / "out2/masks/a.png") == 255) and 0.2 < changed.mean() < 0.8
    assert not (work / "out2/probabilities").exists()


def test_many_supports_and_queries_of_every_kind(done, work):
    Image.fromarray(pixels(50, 50, 7)).save(work / "second.png")
    Image.fromarray(block(50, 50, 1)).save(work / "second_mask.png")
    second = ("--support", "second.png", "second_mask.png")
    done("run", *SUPPORT, *second, "--query", "photos/*.png", "photos/sub", "marked.jpg", "--out", "out")
    assert [row["picture"] for row in table(work / "out")] == ["photos/b.png", "photos/sub/a.jpg", "marked.jpg"]
    assert [name for name in files(work / "out") if name[:5] == "masks"] == [
        "masks/a.png",
        "masks/b.png",
        "masks/marked.png",
    ]
    done("run", *SUPPORT, *second, "--query", "photos/**/*.jpg", "--out", "out2")
    assert [name for name in files(work / "out2") if name[:5] == "masks"] == ["masks/a.png", "masks/sub/a.png"]


def test_a_file_of_weights_without_a_recipe_beside_it(done, refusal, work):
    shutil.copy(work / "run" / "last.pt", work / "alone.pt")
    model = ("--channels", "16", "--scales", "[4,2]", "--size", "64")
    # The options of a model may stand anywhere.
    done(*model, "alone.pt", *SUPPORT, "--query", "photos", "--out", "out")
    done("run", *SUPPORT, "--query", "photos", "--out", "out2")
    assert all(
        np.array_equal(read(work / "out/masks" / name), read(work / "out2/masks" / name))
        for name in files(work / "out/masks")
    )
    shutil.rmtree(work / "out")
    said = refusal("alone.pt", "--recipe", "pascal_resnet50", *SUPPORT, "--query", "photos")
    assert said.startswith("alone.pt: expected the ") and "name the recipe" in said
