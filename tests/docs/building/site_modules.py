"""The modules that build the site, which lie beside the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "docs"))
# isort: split
from build_site import ROOT, build_site
from building.docstrings import one_by_one, with_section
from building.link_check import check_links
from building.staging import Pages

__all__ = ["ROOT", "Pages", "build_site", "check_links", "one_by_one", "with_section"]
