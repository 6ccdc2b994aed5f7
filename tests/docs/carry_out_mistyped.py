"""Carry out mistyped lines in a process of its own, where the package is as its users have it, without shape checks.

python tests/docs/carry_out_mistyped.py        # prints a JSON list: for each entry, what was said
"""

import ast
import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "pfenet_scnet"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import mistyped_lines
import mistyped_tutorial
import torch
from doc_pages import ROOT, blocks_of
from stand_ins import STAND_INS


def statements(text):
    """The top-level statements of a block, each with its lines."""
    lines = text.splitlines()
    starts = [node.lineno - 1 - len(getattr(node, "decorator_list", ())) for node in ast.parse(text).body]
    return ["\n".join(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def prepared(page):
    """The statements of a page's Python blocks, block by block, with what its stand-in puts before them."""
    before = STAND_INS[page].before if page in STAND_INS else {}
    for block in blocks_of(page):
        if block.language == "python":
            text = mistyped_tutorial.shorter(block.text) if page == mistyped_lines.TUTORIAL else block.text
            lines = []
            for line in text.splitlines():
                lines += [code for start, code in before.items() if line.startswith(start)] + [line]
            yield statements("\n".join(lines))


def typed_in(statement, entry):
    """The statement with the entry's line mistyped, or None where it has no such line."""
    lines = statement.split("\n")
    for place, line in enumerate(lines):
        if mistyped_lines.code_of(line) == entry.line:
            indent = line[: len(line) - len(line.lstrip())]
            return "\n".join([*lines[:place], *(indent + one for one in entry.typed.split("\n")), *lines[place + 1 :]])
    return None


def said(names, codes):
    """What is said when these run, one after the other, up to the first error."""
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            for code in codes:
                exec(compile(code, "page", "exec"), names)
            end = ""
        except Exception as error:
            end = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        finally:
            torch.set_grad_enabled(True)
    return "\n".join([end, *(str(one.message) for one in caught)]).strip()


def of_a_page(page, entries, fresh):
    """What is said to each entry; a `fresh` page is begun anew for each, because its lines change its models."""
    found, names = {}, {"torch": torch, "__name__": page}
    blocks = list(prepared(page))
    if not fresh:
        names |= STAND_INS[page].names() if page in STAND_INS else {}
    done = []
    for block in blocks:
        for place, statement in enumerate(block):
            for number, entry in enumerate(entries):
                typed = None if number in found else typed_in(statement, entry)
                if typed is None:
                    continue
                own = {"torch": torch, "__name__": page} | STAND_INS[page].names() if fresh else dict(names)
                if fresh:
                    said(own, done)
                found[number] = said(own, [typed, *block[place + 1 :]])
            if not fresh:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(statement, "page", "exec"), names)
            # What only prints leaves nothing behind.
            elif not statement.startswith("print("):
                done.append(statement)
    return [found.get(number, "the line is not on the page") for number in range(len(entries))]


def main():
    torch.set_num_threads(1)
    entries = [*mistyped_lines.LINES, *mistyped_tutorial.LINES]
    answers = {}
    for page in dict.fromkeys(entry.page for entry in entries):
        own = [entry for entry in entries if entry.page == page]
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
            (Path(work) / "examples").symlink_to(ROOT / "examples")
            answers[page] = iter(of_a_page(page, own, page != mistyped_lines.TUTORIAL))
    out = os.fdopen(os.dup(1), "w")
    json.dump([[*entry, next(answers[entry.page])] for entry in entries], out)
    out.close()


if __name__ == "__main__":
    main()
