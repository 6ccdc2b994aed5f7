"""A host as the code to paste."""

from dataclasses import fields

from selfcontrast.attach.host import Entry, Exit, Host


def host_text(host: Host) -> str:
    """`Host(...)`, a line for each value that is not the default.

    >>> print(host_text(Host("query", "deep", (Entry("merge", "C:2C"),), (Exit("head"),))))
    Host(
        features='query',
        high_level='deep',
        entries=(Entry('merge', 'C:2C'),),
        exits=(Exit('head'),),
    )
    """
    lines: list[str] = []
    for one in fields(host):
        value = getattr(host, one.name)
        if value != one.default:
            lines.append(f"    {one.name}={_text(value)},")
    return "\n".join(["Host(", *lines, ")"])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(map(_text, value))  # pyright: ignore
        return f"({inner},)" if len(value) == 1 else f"({inner})"  # pyright: ignore
    if isinstance(value, Entry):
        prior = "" if value.prior is None else f", prior={value.prior!r}"
        return f"Entry({value.call!r}, {value.prototype!r}{prior})"
    return f"Exit({value.call!r})" if isinstance(value, Exit) else repr(value)


def channels_text(place: slice, channels: int, total: int) -> str:
    """A range of channels in multiples of C where it is one, else in numbers.

    >>> channels_text(slice(64, 128), 64, 129), channels_text(slice(128, 129), 64, 129)
    ('C:2C', '2C:')
    """

    def end(value: int) -> str:
        return ("C" if value == channels else f"{value // channels}C") if value % channels == 0 else str(value)

    start = end(place.start) if place.start else ""
    stop = end(place.stop) if place.stop != total else ""
    return f"{start}:{stop}"
