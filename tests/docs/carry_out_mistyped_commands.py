"""Carry out mistyped commands, all in one process that imports torch once.

python tests/docs/carry_out_mistyped_commands.py FOLDER        # prints a JSON list: status and error of each
"""

import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "pfenet_scnet"
sys.path[:0] = [str(EXAMPLE), str(Path(__file__).parent), str(ROOT / "tests" / "pfenet_scnet")]


def ended(line):
    """The exit status of a command line, and what it wrote to stderr, without progress bars."""
    script, *words = line.split()
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [str(EXAMPLE / f"{script}.py"), *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            status, text = 1, f"{type(error).__name__}: {error}"
            err.write(text)
    lines = [part for part in err.getvalue().replace("\r", "\n").split("\n") if part.strip() and "%|" not in part]
    return status, "\n".join(lines)


def stop(status):
    """In place of os._exit, by which demo.py ends."""
    raise SystemExit(status)


def main():
    from mistyped_commands import COMMANDS
    from voc_tree import mask_with, write_voc

    os.chdir(sys.argv[1])
    os._exit = stop
    for split, count in (("train", 2), ("val", 3)):
        write_voc(Path("voc"), [mask_with(c) for c in range(1, 9) for _ in range(count)], split)
    Path("voc/classes.txt").write_text("".join(f"thing{c}\n" for c in range(1, 9)))
    Path("notes.txt").write_text("no weights\n")
    Path("empty").mkdir()
    json.dump([ended(command.typed) for command in COMMANDS], sys.stdout)


if __name__ == "__main__":
    main()
