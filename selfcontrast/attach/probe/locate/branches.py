"""Which prototypes are the foreground's and which the background's, where a host has several.

Told by their effect where each feeds one channel of the logits, else by the support's pixels that they follow.
"""

import torch
from torch import Tensor

from selfcontrast.attach.following import other_image
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.comparison import Roles
from selfcontrast.attach.probe.locate.entries import Layout
from selfcontrast.attach.probe.maps import Key, Map, Trace
from selfcontrast.attach.probe.trace import trace

Copy = tuple[Layout, slice]
# Of what a prototype follows: the share inside the support's mask that tells apart what follows neither more.
SHARE = 0.1


def find_background(
    forwards: Forwards,
    layouts: list[Layout],
    roles: Roles,
    logits: list[Map],
    support_masks: list[int],
    unsure: list[str],
) -> set[tuple[Key, int]]:
    """The copies of a prototype that hold the background's, by their input and first channel.

    Args:
        logits: what the exits give.
        support_masks: which of the arguments are masks of the support.
    """
    kinds = _different(layouts)
    if len(kinds) < 2:
        return set()
    sides = [_side_by_effect(forwards, several[0], logits) for several in kinds]
    if any(side is None for side in sides):
        sides = _sides_by_pixels(forwards, kinds, roles, support_masks, unsure)
    if not any(side == 1 for side in sides):
        return set()
    for several, side in zip(kinds, sides, strict=True):
        if side == 0:
            names = ", ".join(dict.fromkeys(layout.entry.name for layout, _ in several))
            unsure.append(f"the prototype in {names} is taken for the background's: the foreground's takes its place")
    return {
        (layout.entry.key, place.start)
        for several, side in zip(kinds, sides, strict=True)
        if side == 0
        for layout, place in several
    }


def _different(layouts: list[Layout]) -> list[list[Copy]]:
    """Copies of prototypes, those of the same values together."""
    kinds: list[list[Copy]] = []
    for copy in ((layout, place) for layout in layouts for place in layout.copies):
        same = next((several for several in kinds if _same(several[0], copy)), None)
        if same is None:
            kinds.append([copy])
        else:
            same.append(copy)
    return kinds


def _same(one: Copy, other: Copy) -> bool:
    values = [layout.entry.high[:, place] for layout, place in (one, other)]
    scale = float(values[0].abs().max())
    return values[0].shape == values[1].shape and torch.allclose(*values, rtol=1e-3, atol=1e-5 * scale)


def _side_by_effect(forwards: Forwards, copy: tuple[Layout, slice], logits: list[Map]) -> int | None:
    """The one channel of the logits that a prototype feeds; None where it feeds both, or none."""
    layout, place = copy

    def other(merged: Tensor) -> Tensor:
        merged = merged.clone()
        merged[:, place] = 2 * merged[:, place] + merged[:, place].abs().mean()
        return merged

    changed = trace(forwards, "changes one prototype", only=logits, alter={layout.entry.key: other})
    by_key = {(seen.key, seen.shape): seen for seen in (*changed.inputs, *changed.outputs)}
    fed = torch.zeros(2, dtype=torch.bool)
    for seen in logits:
        again = by_key.get((seen.key, seen.shape))
        if again is not None:
            fed |= ((seen.print - again.print).abs() > 4 * seen.noise).any(0).cpu()
    return int(fed[1]) if int(fed.sum()) == 1 else None


def _sides_by_pixels(
    forwards: Forwards, kinds: list[list[Copy]], roles: Roles, support_masks: list[int], unsure: list[str]
) -> list[int]:
    """0 for what follows the pixels outside the support's masks rather than those inside; 1 for all else."""
    names = ", ".join(dict.fromkeys(layout.entry.name for several in kinds for layout, _ in several))
    inside, outside = (_half_changed(forwards, roles, support_masks, value) for value in (1, 0))
    if not inside:
        unsure.append(f"{names}: different prototypes, all taken for the foreground's; no mask of the support tells")
        return [1] * len(kinds)
    shares: list[float] = []
    entries = [several[0][0].entry for several in kinds]
    traces = [trace(forwards, "changes the support's object", changes, only=entries) for changes in (inside, outside)]
    for several in kinds:
        layout, place = several[0]
        gaps = [float((_of(one, layout.entry).print - layout.entry.print)[:, place].abs().mean()) for one in traces]
        shares.append(gaps[0] / max(sum(gaps), 1e-12))
    middle = (max(shares) + min(shares)) / 2
    several = max(shares) - min(shares) > SHARE and min(shares) < 0.5
    if not several:
        unsure.append(f"{names}: different prototypes, all of which follow the support's object")
    return [int(share > middle or not several) for share in shares]


def _of(changed: Trace, one: Map) -> Map:
    return next(other for other in changed.inputs if other.key == one.key)


def _half_changed(forwards: Forwards, roles: Roles, support_masks: list[int], value: int) -> dict[int, Tensor]:
    """Noise where the support's masks are 1, or where they are 0; nothing where no mask fits an image."""
    changes: dict[int, Tensor] = {}
    for group in roles.support:
        for place in forwards.images[group]:
            image = forwards.leaves[place].value
            mask = _mask_for(forwards, place, support_masks)
            if mask is not None:
                changes[place] = torch.where(mask == value, other_image(image), image)
    return changes


def _mask_for(forwards: Forwards, place: int, support_masks: list[int]) -> Tensor | None:
    """The mask that lies in its argument where the image lies in its own, in the image's shape."""
    image = forwards.leaves[place]
    shape = (*image.value.shape[:-3], 1, *image.value.shape[-2:])
    for other in support_masks:
        leaf = forwards.leaves[other]
        if leaf.path[1:] == image.path[1:] and leaf.value.numel() * 3 == image.value.numel():
            return leaf.value.reshape(shape)
    return None
