"""Find a picture by the name that a list or an annotation tool gives it, wherever the tool had it."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from runtime.say import some

# Label Studio puts eight hex digits before the names of pictures that were uploaded.
UPLOADED = re.compile(r"^[0-9a-f]{8}-")
# Its links to pictures on the server's disk: /data/local-files/?d=folder/x.jpg
LOCAL_FILE = re.compile(r"[?&]d=([^&]+)")
NO_FOLDERS = ("", ".", "..")

Parts = tuple[str, ...]


class Untold(Exception):
    """No picture fits a name, or several do; says which."""


class Pictures:
    """Pictures below a folder, to be found by name.

    >>> Pictures(["a/x.jpg", "b/x.jpg"]).find("C:\\\\data\\\\b\\\\x.jpg")
    'b/x.jpg'
    >>> Pictures(["a/x.jpg", "my cup.png"]).find("https://tool.org/upload/my%20cup.png")
    'my cup.png'

    Args:
        names: paths below the folder, with slashes.
        with_stems: find a picture without its ending, too.
    """

    def __init__(self, names: Sequence[str], with_stems: bool = False) -> None:
        self._by_end: dict[str, list[tuple[Parts, str]]] = defaultdict(list)
        for name in names:
            parts = _parts(name)
            stem = (*parts[:-1], PurePosixPath(parts[-1]).stem)
            for one in dict.fromkeys([parts, stem] if with_stems else [parts]):
                self._by_end[_alike(one)[-1]].append((one, name))

    def find(self, written: str, near: str = "") -> str:
        """The picture that a name means: the one that shares most folders with it.

        Args:
            near: a folder to look in first, such as the one where the list of names lies.

        Raises:
            Untold: there is none, or there are several.
        """
        for spelling in _spellings(written):
            parts = _parts(spelling)
            if not parts:
                continue
            beside = (*_parts(near), *parts)
            whole = [name for one, name in self._by_end.get(_alike(beside)[-1], []) if one == beside]
            found = whole or self._nearest(parts)
            if len(found) > 1:
                raise Untold(f"{some(found)} fit")
            if found:
                return found[0]
        raise Untold("no such picture")

    def _nearest(self, parts: Parts) -> list[str]:
        """The pictures of that name, those that share most folders, are shared whole, and are spelt the same."""
        wanted = _alike(parts)
        rank = {
            name: (shared := _shared(_alike(one), wanted), shared == len(one), one[-shared:] == parts[-shared:])
            for one, name in self._by_end.get(wanted[-1], [])
        }
        return [name for name in rank if rank[name] == max(rank.values())]


def same_name(one: str, other: str) -> bool:
    """Whether two names are spelt the same, slashes and capitals aside."""
    return _alike(_parts(one)) == _alike(_parts(other))


def _spellings(written: str) -> Iterator[str]:
    """The name as it stands, then as web addresses and tools write it."""
    plain = unquote(written)
    yield from LOCAL_FILE.findall(plain)
    yield written
    yield plain
    yield plain.partition("?")[0]
    folder, slash, name = plain.partition("?")[0].replace("\\", "/").rpartition("/")
    if UPLOADED.match(name):
        yield f"{folder}{slash}{UPLOADED.sub('', name)}"


def _parts(name: str) -> Parts:
    """Folders and name; a drive, a server or a step upwards does not count."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in NO_FOLDERS and not part.endswith(":"))


def _alike(parts: Parts) -> Parts:
    return tuple(part.casefold() for part in parts)


def _shared(one: Parts, other: Parts) -> int:
    """How many parts two paths share from their ends.

    >>> _shared(("a", "b", "x"), ("c", "b", "x"))
    2
    """
    pairs = list(zip(reversed(one), reversed(other), strict=False))
    return next((place for place, (left, right) in enumerate(pairs) if left != right), len(pairs))
