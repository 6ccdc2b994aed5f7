"""The notebook is what its command makes of quickstart.py, and it runs."""

import base64
import os
import re
import runpy

import nbformat
import pytest
import warm_python
from doc_pages import ROOT
from nbformat import NotebookNode

COMMAND = runpy.run_path(str(ROOT / "docs/notebook.py"))


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    return nbformat.read(COMMAND["NOTEBOOK"], as_version=4)


@pytest.fixture(scope="module")
def made() -> NotebookNode:
    """Made and run now."""
    return COMMAND["run"](COMMAND["notebook_of"](COMMAND["SCRIPT"]))


def without_outputs(notebook: NotebookNode) -> list[dict[str, object]]:
    return [{key: cell[key] for key in ("id", "cell_type", "source", "metadata")} for cell in notebook.cells]


def losses(notebook: NotebookNode) -> list[float]:
    texts = [output.text for cell in notebook.cells for output in cell.outputs if output.output_type == "stream"]
    return [float(loss) for loss in re.findall(r"(?:L1|blended) ([\d.]+)", "".join(texts))]


def test_the_stored_notebook_is_the_script_of_today(stored, made):
    nbformat.validate(stored)
    assert without_outputs(stored) == without_outputs(made), "run python docs/notebook.py"
    assert stored.metadata == made.metadata


def test_what_it_shows_is_what_a_run_gives(stored, made):
    assert len(losses(made)) == 6
    assert losses(stored) == pytest.approx(losses(made), abs=0.02)


def test_it_ends_with_a_picture(stored, made):
    for notebook in (stored, made):
        (output,) = notebook.cells[-1].outputs
        assert output.data.keys() == {"text/plain", "image/png"}
        assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")


def test_as_a_script_it_needs_no_picture(tmp_path):
    hidden = "import sys; sys.modules['PIL'] = None; import runpy; runpy.run_path(sys.argv[1])"
    done = warm_python.run("-c", hidden, COMMAND["SCRIPT"], cwd=tmp_path, env=os.environ)
    assert done.returncode == 0 and done.stdout.count("L1") == 3, done.stderr
