"""Our docstrings as Google's style wants them: doctests below a heading, and one entry for each argument."""

import re
from typing import Any

from griffe import Extension, GriffeLoader, Object

_JOINT = re.compile(r"^(?P<indent> {4})(?P<names>\w+(?:, \w+)+): (?P<text>.*(?:\n {5,}.*)*)", re.MULTILINE)


class OurDocstrings(Extension):
    """Change each docstring before it is read; the code keeps it as it is."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_section(one_by_one(obj.docstring.value))


def with_section(docstring: str) -> str:
    """The docstring with its first doctest and all that follows below `Examples:`.

    >>> print(with_section("One.\\n\\n>>> 1 + 1\\n2"))
    One.
    <BLANKLINE>
    Examples:
        >>> 1 + 1
        2
    """
    text, prompt, doctests = re.sub(r"^>>> ", "\0>>> ", docstring, count=1, flags=re.MULTILINE).partition("\0")
    if not prompt or "Examples:" in text:
        return docstring
    # Directives to doctest are no part of the example.
    shown = re.sub(r"  # doctest: .*$", "", doctests, flags=re.MULTILINE)
    return f"{text}Examples:\n" + "\n".join(f"    {line}".rstrip() for line in shown.splitlines())


def one_by_one(docstring: str) -> str:
    """The docstring with an entry of its own for each of several arguments that are described together.

    >>> print(one_by_one("Args:\\n    a, b: both."))
    Args:
        a: both.
        b: both.
    """

    def apart(match: re.Match[str]) -> str:
        return "\n".join(f"{match['indent']}{name}: {match['text']}" for name in match["names"].split(", "))

    return _JOINT.sub(apart, docstring)
