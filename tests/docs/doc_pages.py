"""The pages that people read, cut into what the tests run: code blocks, and commands between backquotes."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
OUTSIDE = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "tests/upstream/README.md")
PAGES = [*OUTSIDE, *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"(?<!`)`(?P<text>[^`]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block of a page; it follows another one if only blanks lie between."""

    page: str
    line: int
    language: str
    text: str
    follows: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text, found, end = text_of(page), [], 0
    for match in _FENCE.finditer(text):
        inner = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match["language"], inner, not text[end : match.start()].strip()))
        end = match.end()
    return found


def prose_of(page: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def spans_of(page: str) -> list[str]:
    """What stands between backquotes in the prose of a page."""
    return [" ".join(match["text"].split()) for match in _SPAN.finditer(prose_of(page))]


def commands_of(page: str) -> list[str]:
    """The command lines of a page: those of its bash blocks, and those between backquotes."""
    lines = [line for block in blocks_of(page) if block.language == "bash" for line in _joined(block.text).splitlines()]
    starts = re.compile(r"(?:\w+=\S+ )*(?:python|pip|pytest|torchrun|bash) \S")
    return [line for line in [*lines, *filter(starts.match, spans_of(page))] if line.strip(" #")]


def _joined(text: str) -> str:
    """Lines that end with a backslash go on in the next one."""
    return re.sub(r"\\\n\s*", " ", text)
