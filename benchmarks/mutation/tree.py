"""A copy of the tree in which modules can be mutated while others work in the first one."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARY = "selfcontrast"
# Tests of what stands around the library.
AROUND = {"pfenet_scnet", "experiments", "benchmarks", "docs", "package", "upstream"}


class Tree:
    """A copy of the files that git knows or does not ignore, for one run at a time.

    Raises:
        ValueError: another run works in this copy.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = folder.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait for it, or give another folder"
            raise ValueError(f"work: expected a folder that no run uses, got {folder.parent}; {fix}") from None
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, text=True, check=True
        )
        shutil.rmtree(folder, ignore_errors=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        self.folder = folder

    def modules(self) -> dict[str, str]:
        """The text of every module of the library by its path."""
        return {path: (self.folder / path).read_text(encoding="utf-8") for path in self._files(LIBRARY)}

    def digest(self, *names: str) -> str:
        """What says whether one of these files changed."""
        return digest(f"{name}\n{(self.folder / name).read_text(encoding='utf-8')}" for name in names)

    def helpers(self) -> list[str]:
        """The files that the library's tests import, beside the library."""
        tests = [Path(name) for name in self._files("tests")]
        beside = [path for path in tests if not path.name.startswith("test_") and not AROUND & {*path.parts}]
        return [path.as_posix() for path in (Path("conftest.py"), *beside) if (self.folder / path).is_file()]

    def library(self) -> list[str]:
        """The files of the library."""
        return self._files(LIBRARY)

    @contextmanager
    def holding(self, module: str, code: str) -> Iterator[None]:
        """Have the copy hold another text of a module for a while."""
        path, kept = self.folder / module, self.folder.with_suffix(".kept")
        shutil.copy2(path, kept)
        try:
            path.write_text(code, encoding="utf-8")
            yield
        finally:
            # With its old time, so that what Python compiled of it before holds again.
            shutil.copy2(kept, path)

    def _files(self, folder: str) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in (self.folder / folder).rglob("*.py"))


def digest(texts: Iterable[str]) -> str:
    """What says whether one of these texts changed."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
