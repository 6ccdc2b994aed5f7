"""Every code block that a reader meets runs here, and every command is one that its script takes."""

import contextlib
import doctest
import io
import os
import re
import sys
import traceback

import pytest
import torch
import warm_python
from command_lines import check_line, script_of
from doc_pages import PAGES, ROOT, Block, blocks_of, commands_of, spans_of
from stand_ins import OWN_TESTS, STAND_INS, StandIn

# Lines that run in seconds and write nothing; the others are held against the parser of their script.
QUICK = {"python -m selfcontrast doctor"}
RUN_HERE = [page for page in PAGES if page not in OWN_TESTS]
COMMANDS = [(page, line) for page in PAGES for line in commands_of(page)]
# Options of other people's programs.
FOREIGN = {"nproc-per-node", "help", "recipe", "logdir", "directory", "check", "strict", "timeout"}


def run(page: str, stand_in: StandIn) -> dict[str, object]:
    """Run the Python blocks of a page from top to bottom; a text block after one is what it prints or how it fails."""
    names = {"torch": torch, "__name__": page} | stand_in.names()
    blocks = blocks_of(page)
    for place, block in enumerate(blocks):
        if block.language == "python":
            after = blocks[place + 1] if place + 1 < len(blocks) else None
            shown = after.text if after is not None and after.language == "text" and after.follows else None
            carry_out(block, names, stand_in.before, shown)
    stand_in.after(names)
    return names


def carry_out(block: Block, names: dict[str, object], before: dict[str, str], shown: str | None) -> None:
    lines = []
    for line in block.text.splitlines():
        lines += [code for start, code in before.items() if line.startswith(start)] + [line]
    printed, failure = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile("\n".join(lines), str(block), "exec"), names)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            assert shown is not None, f"{block} fails:\n{traceback.format_exc()}"
    if shown is not None:
        got = failure or printed.getvalue()
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(shown.strip() + "\n", got.strip() + "\n", flags), f"{block}\n{got}"


@pytest.mark.parametrize("page", [page for page in RUN_HERE if any(b.language == "python" for b in blocks_of(page))])
def test_the_python_blocks_of_a_page_run_from_top_to_bottom(page, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert page in STAND_INS, f"{page} has Python blocks: name in stand_ins.py what it leaves to its reader"
    run(page, STAND_INS[page])


@pytest.mark.parametrize("page", RUN_HERE)
def test_no_block_is_left_that_nobody_runs(page):
    last = ""
    for block in blocks_of(page):
        output = block.language == "text" and block.follows and last == "python"
        assert block.language in ("python", "bash") or output, f"{block}: nobody runs this block"
        last = block.language


@pytest.mark.parametrize("page", OWN_TESTS)
def test_a_page_with_a_test_of_its_own_has_it(page):
    assert page in PAGES
    assert page.rpartition("/")[2] in (ROOT / OWN_TESTS[page]).read_text()


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_is_one_that_its_script_takes(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_line(line)


@pytest.mark.parametrize("line", sorted({line for _, line in COMMANDS} & QUICK))
def test_a_command_that_takes_seconds_runs(line, tmp_path):
    done = warm_python.run(*line.split("#")[0].split()[1:], cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "python examples/pfenet_scnet/nothing.py",
        "python examples/pfenet_scnet/train.py --wieght 0",
        "python examples/pfenet_scnet/train.py --recipe pascal_resnet5",
        "python examples/pfenet_scnet/evaluate.py RUN --sede 3",
        "python examples/pfenet_scnet/predict.py RUN --support a.jpg --query b --out c",
        "python benchmarks/growth.py --turns 3",
        "python experiments/run.py table7",
        "pip install -e '.[exmaples]'",
        "pip install selfcontrast[fais]",
        "torchrun --nproc-per-node 2 examples/pfenet_scnet/train.py --fold two",
        "make all",
    ],
)
def test_a_wrong_command_is_seen(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, SystemExit)):
        check_line(line)


@pytest.mark.parametrize("page", PAGES)
def test_options_and_scripts_between_backquotes_exist(page):
    scripts = "".join(
        path.read_text()
        for folder in ("examples", "experiments", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*.py")
    )
    for span in spans_of(page):
        script = script_of(span)
        assert script is None or (ROOT / script).is_file(), span
        for option in set(re.findall(r"(?<![\w-])--([a-z_-]+)", span)) - FOREIGN:
            assert re.search(rf"^ +{option}: |[(,] ?{option}: |\"--{option}\"", scripts, re.MULTILINE), (
                f"{page}: {span}"
            )


def test_the_checks_can_fail():
    text = {"python": "print(1)", "fails": "raise ValueError('no')"}
    blocks = {name: Block("page.md", 1, "python", code, True) for name, code in text.items()}
    carry_out(blocks["python"], {}, {}, "1")
    carry_out(blocks["fails"], {}, {}, "ValueError: no")
    for block, shown in ((blocks["python"], "2"), (blocks["fails"], None), (blocks["fails"], "ValueError: yes")):
        with pytest.raises(AssertionError):
            carry_out(block, {}, {}, shown)
