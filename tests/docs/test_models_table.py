"""The table of published models is that of the committed measurement."""

import json
import sys

from doc_pages import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from models_table import NAMES, table

MEASURED = json.loads((ROOT / "tests" / "upstream" / "attached.json").read_text())


def test_the_page_holds_the_table_of_the_committed_file() -> None:
    assert table(MEASURED) in (ROOT / "docs" / "attach-models.md").read_text()


def test_every_model_was_measured() -> None:
    assert MEASURED["models"].keys() == NAMES.keys()
