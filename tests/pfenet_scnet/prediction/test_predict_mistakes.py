"""Damaged files and careless words: one line, and nothing is written before all is checked."""

import shutil

import numpy as np
import pytest
from photographs import files, read, table

SUPPORT = ("--support", "marked.jpg", "marked.png")


@pytest.fixture
def damaged(work):
    """Photographs, one of which is cut off, one of which is a text, and one damaged in the middle."""
    folder = work / "damaged"
    shutil.copytree(work / "photos", folder)
    whole = (folder / "a.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("no picture")
    yield folder
    shutil.rmtree(folder)


def test_a_damaged_query_ends_the_command_with_its_name(refusal, work, damaged):
    said = refusal("run", *SUPPORT, "--query", "damaged")
    assert (
        "damaged/cut.jpg: expected a picture, got a damaged one" in said
        and "damaged/text.jpg: expected a picture" in said
    )
    assert said.endswith("; or add --skip_damaged true")


@pytest.mark.parametrize("batch", ["1", "8"])
def test_a_query_that_is_damaged_inside_ends_it_too(refusal, work, damaged, batch):
    whole = (work / "photos" / "a.jpg").read_bytes()
    (damaged / "inside.jpg").write_bytes(whole[: len(whole) // 2] + whole[-2:])
    said = refusal("run", *SUPPORT, "--query", "damaged/sub", "damaged/inside.jpg", "--batch", batch)
    assert said.startswith("damaged/inside.jpg: expected a picture, got a damaged one")


@pytest.mark.parametrize("batch", ["1", "8"])
def test_damaged_queries_are_left_out_and_counted(done, work, damaged, batch):
    words = ("--skip_damaged", "true", "--batch", batch)
    printed = done("run", *SUPPORT, "--query", "damaged", "--out", "out", *words)
    assert "left out 2 of 5 pictures, which are damaged: damaged/cut.jpg, damaged/text.jpg\n" in printed
    assert [row["picture"] for row in table(work / "out")] == ["damaged/a.jpg", "damaged/b.png", "damaged/sub/a.jpg"]
    done("run", *SUPPORT, "--query", "photos", "--out", "out2")
    assert all(
        np.array_equal(read(work / "out/masks" / name), read(work / "out2/masks" / name))
        for name in files(work / "out2/masks")
    )


def test_damaged_queries_alone_are_an_error(refusal, work, damaged):
    said = refusal("run", *SUPPORT, "--query", "damaged/cut.jpg", "damaged/text.jpg", "--skip_damaged", "true")
    assert (
        said == "query: expected at least one whole picture, got damaged ones alone: damaged/cut.jpg, damaged/text.jpg"
    )


def test_a_damaged_support_is_never_left_out(refusal, work, damaged):
    said = refusal("run", "--support", "damaged/cut.jpg", "marked.png", "--query", "photos", "--skip_damaged", "true")
    assert said.startswith("damaged/cut.jpg: expected a picture, got a damaged one")


def test_a_folder_that_holds_something_is_not_touched(predict, work):
    (work / "out_full").mkdir()
    (work / "out_full" / "precious.png").write_text("kept")
    ended = predict("run", *SUPPORT, "--query", "photos", "--out", "out_full")
    assert ended.status == 2 and "out: expected a new or empty folder, got out_full" in ended.err
    assert files(work / "out_full") == ["precious.png"]
    (work / "out_empty").mkdir()
    assert predict("run", *SUPPORT, "--query", "photos", "--out", "out_empty").status == 0
    assert "table.csv" in files(work / "out_empty")


QUERY = ("--query", "photos")
MISTAKES = [
    (("nowhere", *SUPPORT, *QUERY), "target: expected a run's folder or a file of weights, got nowhere"),
    (("marked.jpg", *SUPPORT, *QUERY), "marked.jpg: expected a checkpoint of tensors"),
    (("run", *QUERY), "--support: expected a value, got none"),
    (("run", *SUPPORT), "--query: expected a value, got none"),
    (("run", "--support", "marked.jpg", *QUERY), "--support: expected 2"),
    (("run", "--support", "none.jpg", "marked.png", *QUERY), "none.jpg: expected a picture, got no such file"),
    (("run", "--support", "marked.jpg", "none.png", *QUERY), "none.png: expected a mask, got no such file"),
    (("run", "--support", "marked.jpg", "run/recipe.yaml", *QUERY), "run/recipe.yaml: expected a whole mask"),
    (("run", "--support", "photos/a.jpg", "marked.png", *QUERY), "marked.png: expected the picture's size 50 x 70"),
    (("run", *SUPPORT, "--query", "photos", "none*"), "none*: expected pictures that this pattern finds"),
    (("run", *SUPPORT, "--query", "photos/a.jpg", "photos/sub"), "got photos/a.jpg and photos/sub/a.jpg, both a.png"),
    (("run", *SUPPORT, *QUERY, "--threshold", "2"), "threshold: expected 0 to 1, got 2"),
    (("run", *SUPPORT, *QUERY, "--class", "-1"), "class: expected at least 0, got -1"),
    (("run", *SUPPORT, *QUERY, "--colour", "1,2"), "colour: expected three numbers of 0 to 255, as 255,0,0, got 1,2"),
    (("run", *SUPPORT, *QUERY, "--colour", "1,2,300"), "colour: expected three numbers of 0 to 255"),
    (("run", *SUPPORT, *QUERY, "--colour", "1,2,3", "--class", "1"), "colour: expected none beside class 1"),
    (("run", *SUPPORT, *QUERY, "--orientation", "left"), "--orientation: expected one of upright, stored, got left"),
    (("run", *SUPPORT, *QUERY, "--probabilities", "yes"), "--probabilities: expected true or false, got yes"),
    (("run", *SUPPORT, *QUERY, "--size", "8"), "size: expected at least 32, got 8"),
    (("run", *SUPPORT, *QUERY, "--batch", "0"), "batch: expected at least 1, got 0"),
    (("run", *SUPPORT, *QUERY, "--channels", "8"), "run: expected the options of the saved run, got channels 8"),
    (("run", *SUPPORT, *QUERY, "--steps", "8"), "--steps: expected an option that a prediction depends on"),
    (("run", *SUPPORT, *QUERY, "--treshold", "1"), "did you mean --threshold?"),
    (("run", *SUPPORT, *QUERY, "--thresh", "1"), "--thresh: expected one of this command's options"),
    (("run", "more", *SUPPORT, *QUERY), "more: expected an option, got a word without one before it"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(refusal, words, sentence):
    assert sentence in refusal(*words)


def test_a_missing_folder_for_results_is_named(predict, work):
    ended = predict("run", *SUPPORT, *QUERY)
    assert ended.status == 2 and "--out: expected a value, got none" in ended.err
