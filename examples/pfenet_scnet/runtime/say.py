"""What is said to a user: long lists cut short, and a line once however often it comes up."""

from collections.abc import Sequence

SHOWN = 10
_said: set[str] = set()


def say_once(text: str) -> None:
    """Print a line that was not printed before."""
    if text not in _said:
        _said.add(text)
        print(text)


def some(names: Sequence[object], between: str = ", ", most: int = SHOWN) -> str:
    """The first names, and how many more there are.

    >>> some(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more'
    """
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return between.join([*map(str, names[:most]), *more])
