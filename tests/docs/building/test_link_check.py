"""A link of the built site that leads nowhere is found, whatever it is."""

import pytest
from site_modules import check_links


@pytest.fixture
def site(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "p.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<h1 id="top">a</h1><a href="deep/#there">b</a><a href="#top">c</a><img src="p.png"><a href="https://x.org/">d</a>'
        '<source srcset="p.png 1x, ./p.png 2x"><a href="#__search">e</a>'
    )
    (tmp_path / "deep/index.html").write_text('<p id="there"></p><a href="..">a</a><a href="/p.png">b</a>')
    return tmp_path


def test_links_that_lead_somewhere_pass(site):
    assert check_links(site) == ([], ["https://x.org/"])


@pytest.mark.parametrize(
    "tag",
    [
        '<a href="gone/">a</a>',
        '<a href="deep/#gone">a</a>',
        '<a href="#gone">a</a>',
        '<img src="q.png">',
        '<source srcset="p.png 1x, q.png 2x">',
        '<a href="page.md">a</a>',
        '<a href="https://x/a b">a</a>',
        '<a href="mailto:us">a</a>',
    ],
)
def test_links_that_lead_nowhere_are_named(site, tag):
    with (site / "index.html").open("a") as page:
        page.write(tag)
    (broken,) = check_links(site).broken
    assert broken.startswith("index.html: ") and broken.removeprefix("index.html: ").split()[0] in tag
