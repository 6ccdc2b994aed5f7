"""A host as the code to paste."""

from dataclasses import MISSING, fields

from selfcontrast.attach.host import CosineHost, Doubled, Entry, Exit, Host

# These are written without their names, in this order.
PLAIN = {Entry: ("call", "prototype"), Exit: ("call",), Doubled: ("call", "argument")}


def host_text(host: Host | CosineHost) -> str:
    """`Host(...)` or `CosineHost(...)`, a line for each value that is not the default.

    >>> print(host_text(Host("query", "deep", (Entry("merge", "C:2C"),), (Exit("head"),))))
    Host(
        features='query',
        high_level='deep',
        entries=(Entry('merge', 'C:2C'),),
        exits=(Exit('head'),),
    )
    """
    changed = ((one.name, getattr(host, one.name)) for one in fields(host) if getattr(host, one.name) != one.default)
    lines = [f"    {name}={_text(value)}," for name, value in changed]
    return "\n".join([f"{type(host).__name__}(", *lines, ")"])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(map(_text, value))  # pyright: ignore
        return f"({inner},)" if len(value) == 1 else f"({inner})"  # pyright: ignore
    if not isinstance(value, Entry | Exit | Doubled):
        return repr(value)
    plain = PLAIN[type(value)]
    given = [repr(getattr(value, name)) for name in plain]
    for one in fields(value):
        content = getattr(value, one.name)
        if one.name not in plain and (one.default is MISSING or content != one.default):
            given.append(f"{one.name}={content!r}")
    return f"{type(value).__name__}({', '.join(given)})"
