"""The types of the installed wheel: a user's script passes both checkers, and every mistake is found by both."""

import ast
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import selfcontrast

HERE = Path(__file__).parent
SCRIPT, MISTAKES = HERE / "every_public_function.py", HERE / "mistakes.py"
CHECKERS = ("mypy", "pyright")
# What torch compiles, exports and shares out with: no signature of ours names it, and to read it takes ten seconds.
MYPY = """[mypy]
strict = True
[mypy-torch._dynamo.*,torch._inductor.*,torch._functorch.*,torch._subclasses.*,torch.distributed.*]
follow_imports = skip
[mypy-torch.fx.*,torch.export.*,torch._export.*,torch.onnx.*,sympy.*]
follow_imports = skip
"""


class Installed(NamedTuple):
    """An environment that holds the wheel beside this one's packages, and where its checkers keep their files."""

    python: Path
    folder: Path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "env", with_pip=False)
    python = next(folder.glob("env/bin/python"), folder / "env" / "Scripts" / "python.exe")
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    # The path alone: what is installed in editable mode here stays unknown there.
    (packages / "others.pth").write_text(str(Path(torch.__file__).parents[1]))
    into = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", "--target", str(packages), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", *into], check=True)
    return Installed(python, folder)


@pytest.fixture(scope="module")
def found(installed: Installed) -> dict[str, dict[str, set[int]]]:
    """For each checker the lines of each script that it finds fault with; both scripts in one run, torch read once."""
    python, folder = installed
    # A project's scripts lie in its folder.
    scripts = [Path(shutil.copy(script, folder)).name for script in (SCRIPT, MISTAKES)]
    (folder / "mypy.ini").write_text(MYPY)
    words = ["--no-error-summary", "--python-executable", str(python), "--cache-dir", str(folder / "cache")]
    mypy = subprocess.run([sys.executable, "-m", "mypy", *words, *scripts], cwd=folder, capture_output=True, text=True)
    assert mypy.returncode == 1 and not mypy.stderr, mypy.stdout + mypy.stderr
    settings = folder / "pyrightconfig.json"
    settings.write_text(json.dumps({"include": scripts, "typeCheckingMode": "strict"}))
    words = ["--outputjson", "--pythonpath", str(python), "--project", str(settings)]
    pyright = subprocess.run([sys.executable, "-m", "pyright", *words], cwd=folder, capture_output=True, text=True)
    lines: dict[str, dict[str, set[int]]] = {name: {SCRIPT.name: set(), MISTAKES.name: set()} for name in CHECKERS}
    for line in mypy.stdout.splitlines():
        match = re.match(r"(.*\.py):(\d+): error:", line)
        if match:
            lines["mypy"][Path(match[1]).name].add(int(match[2]))
    for fault in json.loads(pyright.stdout)["generalDiagnostics"]:
        lines["pyright"][Path(fault["file"]).name].add(fault["range"]["start"]["line"] + 1)
    return lines


def test_the_script_names_everything_that_is_public() -> None:
    (names,) = [
        {alias.name for alias in node.names}
        for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "selfcontrast"
    ]
    assert names == set(selfcontrast.__all__) - {"__version__"}


def test_the_script_runs_on_the_wheel(installed: Installed) -> None:
    run = subprocess.run([installed.python, SCRIPT], cwd=installed.folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    version, folder = run.stdout.splitlines()[0].split()
    assert version == selfcontrast.__version__ and Path(folder).is_relative_to(installed.folder)


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_script_passes(found: dict[str, dict[str, set[int]]], checker: str) -> None:
    assert found[checker][SCRIPT.name] == set()


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_mistake_is_found_and_nothing_else(found: dict[str, dict[str, set[int]]], checker: str) -> None:
    text = MISTAKES.read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(text, 1) if line.endswith("# wrong")}
    assert len(marked) > 30
    assert found[checker][MISTAKES.name] == marked
