"""The pages of the site, gathered from the repository with links that work on the site.

On GitHub a page links to whatever the repository holds, by relative paths. The site holds pages and pictures alone. So
a link to a page stays relative, a picture is copied, and a link to any other file becomes one to the repository.
"""

import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path

PICTURES = {".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
# Pages outside docs/, and where the site has them.
OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}

_FENCED = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_MARKDOWN_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>\))")
_HTML_LINK = re.compile(r"(?P<before>\b(?:src|srcset|href)=\")(?P<target>[^\"]+)(?P<after>\")")


class Pages:
    """The pages of a repository on their way to the site.

    Args:
        root: the repository.
        folder: gets the pages and pictures.
        repository: the address that links to other files lead to.
    """

    def __init__(self, root: Path, folder: Path, repository: str) -> None:
        self.root = root
        self.folder = folder
        self.repository = repository
        self.missing: list[str] = []
        self.places = {path: place for path, place in OUTSIDE.items() if (root / path).is_file()}
        for path in sorted((root / "docs").rglob("*.md")):
            self.places[path.relative_to(root).as_posix()] = path.relative_to(root / "docs").as_posix()

    def write(self) -> None:
        """Write every page, and the pictures and stylesheets that they show.

        Raises:
            FileNotFoundError: pages link to what the repository does not hold; it names all such links.
        """
        for source, place in self.places.items():
            page = self.folder / place
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(self.rewrite((self.root / source).read_text(encoding="utf-8"), source), encoding="utf-8")
        shutil.copytree(self.root / "docs" / "stylesheets", self.folder / "stylesheets")
        if self.missing:
            raise FileNotFoundError(
                "pages: expected links to files of the repository, got\n" + "\n".join(self.missing) + "\nmend them"
            )

    def rewrite(self, text: str, source: str) -> str:
        """A page's text with the site's links; code stays as it is.

        Args:
            text: of the page.
            source: the page's path in the repository.
        """

        def link(match: re.Match[str]) -> str:
            return match["before"] + self.link(match["target"], source) + match["after"]

        def prose(part: str) -> str:
            return _HTML_LINK.sub(link, _MARKDOWN_LINK.sub(link, part))

        return _outside_code(text, prose)

    def link(self, target: str, source: str) -> str:
        """Where a link of a page leads on the site; what the repository does not hold is noted in `missing`."""
        path, hash_sign, fragment = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return target
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        file = self.root / wanted
        if not file.exists():
            self.missing.append(f"{source}: {target}")
            return target
        here = posixpath.dirname(self.places[source])
        if wanted in self.places:
            return posixpath.relpath(self.places[wanted], here or ".") + hash_sign + fragment
        if file.suffix.lower() in PICTURES:
            place = wanted.removeprefix("docs/")
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, self.folder / place)
            return posixpath.relpath(place, here or ".") + hash_sign + fragment
        kind = "tree" if file.is_dir() else "blob"
        return f"{self.repository}/{kind}/main/{wanted}{hash_sign}{fragment}"


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a page's text, but neither its fenced blocks nor its code spans."""

    def between(pattern: re.Pattern[str], part: str, inner: Callable[[str], str]) -> str:
        pieces, end = [], 0
        for match in pattern.finditer(part):
            pieces += [inner(part[end : match.start()]), match[0]]
            end = match.end()
        return "".join([*pieces, inner(part[end:])])

    return between(_FENCED, text, lambda part: between(_CODE, part, change))
