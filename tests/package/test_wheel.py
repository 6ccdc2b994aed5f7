"""What would be published is whole, small, well described, and works from the wheel alone."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.mark.parametrize("words", [["twine", "check", "--strict"], ["check_wheel_contents"]])
def test_the_checkers_of_the_index_find_nothing(distributions, words):
    files = distributions.values() if words[0] == "twine" else [distributions["wheel"]]
    done = subprocess.run([sys.executable, "-m", *words, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_metadata_say_who_what_where_and_under_which_licence(metadata):
    assert metadata["License-Expression"] == "MIT" and metadata["License-File"] == "LICENSE"
    assert metadata["Author"] and metadata["Requires-Python"] == ">=3.11"
    assert {line.partition(",")[0] for line in metadata.get_all("Project-URL")} >= {"Repository", "Changelog", "Issues"}
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= set(
        metadata.get_all("Classifier")
    )


def test_the_description_has_no_link_that_an_index_page_cannot_follow(metadata):
    text = metadata.get_payload(decode=True).decode()
    targets = re.findall(r"\]\(([^)\s]+)|(?:src|srcset|href)=\"([^\"\s]+)", text)
    assert len(targets) >= 10
    assert [one or other for one, other in targets if not (one or other).startswith(("https://", "#"))] == []


def test_every_link_into_the_repository_leads_to_a_file(metadata):
    text = metadata.get_payload(decode=True).decode()
    paths = re.findall(rf"{re.escape(PROJECT['urls']['Repository'])}/(?:blob|tree)/main/([^)#\"\s]+)", text)
    raw = PROJECT["urls"]["Repository"].replace("github.com", "raw.githubusercontent.com")
    paths += re.findall(rf"{re.escape(raw)}/main/([^)#\"\s]+)", text)
    assert len(paths) >= 10 and [path for path in paths if not (ROOT / path).exists()] == []


def test_the_source_distribution_leaves_the_measured_cells_out(distributions):
    with tarfile.open(distributions["sdist"]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"LICENSE", "README.md", "pyproject.toml", "selfcontrast/auxiliary.py"} <= set(names)
    assert not [name for name in names if name.startswith("experiments/results/")]
    assert distributions["sdist"].stat().st_size < 3_000_000


def test_version_changelog_and_citation_agree():
    version = PROJECT["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_readmes_python_runs_from_the_wheel_alone(wheel, tmp_path):
    """Outside the checkout, with the wheel first on the path."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    parts = next(block for block in blocks if "cosine_kmeans(" in block)
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path / "site")!r})
import torch, selfcontrast
assert selfcontrast.__file__.startswith({str(tmp_path)!r})
features, mask = torch.rand(2, 8, 8, 8), torch.zeros(2, 32, 32, dtype=torch.long)
mask[:, 8:20, 8:20] = 1
{parts}
print(*prototype_map.shape)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2 8 8 8\n"), done.stderr


def test_the_library_alone_is_tested_on_other_systems():
    """The workflow's list names tests that exist, and none that needs the commands around the library."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "library_tests.py"], capture_output=True, text=True, check=True
    )
    found = done.stdout.split()
    assert {"tests/attach", "tests/clustering", "tests/test_auxiliary.py", "selfcontrast"} <= set(found)
    assert all((ROOT / path).exists() for path in found) and not [path for path in found if "pfenet_scnet" in path]
