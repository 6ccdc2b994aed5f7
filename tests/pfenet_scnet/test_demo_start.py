"""What the demo does before there is a page."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from demo import find_examples, main
from PIL import Image
from recipe import Recipe
from runtime.command import run_command
from voc_tree import write_twenty_classes


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Of a run on twenty classes."""
    data = write_twenty_classes(tmp_path_factory.mktemp("voc"), val=2)
    return Recipe(data=str(data), min_pixels=50)


@pytest.mark.parametrize("found", ["none", "5.49.1", "6.16.0"])
def test_without_gradio_or_with_an_old_one_a_line_says_how_to_install_it(recipe, tmp_path, monkeypatch, capsys, found):
    def version(name):
        if found == "none":
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr("demo.version", version)
    recipe.save(tmp_path / "recipe.yaml")
    with pytest.raises(SystemExit) as ended:
        run_command(main, [str(tmp_path)])
    line = "gradio: expected the package that makes the page, version 6.17 or newer, got "
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f": {line}{found}; install it with: pip install -e '.[demo]'\n")


def test_data_that_are_gone_leave_the_visitors_own_pictures(recipe, tmp_path):
    gone = replace(recipe, data=str(tmp_path / "gone"))
    examples, missing = find_examples(gone, named=False)
    assert examples == [] and "gone/ImageSets/Segmentation/val.txt" in missing
    with pytest.raises(FileNotFoundError, match=r"gone/ImageSets/Segmentation/val\.txt"):
        find_examples(gone, named=True)


def test_without_a_data_set_none_is_drawn(recipe, tmp_path, monkeypatch):
    monkeypatch.delenv("SELFCONTRAST_VOC", raising=False)
    monkeypatch.chdir(tmp_path)
    examples, missing = find_examples(replace(recipe, data=None), named=False)
    assert examples == [] and missing.endswith("as no data set is named; --data DIR names one.")
    assert list(tmp_path.iterdir()) == []


def test_examples_are_episodes_of_the_held_out_classes(recipe):
    examples, _ = find_examples(recipe, named=True)
    assert len(examples) == 8 and {one.novel_class for one in examples} <= set(recipe.held_out_classes())
    ((image, mask),) = examples[0].read_supports()
    stored = np.asarray(Image.open(examples[0].supports[0].mask))
    assert image.shape == (3, 40, 60) and np.array_equal(mask == 1, stored == examples[0].novel_class)
    assert (mask[:, -1] == 255).all() and examples[0].read_query().shape == (3, 40, 60)
    assert examples[0].supports[0] != examples[0].query
