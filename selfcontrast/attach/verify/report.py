"""What a check says: a line a claim, proven, refuted or left open."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from selfcontrast.attach.nested_tensors import tensors_in

# A doubled batch may choose other kernels, whose sums round differently.
TOLERANCE = 1e-4
# In half precision they round in steps of this size; how many steps add up is a guess.
STEPS = 8
# Whether a part of a claim holds, and what is to be said if it does not.
Verdict = tuple[bool | None, str]


class Finding(NamedTuple):
    """One claim about an attachment, whether it holds (None: unproven), and the figure or the reason."""

    claim: str
    holds: bool | None
    figure: str

    def __str__(self) -> str:
        """A line that begins with ok, FAIL or ?.

        >>> print(Finding("the sun rises", None, "nobody looked"))
        ?    the sun rises: unproven: nobody looked
        """
        mark = {True: "ok  ", False: "FAIL", None: "?   "}[self.holds]
        return f"{mark} {self.claim}: {'unproven: ' if self.holds is None else ''}{self.figure}"


class CheckReport(tuple[Finding, ...]):
    """All findings of a check; printed, a line each."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def alike(claim: str, expected: Any, got: Any, allowed: float = TOLERANCE) -> Finding:
    """Whether two structures hold the same tensors to rounding; integers, such as predictions, may flip at ties."""
    ours, theirs = _compared(expected), _compared(got)
    if [one.shape for one in ours] != [one.shape for one in theirs]:
        return Finding(claim, False, f"shapes {[tuple(o.shape) for o in ours]} and {[tuple(o.shape) for o in theirs]}")
    pairs = list(zip(ours, theirs, strict=True))
    largest = max((difference(*pair) for pair in pairs), default=0.0)
    bitwise = all(torch.equal(*pair) for pair in pairs)
    return Finding(
        claim, largest <= max(allowed, rounding(ours)), "bit-equal" if bitwise else f"relative difference {largest:.1e}"
    )


def _compared(tree: Any) -> list[Tensor]:
    """The tensors of a structure, and its numbers as such."""

    def as_tensor(leaf: Any) -> Any:
        return torch.tensor(leaf) if isinstance(leaf, (bool, int, float)) else leaf

    return tensors_in(pytree.tree_map(as_tensor, tree))


def rounding(tensors: list[Tensor]) -> float:
    """What rounding may come to in the precision that the host computes in."""
    types = {one.dtype for one in tensors if one.is_floating_point()}
    for device in {one.device.type for one in tensors}:
        if torch.is_autocast_enabled(device):
            types.add(torch.get_autocast_dtype(device))
    return max((STEPS * torch.finfo(kind).eps for kind in types), default=0.0)


def difference(expected: Tensor, got: Tensor) -> float:
    """The largest difference of two tensors, as a share of the largest value."""
    if expected.numel() == 0:
        return 0.0
    if not expected.is_floating_point():
        # A thousandth of all pixels may lie on a tie.
        return TOLERANCE * 1000 * float((expected != got).float().mean())
    # MPS has no float64.
    ours, theirs = (one.detach().cpu().double().nan_to_num(nan=1e30) for one in (expected, got))
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12))
