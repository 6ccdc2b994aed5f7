"""Build the documentation's site and check its links.

python docs/build_site.py                    # into site/, which git ignores; the pages lie in site/html
python docs/build_site.py --out DIR
python -m http.server --directory site/html  # then look at it
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# isort: split
from building.link_check import Links, check_links
from building.staging import Pages

ROOT = Path(__file__).parents[1]
# All that lies in a folder that the site was built in.
OURS = {".cache", "docstrings.py", "html", "pages", "zensical.toml"}


def build_site(out: Path, root: Path = ROOT) -> Links:
    """Gather the pages, build them, and check every link.

    Args:
        out: a new folder, or one that held the site before; `html/` in it is the site.
        root: the repository.

    Returns:
        The links that leave the site; none is broken.

    Raises:
        FileExistsError: `out` holds something else.
        FileNotFoundError: a page links to what the repository does not hold.
        ValueError: Zensical warned of something, or a link of the built site leads nowhere.
    """
    config = out / "zensical.toml"
    if out.exists() and not {path.name for path in out.iterdir()} <= OURS:
        raise FileExistsError(f"out: expected a new folder or one that holds the site, got {out}; name another")
    for folder in ("pages", "html"):
        shutil.rmtree(out / folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    repository = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    config.write_text((root / "zensical.toml").read_text().replace("REPOSITORY", repository))
    shutil.copyfile(root / "docs" / "building" / "docstrings.py", out / "docstrings.py")
    Pages(root, out / "pages", repository).write()
    _zensical(config)
    links = check_links(out / "html")
    if links.broken:
        raise ValueError("pages: expected links that lead somewhere, got\n" + "\n".join(links.broken) + "\nmend them")
    return links


def _zensical(config: Path) -> None:
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", config.name]
    done = subprocess.run(command, cwd=config.parent, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    # griffe's warnings about docstrings do not count for Zensical's --strict.
    if done.returncode or "griffe: " in said:
        raise ValueError(f"pages: expected a build without a warning, got\n{said}\nmend the page or docstring")


def main() -> None:
    """Build where the command line says, and print what leaves the site."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="the folder to build in; default: site/")
    given = parser.parse_args()
    try:
        links = build_site(given.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f"build_site.py: {error}") from None
    print(f"written: {given.out}/html; these links leave it and were not fetched:")
    print("\n".join(links.external))


if __name__ == "__main__":
    main()
