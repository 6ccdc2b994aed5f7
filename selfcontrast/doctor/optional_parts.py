"""The optional parts as pyproject.toml lists them, looked up without importing one."""

import re
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import NamedTuple

from selfcontrast.clustering.triton_engine import missing

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*extra == ['\"](?P<extra>[\w-]+)['\"]")
_BOUND = re.compile(r"(==|>=)\s*([\d.]+)")


class Part(NamedTuple):
    """A package that one would notice missing: the extra that brings it, its module, and what it is for."""

    distribution: str
    extra: str
    module: str
    purpose: str


PARTS = (
    Part("faiss-cpu", "faiss", "faiss", 'k-means by faiss, engine="faiss"'),
    Part("faiss-gpu", "faiss-gpu", "faiss", "the same on an NVIDIA GPU"),
    Part("torchvision", "examples", "torchvision", "backbones of the example"),
    Part("opencv-python-headless", "examples", "cv2", "pictures of the example, resized fast"),
    Part("tensorboard", "examples", "tensorboard", "curves of a run of the example"),
    Part("timm", "timm", "timm", "more backbones for the example"),
    Part("lightning", "loops", "lightning", "the training loop for Lightning"),
    Part("accelerate", "loops", "accelerate", "the training loop for Accelerate"),
    Part("gradio", "demo", "gradio", "the demonstration page"),
)


class State(NamedTuple):
    """How a part stands: `missing` is the extra that gets it, `broken` says what is wrong with it."""

    name: str
    state: str
    purpose: str
    missing: str | None = None
    broken: str | None = None


def states() -> list[State]:
    """Every optional part that is for users, the examples' many small ones as one; Triton comes with torch."""
    found = missing() or installed("triton") or "of another package"
    triton = State("triton", found, 'k-means on CUDA in few launches, engine="triton"')
    return [triton, *map(_state, PARTS), _others("examples")]


def installed(distribution: str) -> str | None:
    """The version of a distribution, None where it is not installed.

    >>> installed("no-such-package") is None
    True
    """
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def members(extra: str) -> list[str]:
    """The distributions of an extra of this package; none where it is imported without being installed.

    >>> "timm" in members("timm")
    True
    """
    try:
        found = map(_REQUIREMENT.match, requires("selfcontrast") or [])
    except PackageNotFoundError:
        return []
    return [match["name"] for match in found if match and match["extra"] == extra]


def belongs(requirement: str, found: str) -> bool:
    """Whether a version is one that a requirement on torch asks for.

    >>> belongs("torch==2.6.0", "2.6.0+cu124"), belongs("torch (>=2.14.0)", "2.13.1"), belongs("torch", "2.6.0")
    (True, False, True)
    """
    own = _numbers(found)
    bounds = [(sign, _numbers(number)) for sign, number in _BOUND.findall(requirement)]
    return all(own == bound if sign == "==" else own >= bound for sign, bound in bounds)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text.partition("+")[0])[:3]))


def _state(part: Part) -> State:
    found = installed(part.distribution)
    if found is None:
        elsewhere = find_spec(part.module) is not None
        state = f"{part.module} of another package" if elsewhere else "missing"
        return State(part.distribution, state, part.purpose, None if elsewhere else part.extra)
    torch = version("torch")
    wanted = [
        one for one in requires(part.distribution) or [] if re.match(r"torch\b(?![-\w])", one) and "extra" not in one
    ]
    for requirement in wanted:
        if not belongs(requirement, torch):
            broken = f"{part.distribution} {found} wants {requirement}, and torch {torch} is installed"
            return State(part.distribution, f"{found}, of another torch", part.purpose, broken=broken)
    return State(part.distribution, found, part.purpose)


def _others(extra: str) -> State:
    """The distributions of an extra that have no line of their own."""
    others = [name for name in members(extra) if name not in {part.distribution for part in PARTS}]
    missing = [name for name in others if installed(name) is None]
    state = f"{len(missing)} of {len(others)} others missing" if missing else f"all {len(others)} others"
    return State(extra, state, "what else the example needs", extra if missing else None)
