"""The README's pictures: the command draws them from any run, in both themes, and the chart says what was measured."""

import json

import pytest
from data.synthetic import class_names
from picture_commands import ROOT, THEMES, gains_chart, readme_picture
from PIL import Image, ImageColor
from recipe import Recipe
from training.checkpoint import save_weights

RESULTS = ROOT / "experiments" / "results"
SAVED = ROOT / "docs" / "pictures" / "readme"
WIDTHS = {"task": 1600, "task-narrow": 780, "gains": 960}
NAMES = {f"{picture}-{theme.name}.png": (width, theme) for picture, width in WIDTHS.items() for theme in THEMES}
KILOBYTES = 300


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What the command draws from a run without a step."""
    run, out = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("out")
    recipe = Recipe(out=str(run), size=64, scales=(4, 2), channels=16)
    recipe.save(run / "recipe.yaml")
    save_weights(run / "last.pt", recipe.build_model())
    readme_picture.readme_picture(out, run, scene=2)
    return out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["drawn", "saved"])
def test_each_picture_is_sharp_small_and_of_its_theme(name, folder, drawn):
    path = (drawn if folder == "drawn" else SAVED) / name
    width, theme = NAMES[name]
    picture = Image.open(path).convert("RGB")
    assert picture.width == width and path.stat().st_size < 1000 * KILOBYTES
    assert picture.getpixel((0, 0)) == ImageColor.getrgb(theme.page)


def test_nothing_else_is_drawn_or_kept(drawn):
    for folder in (drawn, SAVED):
        assert {path.name for path in folder.iterdir()} == {*NAMES, "readme.json"}


def test_the_files_say_what_they_were_made_with(drawn):
    for folder in (drawn, SAVED):
        made = json.loads((folder / "readme.json").read_text())
        assert (
            made["environment"]["commit"] and made["environment"]["torch"] and made["query"]["object"] in class_names()
        )
        assert made["training"]["backbone"] == "efficientnet_lite0" and "seed" in made["training"]
        assert made["gains"] == gains_chart.measured_gains(RESULTS), "the chart is older than the results"
    assert json.loads((SAVED / "readme.json").read_text())["training"]["steps"] == readme_picture.STEPS


@pytest.mark.parametrize("theme", THEMES)
def test_the_chart_shows_each_mean_and_its_interval(theme):
    gains = gains_chart.measured_gains(RESULTS)
    figure = gains_chart.gains_figure(gains, theme)
    (axes,) = figure.axes
    words = {text.get_text() for text in axes.texts}
    drawn = sorted((segment[0][1], segment[1][1]) for bars in axes.collections for segment in bars.get_segments())
    rows = [row for series in gains.values() for row in series]
    assert drawn == sorted((row["low"], row["high"]) for row in rows) and len(rows) == 7
    assert {f"{row['mean']:+.1f}".replace("-", "−") for row in rows} | {"not run"} <= words
    low, high = axes.get_ylim()
    assert all(low < row["low"] and row["high"] < high for row in rows)


def test_the_title_holds_for_what_was_measured():
    gains = gains_chart.measured_gains(RESULTS)
    steps, passes = gains["as many steps"], gains["as many passes"]
    assert [row["times"] for row in steps] == [1, 2, 4, 8] and [row["times"] for row in passes] == [1, 2, 4]
    assert all(row["low"] > 0 for row in steps[:3]) and steps[3]["low"] < 0 < steps[3]["high"], "the gain fades"
    assert all(row["low"] < 0 for row in passes), "the baseline does as well or better"


def test_a_comparison_that_the_results_lack_is_named(tmp_path):
    (tmp_path / "main.json").write_text(json.dumps({"gains": [], "seeds": []}))
    with pytest.raises(ValueError, match=r"^results: expected one gain .*'SCNet', 'PFENet'.* in main\.json, got 0"):
        gains_chart.measured_gains(tmp_path)


def test_a_baseline_is_refused_before_anything_is_drawn(tmp_path):
    Recipe(out=str(tmp_path), weight=0).save(tmp_path / "recipe.yaml")
    with pytest.raises(ValueError, match=r"^run: expected a run with the task, got "):
        readme_picture.readme_picture(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_without_a_run_it_trains_the_task_on_scenes_of_its_own(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(readme_picture, "make_scenes", lambda root, **_: root)
    monkeypatch.setattr(readme_picture, "fit", lambda recipe, fabric: trained.append(recipe))
    recipe = readme_picture._train(tmp_path)
    assert trained == [recipe] and recipe.weight == 0.5 and recipe.steps == readme_picture.STEPS and recipe.seed == 0
    assert {recipe.data, recipe.out, recipe.features} == {str(tmp_path / one) for one in ("scenes", "run", "features")}
