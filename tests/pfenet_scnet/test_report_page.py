"""The page as its readers open it, in a real browser without a network; the command with its mistakes."""

import json
import re
import shutil

import pytest
from browsers import needs_browser
from forked_commands import ForkedCommand
from processes import SHORT, carried_out
from recipe import read_recipe
from runtime.atomic_files import write_text_atomically
from runtime.say import shown
from train import train
from voc_tree import mask_with, write_voc

STRANGE = "sc <b> & 'x'\u200b"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A baseline, an SCNet run whose name is markup, a run on another fold and one that was stopped."""
    work = tmp_path_factory.mktemp("work")
    for split in ("train", "val"):
        masks = [mask_with(c, c % 20 + 1, size=(60, 40) if c % 2 else (40, 60)) for c in range(1, 21) for _ in range(2)]
        write_voc(work / "voc", masks, split)
    shared = ["--data", str(work / "voc"), *SHORT, "--min_pixels", "50", "--select", "base", "--select_every", "2"]
    shared += ["--select_episodes", "4", "--episodes", "4"]
    for name, words in {"baseline": ["--weight", "0"], STRANGE: [], "other fold": ["--fold", "1"]}.items():
        train(read_recipe([*shared, *words, "--out", str(work / name), "--baseline", str(work / "baseline")]))
    shutil.copytree(work / "baseline", work / "stopped")
    (work / "stopped" / "result.json").unlink()
    return work


@pytest.fixture(scope="module")
def report(work):
    return ForkedCommand("report", work)


@pytest.fixture(scope="module")
def page(work, report):
    ended = report("baseline", STRANGE, "--episodes", "1")
    assert ended.status == 0 and ended.out.endswith("written: report.html\n"), ended.err
    return work / "report.html"


@pytest.fixture
def visit(browser):
    """Open a page; at the end nothing was asked for beside it, and no error was noted."""
    contexts, asked, errors = [], [], []

    def start(path, width=1280, scheme="light"):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        tab = contexts[-1].new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(path.as_uri())
        return tab

    yield start
    assert errors == [] and all(re.match("file:|data:", url) for url in asked)
    for context in contexts:
        context.close()


def contrasts(tab):
    """The lowest contrast of letters with what lies behind them, by WCAG."""
    return tab.evaluate("""() => {
        const parse = text => text.match(/[\\d.]+/g).map(Number);
        const light = text => parse(text).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = one => { while (one) { const c = getComputedStyle(one).backgroundColor;
            if (!(parse(c)[3] === 0)) return c; one = one.parentElement; } return "rgb(255, 255, 255)"; };
        const ratio = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05); };
        const letters = "h1, h2, h3, p, th, td, small, dt, dd, figcaption, summary, code";
        return Math.min(...[...document.querySelectorAll(letters)]
            .filter(one => one.innerText.trim()).map(one => ratio(getComputedStyle(one).color, behind(one)))); }""")


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_loads_and_can_be_read(page, visit, width, scheme):
    tab = visit(page, width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    pictures = tab.locator("img").all()
    assert len(pictures) >= 3 * 5
    for picture in pictures:
        assert picture.evaluate("one => one.complete && one.naturalWidth") > 0 and picture.get_attribute("alt")
    assert contrasts(tab) >= 4.5
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)")


@needs_browser
def test_the_page_says_what_was_compared_and_strange_names_are_text(page, visit, work):
    tab = visit(page)
    lead, name = tab.locator(".lead").inner_text(), shown(STRANGE)
    assert lead.startswith(
        f"This page compares 2 runs, baseline (PFENet baseline) and {name} (PFENet with SCNet's task"
    )
    assert "Their recipes differ in weight." in lead and tab.locator("header b, [role=note]").count() == 0
    scores = json.loads((work / "baseline" / "result.json").read_text())
    cells = [row.locator("td").first.inner_text() for row in tab.locator("table.numbers tbody tr").all()]
    assert cells[0] == f"{scores['miou']:.1f}" and cells[1] == f"{scores['fb_iou']:.1f}"
    assert len(cells) == 6 and cells[3] == f"{scores['support_reliance']['over_other_class']:.1f}".replace("-", "−")
    assert tab.locator("table.classes tbody tr").count() == 5
    # Losses and candidates, and over thresholds the mIoU and the support reliance of both runs.
    assert tab.locator(".charts svg").count() == 3 + 2 and tab.locator(".charts polyline").count() == 2 + 1 + 2 + 4
    assert tab.locator("[aria-labelledby=thresholds] svg text", has_text="offset of the threshold").count() == 2
    headings = tab.locator("#episodes ~ h3").all_inner_texts()
    assert headings[0] == "Best" and set(headings) <= {"Best", "Median", "Worst", "Where the runs differ most"}
    assert [one.inner_text() for one in tab.locator(".episode").first.locator("b").all()] == [
        *("Support", "Query", "Truth", "baseline", name)
    ]
    assert all(table.locator("th[scope=row]").count() for table in tab.locator("table").all())


@needs_browser
def test_runs_on_different_classes_are_not_compared(work, report, visit):
    ended = report("baseline", "other fold", "--out", "folds.html")
    assert ended.status == 0, ended.err
    tab = visit(work / "folds.html", 390)
    box = tab.locator(".warning").inner_text()
    assert box.startswith("These scores must not be compared with one another.")
    assert "fold: 2 (baseline), 1 (other fold)" in box
    assert tab.locator(".difference, img").count() == 0
    assert "None are shown: the runs were not judged on the same episodes." in tab.locator("main").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_page_is_small_and_the_same_each_time(page, work, report):
    before = page.read_bytes()
    assert len(before) < 3_000_000
    assert report("baseline", STRANGE, "--episodes", "1").status == 0
    assert page.read_bytes() == before


def test_an_unfinished_run_still_shows_its_curves_and_episodes(work, report):
    ended = report("stopped")
    assert ended.status == 0 and ended.out.endswith("written: stopped/report.html\n"), ended.err
    text = (work / "stopped" / "report.html").read_text()
    assert "stopped is not finished: its log ends at step 4 of 4, and it has no scores yet." in text
    assert text.count("<polyline") == 2 and text.count("<img") >= 3 * 4


def test_without_the_data_the_page_says_so(work, report):
    moved = work / "elsewhere"
    (work / "voc").rename(moved)
    try:
        ended = report("baseline", "--out", "alone.html")
    finally:
        moved.rename(work / "voc")
    assert ended.status == 0, ended.err
    text = (work / "alone.html").read_text()
    assert "None can be shown. data: expected a list at" in text and "<img" not in text and "<polyline" in text


def test_episodes_of_a_list_that_changed_are_not_shown_beside_the_old_scores(work, report):
    shutil.copytree(work / "baseline", work / "older")
    path = work / "older" / "result.json"
    write_text_atomically(path, json.dumps(json.loads(path.read_text()) | {"episodes_digest": "0123456789ab"}))
    assert report("older").status == 0
    text = (work / "older" / "report.html").read_text()
    assert "None can be shown. data: expected the episodes 0123456789ab that older was judged on" in text


def test_no_episode_is_evaluated_where_none_is_asked_for(work, report):
    ended = report("baseline", "--episodes", "0", "--out", "short.html")
    assert ended.status == 0 and ended.err == "" and "None were asked for." in (work / "short.html").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "RUN: expected a value, got none; --help explains"),
        (["nowhere"], "runs: expected the folder of a run, got nowhere; check the path"),
        (["voc"], "voc/recipe.yaml: expected the recipe of a run, got no such file; give a run's folder"),
        (["baseline", "voc/../baseline"], "runs: expected each run once, got voc/../baseline twice; name it once"),
        (
            ["baseline", "--episods", "3"],
            "--episods: expected one of this command's options, got an unknown one; did you",
        ),
        (["baseline", "--episodes", "21"], "episodes: expected 0 to 20, got 21; change --episodes"),
        (["baseline", "--episodes", "many"], "episodes: expected a whole number, got many; change --episodes"),
        (["baseline", "--out", "voc"], "out: expected a file, got the folder voc; name a file in it"),
        (["baseline", "--out", "notes.html"], "out: expected a new file or a page of this command, got notes.html"),
    ],
)
def test_mistakes_end_in_one_line_before_anything_is_evaluated(work, report, words, sentence):
    (work / "notes.html").write_text("<p>mine</p>")
    ended = report(*words)
    assert ended.status == 2 and ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("report.py: ") and sentence in line
    assert (work / "notes.html").read_text() == "<p>mine</p>"


def test_the_command_is_a_process(work, tmp_path):
    out = carried_out("report", work / "other fold", "--episodes", "0", "--out", "x/page.html", cwd=tmp_path)
    assert out == "written: x/page.html\n" and "<h1>Report of a run</h1>" in (tmp_path / "x/page.html").read_text()
