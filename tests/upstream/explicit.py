"""The self-contrastive logits of published models by hand: a second forward with the map where the prototype stood.

Nothing of `selfcontrast` is used here: where each model takes its prototype is written down again, in plain numbers.

Axes: B images, C channels of the features, h x w their grid.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from published import Published
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

CounterPrior = Callable[[Tensor], Tensor]


class Change(NamedTuple):
    """What one tensor of a model holds in the second forward: the map, a counter-prior, or nothing.

    "foreground" is what the map has displaced before in this forward: the foreground's prototype.
    """

    module: str
    content: Literal["map", "foreground", "prior", "zeros"]
    start: int = 0
    stop: int | None = None
    argument: int = 0
    output: int | None = None
    certain: float = 1.0
    """The value that stands for a certain object in this prior."""


SCALES = range(4)
CHANGES: dict[str, list[Change]] = {
    "pfenet": [
        *(Change(f"init_merge.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 512, 513) for i in SCALES),
    ],
    "hpa": [Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 512, 513)],
    "bam": [Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 512, 513)],
    "scl": [
        *(Change(f"init_merge.{i}", "map", 256, 768) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 768, 769) for i in SCALES),
    ],
    "asgnet_pyramid": [
        *(Change(f"corr_conv.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"corr_conv.{i}", "prior", 512, 513) for i in SCALES),
    ],
    "asgnet_aspp": [Change("corr_conv", "map", 256, 512), Change("corr_conv", "prior", 512, 513)],
    "mianet": [
        *(Change(f"init_merge.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 512, 513) for i in SCALES),
    ],
    "msanet": [Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 576, 577)],
    "pfenet2plus": [
        *(Change(f"init_merge.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 512, 518) for i in SCALES),
    ],
    "qgnet": [
        *(Change(f"init_merge.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 512, 513) for i in SCALES),
    ],
    "svf_bam": [Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 512, 513)],
    "svf_pfenet": [
        *(Change(f"init_merge.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge.{i}", "prior", 512, 513) for i in SCALES),
    ],
    # A prior and three similarities; in the background's entry three similarities with parts of the background.
    "dcp": [
        *(Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 512, 516)),
        *(Change("init_merge_bg", "foreground", 256, 512), Change("init_merge_bg", "prior", 512, 515)),
    ],
    "r2net": [
        *(Change("init_merge", "map", 256, 512), Change("init_merge", "prior", 512, 513)),
        Change("init_merge_bg", "foreground", 256, 512),
    ],
    "ntrenet": [
        *(Change(f"init_merge2.{i}", "map", 256, 512) for i in SCALES),
        *(Change(f"init_merge2.{i}", "prior", 512, 513) for i in SCALES),
    ],
    "canet": [Change("layer55", "map", 256, 512), Change("", "zeros", argument=3)],
    "pmms": [Change("layer55", "map", 256, 512), Change("PMMs", "prior", output=1)],
    "rpmms": [Change("layer55", "map", 256, 512), Change("layer56", "prior", 256, 258)],
    "sgone": [Change("cos_similarity_func", "map", argument=1)],
    "cyctr": [Change("qry_merge_feat", "map", 256, 512), Change("qry_merge_feat", "prior", 512, 513)],
    "sccan": [Change("init_merge_query", "map", 256, 512), Change("init_merge_query", "prior", 512, 513)],
    "hdmnet": [
        Change("query_merge", "map", 256, 512),
        Change("query_merge", "prior", 512, 514, certain=10.0),
        Change("transformer", "prior", argument=3),
    ],
    "ipmt": [Change("qry_merge_feat", "map", 384, 768), Change("qry_merge_feat", "prior", 768, 769)],
    "aenet_hdmnet": [
        Change("query_merge", "map", 256, 512),
        Change("query_merge", "prior", 512, 514, certain=10.0),
        Change("transformer", "prior", argument=3),
    ],
    "aenet_sccan": [Change("init_merge_query", "map", 256, 512), Change("init_merge_query", "prior", 512, 514)],
    "aenet_cyctr": [Change("init_merge_query", "map", 384, 768), Change("init_merge_query", "prior", 768, 770)],
}

SCALE_EXITS = [("cls", -1), *((f"inner_cls.{i}", -1) for i in SCALES)]
EXITS: dict[str, list[tuple[str, int]]] = {
    "pfenet": SCALE_EXITS,
    "scl": SCALE_EXITS,
    "asgnet_pyramid": SCALE_EXITS,
    "mianet": SCALE_EXITS,
    "pfenet2plus": SCALE_EXITS,
    "qgnet": SCALE_EXITS,
    "svf_pfenet": SCALE_EXITS,
    "hpa": [("cls", 0)],
    "bam": [("cls_meta", 0)],
    "msanet": [("cls_meta", 0)],
    "svf_bam": [("cls_meta", 0)],
    "asgnet_aspp": [("cls", 0), ("cls_aux", 0)],
    "dcp": [("criterion", 0)],
    "r2net": [("criterion", 0)],
    "ntrenet": [("cls", 0), *((f"{name}.{i}", 0) for name in ("inner_cls", "inital_inner_cls") for i in SCALES)],
    "canet": [("layer9", 0)],
    "pmms": [("layer9", 0)],
    "rpmms": [("layer9", 0), ("layer9", 1), ("layer9", 2)],
    "sgone": [("exit_layer", 0)],
    "cyctr": [("cls", 0)],
    "sccan": [("cls_meta", 0)],
    "hdmnet": [("transformer", 0)],
    "ipmt": [("cls", 0), ("ini_cls", 0)],
    "aenet_hdmnet": [("transformer", 0)],
    "aenet_sccan": [("cls_meta", 0)],
    "aenet_cyctr": [("cls_meta", 0)],
}
"""The modules whose outputs are two-class logits of the query, and which of their calls; -1 is the last.

A criterion is given them.
"""


def second_forward(
    published: Published, prototype_map: Tensor, counter_prior: CounterPrior
) -> tuple[Any, list[Tensor]]:
    """The model's output, and its exits' logits: a map in the prototype's place, counter-priors in the priors'."""
    model, exits = published.model, EXITS[published.name]
    seen: dict[str, list[Tensor]] = {name: [] for name, _ in exits}
    displaced: list[Tensor] = []
    handles = [_change(model, change, prototype_map, counter_prior, displaced) for change in CHANGES[published.name]]
    handles += [_note(model, name, seen[name]) for name in seen]
    try:
        output = model(*published.arguments, **published.keywords)
    finally:
        for handle in handles:
            handle.remove()
    return output, [seen[name][turn] for name, turn in exits]


def _change(
    model: nn.Module, change: Change, prototype_map: Tensor, counter_prior: CounterPrior, displaced: list[Tensor]
) -> RemovableHandle:
    def changed(tensor: Tensor) -> Tensor:
        return _changed(tensor, change, prototype_map, counter_prior, displaced)

    def before(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(changed(item) if place == change.argument else item for place, item in enumerate(arguments))

    def after(_: nn.Module, __: tuple[Any, ...], output: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(changed(item) if place == change.output else item for place, item in enumerate(output))

    module = model.get_submodule(change.module)
    return module.register_forward_pre_hook(before) if change.output is None else module.register_forward_hook(after)


def _changed(
    tensor: Tensor, change: Change, prototype_map: Tensor, counter_prior: CounterPrior, displaced: list[Tensor]
) -> Tensor:
    if tensor.shape[2:] == (1, 1):
        # SG-One's prototype: its similarity takes a map as well.
        return prototype_map
    part = tensor[:, change.start : change.stop]
    if change.content == "map":
        displaced.append(part)
        resized = F.interpolate(prototype_map, part.shape[2:], mode="nearest-exact")
        part = torch.cat([resized] * (part.shape[1] // resized.shape[1]), 1)
    elif change.content == "foreground":
        part = displaced[0]
    elif change.content == "prior":
        part = change.certain * counter_prior(part / change.certain)
    else:
        part = torch.zeros_like(part)
    whole = tensor.clone()
    whole[:, change.start : change.stop] = part
    return whole


def _note(model: nn.Module, name: str, outputs: list[Tensor]) -> RemovableHandle:
    def note(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        # HDMNet's transformer returns its attention maps beside the logits.
        outputs.append(output if isinstance(output, Tensor) else output[0])

    def note_given(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        outputs.append(arguments[0])

    module = model.get_submodule(name)
    return module.register_forward_pre_hook(note_given) if name == "criterion" else module.register_forward_hook(note)
