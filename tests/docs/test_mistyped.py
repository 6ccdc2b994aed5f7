"""Each line of the pages that a newcomer types, mistyped once: what is said names the mistake and what to do."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest
import warm_python
from doc_pages import ROOT, blocks_of, text_of
from mistyped_commands import COMMANDS
from mistyped_lines import LINES as PAGE_LINES
from mistyped_lines import README, TUTORIAL, code_of
from mistyped_plain_lines import PLAIN
from mistyped_tutorial import LINES as TUTORIAL_LINES
from processes import WITHOUT_MODULE
from runtime.requirements import MODULES

LINES = [*PAGE_LINES, *TUTORIAL_LINES]
HERE = ROOT / "tests" / "docs"
SCRIPTS = sorted(path.stem for path in (ROOT / "examples/pfenet_scnet").glob("*.py"))


def answers(script, *words):
    done = warm_python.run(HERE / script, *words, cwd=ROOT, env=os.environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def said_to_lines():
    return [answer for *_, answer in answers("carry_out_mistyped.py")]


@pytest.fixture(scope="module")
def said_to_commands(tmp_path_factory):
    return answers("carry_out_mistyped_commands.py", tmp_path_factory.mktemp("mistyped"))


@pytest.mark.parametrize("place", range(len(LINES)), ids=lambda place: f"{LINES[place].page}:{LINES[place].typed[:60]}")
def test_a_mistyped_line_says_what_is_wrong(said_to_lines, place):
    assert LINES[place].said in said_to_lines[place]


@pytest.mark.parametrize("place", range(len(COMMANDS)), ids=lambda place: COMMANDS[place].typed[:80])
def test_a_mistyped_command_ends_in_one_line_that_says_what_is_wrong(said_to_commands, place):
    status, said = said_to_commands[place]
    assert status == 2 and "\n" not in said and said.startswith(f"{COMMANDS[place].typed.split()[0]}.py: "), said
    assert COMMANDS[place].said in said


def lines_of_code(page):
    """The lines of a page's Python blocks, without comments, docstrings, and what only closes brackets."""
    for block in blocks_of(page):
        if block.language != "python":
            continue
        documented = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Expr)]
        documented = [node for node in documented if isinstance(node.value, ast.Constant)]
        left_out = {line for node in documented for line in range(node.lineno, node.end_lineno + 1)}
        for number, line in enumerate(block.text.splitlines(), 1):
            code = code_of(line)
            if number not in left_out and code.strip(" )]}") and not code.startswith("#"):
                yield code


@pytest.mark.parametrize("page", [README, TUTORIAL])
def test_every_line_is_mistyped_or_known_to_hold_nothing_of_ours(page):
    code = list(lines_of_code(page))
    entered = {entry.line for entry in LINES if entry.page == page}
    assert [line for line in code if line not in entered | set(PLAIN)] == []
    assert entered <= set(code) and not entered & set(PLAIN)


def test_no_plain_line_is_kept_that_no_page_has():
    assert set(PLAIN) <= {line for page in (README, TUTORIAL) for line in lines_of_code(page)}


def test_the_commands_that_are_mistyped_stand_on_their_page():
    for command in COMMANDS:
        assert command.meant in text_of(command.page) or command.meant in ("prepare.py scenes", "leakage.py"), command


def test_every_command_of_the_readme_is_mistyped():
    shown = set(re.findall(r"examples/pfenet_scnet/(\w+)\.py", text_of(README)))
    assert shown == {command.typed.split()[0] for command in COMMANDS if command.page == README} == set(SCRIPTS)


@pytest.mark.parametrize("module", ["torchvision", "yaml"])
@pytest.mark.parametrize("script", [*(f"examples/pfenet_scnet/{name}.py" for name in SCRIPTS), "docs/own_data.py"])
def test_a_command_without_what_it_needs_says_how_to_install_it(script, module, tmp_path):
    words = [sys.executable, "-c", WITHOUT_MODULE, module, str(ROOT / script)]
    done = subprocess.run(words, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 2 and done.stderr == (
        f"{script.rpartition('/')[2]}: {MODULES[module]}: expected to be installed, got none; in the folder of the "
        "checkout, run: pip install -e '.[examples]'\n"
    )
