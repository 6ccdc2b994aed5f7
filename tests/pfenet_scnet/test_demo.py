"""The demo page as a visitor uses it: a process, clicked through in a real browser."""

import os
import shlex
import socket
import time
import urllib.request

import numpy as np
import pytest
from browsers import needs_browser
from demo_visits import Page, Visit
from forked_commands import ForkedCommand
from photographs import block, pixels
from PIL import Image
from prediction.page.two_runs import load_runs
from processes import EXAMPLE, SHORT, carried_out
from recipe import load_recipe
from voc_tree import write_voc

FIGURES = ["Query", "Baseline", "SCNet", "Regions", "Prototype map"]


def half(c):
    """A mask with an object that is large enough for a tiny model, and an unlabelled column."""
    mask = np.zeros((40, 60), np.uint8)
    mask[:, :30], mask[:, -1] = c, 255
    return mask


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """An SCNet run, a baseline trained by the command that the page names, and pictures."""
    work = tmp_path_factory.mktemp("work")
    for split in ("train", "val"):
        write_voc(work / "voc", [half(c) for c in range(1, 21) for _ in range(2)], split)
    carried_out("train", "--data", "voc", *SHORT, "--out", "scnet", "--baseline", "baseline", cwd=work)
    recipe = load_recipe(work / "scnet")
    words = shlex.split(load_runs(work / "scnet", recipe, None).command)
    assert words[:2] == ["python", os.path.relpath(EXAMPLE / "train.py")]
    carried_out("train", *words[2:], cwd=work)
    Image.fromarray(pixels(64, 80)).save(work / "marked.jpg")
    Image.fromarray(block(64, 80, 255)).save(work / "marked.png")
    Image.fromarray(block(64, 80, 0)).save(work / "empty.png")
    Image.fromarray(block(50, 80, 255)).save(work / "other size.png")
    Image.fromarray(pixels(60, 90, seed=3)).save(work / "query.png")
    (work / "damaged.jpg").write_bytes((work / "marked.jpg").read_bytes()[:400])
    return work


@pytest.fixture(scope="module")
def page(work):
    page = Page(work, "scnet")
    yield page
    assert page.proxy.calls == []
    page.close()


@pytest.fixture(scope="module")
def context(browser):
    """What the browser keeps from one visit to the next."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def visit(context, page):
    visits = []

    def start(width=1280):
        visits.append(Visit(context, page.address, width))
        return visits[-1]

    yield start
    for one in visits:
        one.end()


@needs_browser
def test_a_marked_picture_gives_two_predictions_regions_and_the_map(work, visit):
    tab = visit()
    tab.own(work / "marked.jpg", work / "query.png")
    tab.mask(work / "marked.png")
    tab.press()
    assert tab.shown() == FIGURES
    text = tab.tab.locator(".results").inner_text()
    assert "query.png, 90 x 60 pixels" in text and text.count("of the picture") == 2
    assert "Region 3 (pink)" in text and "prediction stands in for it" in text
    assert tab.tab.locator(".notes").inner_text() == "SCNet: scnet. Baseline: baseline."


@needs_browser
def test_a_mask_is_painted_with_the_mouse(work, visit):
    tab = visit()
    tab.own(work / "marked.jpg", work / "query.png")
    assert "marked.jpg: expected a mask, got none; paint the object" in tab.press().inner_text()
    tab.tab.get_by_label("Brush", exact=True).wait_for()
    canvas = tab.tab.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.tab.mouse.move(*middle)
    tab.tab.mouse.down()
    tab.tab.mouse.move(middle[0] + 30, middle[1] + 30, steps=3)
    tab.tab.mouse.up()
    tab.button.click()
    tab.tab.locator(".results").wait_for()
    assert tab.shown() == FIGURES


@needs_browser
@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        ("empty.png", "empty.png: expected foreground pixels, got the value 0 alone; mark the object in the mask"),
        ("other size.png", "other size.png: expected the picture's size 64 x 80 (height x width), got 50 x 80"),
    ],
)
def test_a_wrong_mask_is_a_sentence(work, visit, mask, sentence):
    tab = visit()
    tab.own(work / "marked.jpg", work / "query.png")
    tab.mask(work / mask)
    answer = tab.press()
    assert answer.get_attribute("role") == "alert" and answer.inner_text().startswith(sentence)


@needs_browser
def test_a_damaged_picture_is_a_sentence_at_once(work, visit):
    tab = visit()
    tab.own(work / "damaged.jpg", work / "query.png")
    tab.tab.get_by_text("damaged.jpg: expected a picture, got a damaged one").wait_for()
    assert tab.tab.locator("canvas").count() == 0


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_an_episode_is_chosen_on_a_wide_screen_and_on_a_telephone(visit, width):
    tab = visit(width)
    tab.tab.get_by_label("Episode", exact=True).first.click()
    tab.tab.get_by_role("option").nth(2).click()
    chosen = tab.tab.get_by_label("Episode", exact=True).first.input_value()
    tab.tab.wait_for_function(
        "chosen => [...document.querySelectorAll('input')].filter(one => one.value == chosen).length == 2", arg=chosen
    )
    tab.press()
    assert tab.shown() == FIGURES
    assert tab.tab.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [one.bounding_box() for one in tab.tab.locator(".results figure").all()]
    assert len({round(box["x"]) for box in boxes}) == (5 if width == 1280 else 1)
    assert min(box["width"] for box in boxes) > 200


def test_a_baseline_is_shown_alone_and_ctrl_c_ends_the_page_at_work_in_one_line(work):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    page = Page(work, "baseline", "--port", str(port))
    try:
        with urllib.request.urlopen(page.address) as answer:
            text = answer.read().decode()
        assert "is itself a baseline" in text and "fonts.googleapis.com" not in text
        assert page.port == port
        # This computer too, but not the address that the page is open at.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
        job = predict_many(page.address, work)
        start = time.monotonic()
        assert not job.done()
        assert page.interrupt() == (130, "demo.py: interrupted\n")
        assert time.monotonic() - start < 4
        assert page.proxy.calls == [] and list(page.uploads.iterdir()) == []
    finally:
        page.close()


def predict_many(address, work):
    """Press the button for many large queries, and wait until the first is answered."""
    from gradio_client import Client, handle_file

    Image.fromarray(pixels(1500, 1500)).save(work / "large.png")
    client = Client(address, verbose=False)
    fields = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/press"]["parameters"]
    chosen = {"Where queries come from": "My own pictures"}
    chosen |= {"Query pictures": [handle_file(str(work / "large.png"))] * 60}
    values = [chosen.get(field["label"], field["parameter_default"]) for field in fields]
    job = client.submit(*values, api_name="/press")
    deadline = time.monotonic() + 30
    while not (job.status().progress_data or job.done()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


@pytest.fixture(scope="module")
def demo(work):
    return ForkedCommand("demo", work)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "scnet --prot 7861",
            "--prot: expected one of this command's options, got an unknown one; did you mean --port?",
        ),
        ("scnet --port 0", "port: expected 1 to 65535, got 0; change --port"),
        ("scnet --steps 4", "--steps: expected an option that the page depends on, got one of training; leave it out"),
        ("scnet --fold 1", "expected the options of the saved run, got fold 1 (saved: 2)"),
        ("nowhere", "target: expected a run's folder or a file of weights, got nowhere; check the path"),
        ("scnet --baseline scnet", "baseline: expected a run of weight 0, got scnet of weight 0.5; train one"),
        ("scnet --data nowhere", "data: expected a list at nowhere/ImageSets/Segmentation/val.txt, got none"),
    ],
)
def test_mistakes_end_in_one_line(demo, words, sentence):
    ended = demo(*words.split())
    assert ended.status == 2 and ended.out == "", ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith("demo.py: ") and sentence in line


def test_a_port_in_use_is_said(demo):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ended = demo("scnet", "--port", port)
    said = f"demo.py: port: expected a free one, got {port}, which is in use; leave --port out"
    assert ended.status == 2 and ended.err.splitlines()[-1] == said and "Traceback" not in ended.err
