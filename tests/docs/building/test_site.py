"""The site: built without a warning, every link leads somewhere, every public name is there, nothing is fetched."""

import functools
import http.server
import re
import subprocess
import sys
import threading
import tomllib
from html.parser import HTMLParser

import pytest
from browsers import needs_browser
from site_modules import ROOT, build_site, one_by_one, with_section

import selfcontrast

API = "docs/api"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that the site was built in, and the links that leave it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "docs/build_site.py", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, *links = done.stdout.splitlines()
    assert said.startswith(f"written: {out}/html")
    return out, links


def html_of(built, place):
    return (built[0] / "html" / place / "index.html").read_text()


def places_in(nav):
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from places_in(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once(built):
    config = tomllib.loads((built[0] / "zensical.toml").read_text())
    named = list(places_in(config["project"]["nav"]))
    pages = [path.relative_to(built[0] / "pages").as_posix() for path in (built[0] / "pages").rglob("*.md")]
    assert sorted(named) == sorted(pages)
    assert {"contributing.md", "benchmarks.md"} <= set(named), "no second copy: these are gathered from the repository"
    assert not (ROOT / "docs/contributing.md").exists() and not (ROOT / "docs/benchmarks.md").exists()


def test_every_public_name_has_its_docstring_on_the_site(built):
    pages = {
        path.stem: html_of(built, f"api/{path.stem}") for path in (ROOT / API).glob("*.md") if path.stem != "index"
    }
    listed = (ROOT / API / "index.md").read_text()
    for name in selfcontrast.__all__:
        if name == "__version__":
            continue
        where = [page for page, html in pages.items() if f'id="selfcontrast.{name}"' in html]
        assert len(where) == 1, f"{name}: name it once in a page below {API}"
        assert f"({where[0]}.md#selfcontrast.{name})" in listed, f"{name}: name it in {API}/index.md"


class _Text(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.words = []
        self.feed(html)

    def handle_data(self, data):
        self.words.append(data)


def test_docstrings_show_arguments_equations_and_doctests(built):
    text = "".join(_Text(html_of(built, "api/parts")).words)
    assert "(Eq. 4)" in text and "Parameters:" in text and "Returns:" in text and "InputError" in text
    assert ">>> labels = cosine_kmeans(features, 2" in text and "doctest:" not in text
    for page in ("task", "attaching", "parts", "pictures"):
        html = html_of(built, f"api/{page}")
        assert "<blockquote>" not in html, f"{page}: a doctest is shown as a quotation"


def test_only_links_leave_the_site(built):
    fetched = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*(?:src|href)=\"?https?://")
    for path in (built[0] / "html").rglob("*.html"):
        assert not fetched.findall(path.read_text()), path
    assert "https://github.com/" in " ".join(built[1])


@pytest.fixture
def address(built):
    """Where the site can be visited."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(built[0] / "html"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_a_browser_and_ask_nobody_else(browser, address, width):
    trouble = []
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: trouble.append(asked.url) if not asked.url.startswith(address) else None)
    for place in ("", "attach-models/", "attach-by-hand/", "api/task/", "evidence/main/", "protocols/"):
        page.goto(address + place)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            trouble.append(f"{place} is wider than {width}: a wide table or block must scroll in itself")
        broken = page.evaluate(
            "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
        )
        trouble += broken
    tables = page.locator("table").evaluate_all("all => all.map(one => getComputedStyle(one).overflowX)")
    page.close()
    assert not [one for one in trouble if not one.startswith("data:")]
    assert tables and set(tables) == {"auto"}


@pytest.fixture
def small(tmp_path):
    """A repository with a site of one page."""
    root = tmp_path / "repository"
    for folder in ("stylesheets", "building"):
        (root / "docs" / folder).mkdir(parents=True)
    (root / "docs/building/docstrings.py").write_text("")
    (root / "docs/index.md").write_text("# Home\n\n[us](../pyproject.toml) [here](#home)\n")
    (root / "pyproject.toml").write_text('[project.urls]\nRepository = "https://git.example/us"\n')
    (root / "zensical.toml").write_text(
        '[project]\nsite_name = "small"\ndocs_dir = "pages"\nsite_dir = "html"\ntheme.font = false\n'
    )
    return root


def test_a_site_is_built_anew_in_its_own_folder_only(small, tmp_path):
    for _ in range(2):
        links = build_site(tmp_path / "site", small)
        assert links.broken == [] and "https://git.example/us/blob/main/pyproject.toml" in links.external
    with pytest.raises(FileExistsError, match="out: expected a new folder"):
        build_site(small, small)
    assert (small / "zensical.toml").is_file()


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("[gone](#nowhere)", "expected a build without a warning"),
        ("::: selfcontrast.nothing", "expected"),
        ("<img src='nowhere.png'>", "expected links that lead somewhere"),
        ("[gone](nowhere.md)", "expected links to files of the repository"),
    ],
)
def test_what_is_wrong_with_a_page_ends_the_build(small, tmp_path, page, sentence):
    (small / "docs/index.md").write_text(f"# Home\n\n{page}\n")
    with (small / "zensical.toml").open("a") as config:
        config.write('[project.plugins.mkdocstrings.handlers.python]\npaths = ["."]\n')
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        build_site(tmp_path / "site", small)


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        ("One.", "One."),
        ("One.\n\n>>> f()\n1", "One.\n\nExamples:\n    >>> f()\n    1"),
        ("One.\n\n>>> f()  # doctest: +ELLIPSIS\n1\n\n>>> g()", "One.\n\nExamples:\n    >>> f()\n    1\n\n    >>> g()"),
        ("One.\n\nExamples:\n    >>> f()", "One.\n\nExamples:\n    >>> f()"),
    ],
)
def test_doctests_become_examples(docstring, shown):
    assert with_section(docstring) == shown


def test_arguments_described_together_get_an_entry_each():
    joint = (
        "One.\n\nArgs:\n    a, b: both, as:\n        c, d: no.\n    e: other.\n\nRaises:\n    InputError: on a, b: c."
    )
    apart = joint.replace(
        "    a, b: both, as:\n        c, d: no.",
        "    a: both, as:\n        c, d: no.\n    b: both, as:\n        c, d: no.",
    )
    assert one_by_one(joint) == apart
