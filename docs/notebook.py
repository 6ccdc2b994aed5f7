"""Make examples/quickstart.ipynb of examples/quickstart.py: its cells, run from top to bottom, with what they gave.

python docs/notebook.py
"""

import os
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPT, NOTEBOOK = EXAMPLES / "quickstart.py", EXAMPLES / "quickstart.ipynb"


def notebook_of(script: Path) -> NotebookNode:
    """The script's cells, without output; the same names for the cells each time."""
    notebook = jupytext.read(script)
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for place, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{place}", {}
    return notebook


def run(notebook: NotebookNode) -> NotebookNode:
    """Run the cells; of a picture's several formats PNG stays."""
    NotebookClient(notebook, kernel_name="python3", record_timing=False, timeout=120).execute()
    notebook.metadata.pop("language_info", None)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        output.get("data", {}).pop("image/jpeg", None)
    return notebook


if __name__ == "__main__":
    unfinished = NOTEBOOK.with_suffix(".unfinished")
    nbformat.write(run(notebook_of(SCRIPT)), unfinished)
    os.replace(unfinished, NOTEBOOK)
    print(f"wrote {NOTEBOOK}")
