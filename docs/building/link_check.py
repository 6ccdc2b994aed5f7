"""Every link of the built site leads somewhere: to a page, an anchor or a picture that the site holds."""

import posixpath
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Links(NamedTuple):
    """What a check of all pages found: links that lead nowhere, each with its page, and those that leave the site."""

    broken: list[str]
    external: list[str]


class _Page(HTMLParser):
    """The anchors of a page, and the targets of its links and pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "srcset" and value:
                self.targets.update(part.split()[0] for part in value.split(","))
            elif name in ("href", "src") and value:
                self.targets.add(value)


def check_links(site: Path) -> Links:
    """Follow every link of a built site; links that leave it are listed, not fetched.

    Args:
        site: the folder of HTML files.
    """
    pages = {
        path.relative_to(site).as_posix(): _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }
    broken, external = [], set[str]()
    for place, page in sorted(pages.items()):
        for target in sorted(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                external.add(target)
                if not _well_formed(target):
                    broken.append(f"{place}: {target}")
            elif not _leads_somewhere(parts.path, parts.fragment, place, site, pages):
                broken.append(f"{place}: {target}")
    return Links(broken, sorted(external))


def _well_formed(target: str) -> bool:
    """Whether a link that leaves the site could lead somewhere: a full web address without blanks."""
    parts = urlsplit(target)
    return parts.scheme in ("http", "https") and "." in parts.netloc and not set(' <>"') & set(target)


def _leads_somewhere(path: str, fragment: str, place: str, site: Path, pages: dict[str, _Page]) -> bool:
    here = "" if path.startswith("/") else posixpath.dirname(place)
    wanted = posixpath.normpath(posixpath.join(here, unquote(path).lstrip("/"))) if path else place
    if (site / wanted).is_dir():
        wanted = posixpath.normpath(posixpath.join(wanted, "index.html"))
    if wanted not in pages:
        return (site / wanted).is_file()
    # "__" begins what the theme's own scripts look for.
    return not fragment or fragment.startswith("__") or unquote(fragment) in pages[wanted].anchors
