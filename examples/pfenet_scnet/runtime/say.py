"""What is said to a user: long lists cut short, a line once however often it comes up, and nothing invisible."""

from collections.abc import Sequence

SHOWN = 10
_said: set[str] = set()


def say_once(text: str) -> None:
    """Print a line that was not printed before."""
    if text not in _said:
        _said.add(text)
        print(shown(text))


def some(names: Sequence[object], between: str = ", ", most: int = SHOWN) -> str:
    """The first names, and how many more there are.

    >>> some(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more'
    """
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return between.join([*map(shown, names[:most]), *more])


def shown(text: object) -> str:
    """Text with every invisible character written out: names of files and classes may hold a terminal's commands.

    >>> print(shown("a.jpg"), shown("a\\u200b.jpg"), shown("\\x1b[31mred"))
    a.jpg a\\u200b.jpg \\x1b[31mred
    """
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(text))
