"""The tensors that stand where a host says, and which images of the batch each of their channels follows.

Axes: B images, D channels, L leaves of the arguments that are changed one at a time.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from selfcontrast.attach.direct_calls import DIRECT
from selfcontrast.attach.following import fixed_statistics, image_leaves, leaf_names, other_image, with_leaf
from selfcontrast.attach.hooks import Before, Hooks
from selfcontrast.attach.host import Call, CosineHost, Doubled, Entry, Host
from selfcontrast.attach.mechanisms.counterparts import change_argument, change_doubled
from selfcontrast.attach.mechanisms.exchange import Exchange
from selfcontrast.attach.mechanisms.memory import Memory, before_comparison
from selfcontrast.attach.mechanisms.query_features import QueryFeatures
from selfcontrast.attach.mechanisms.replay import compared
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch, seeded
from selfcontrast.attach.verify.second_comparison import listened, second_comparison
from selfcontrast.errors import values_of

# A channel that changes by less, as a share of its largest value, follows nothing: sums may round differently.
ROUNDING = 1e-5


class Place(NamedTuple):
    """A tensor of one forward: the features, an entry's input in one call, and so on, by its name in the host."""

    kind: Literal["features", "high_level", "call", "entry", "doubled", "prototype", "logits"]
    name: str
    turn: int = 0
    entry: Entry | None = None


class Followed(NamedTuple):
    """What stands in each place of a host, (B, D, ...), and what it follows.

    Attributes:
        names: of the L leaves: the images, and behind them the mask if the forward takes it.
        images: how many of them are images.
        tensors: by place.
        follows: (L, D) bool, the channels that change with each leaf.
    """

    names: list[str]
    images: int
    tensors: dict[Place, Tensor]
    follows: dict[Place, Tensor]

    def of(self, place: Place) -> frozenset[int]:
        """The images that some channel follows."""
        return frozenset(values_of(torch.nonzero(self.follows[place][: self.images].any(1))))

    def any_of(self, place: Place, images: frozenset[int]) -> Tensor:
        """(D,) bool: the channels that follow one of these images."""
        return self.follows[place][sorted(images)].any(0)

    def places(self, kind: str) -> list[Place]:
        return [place for place in self.tensors if place.kind == kind]

    def say(self, images: frozenset[int]) -> str:
        """The images' names."""
        return ", ".join(self.names[image] for image in sorted(images)) or "no image"


def follow(attachment: Attached, batch: Batch) -> Followed | str:
    """What follows what, with batch normalisation that lets no image affect another; or why nobody can know."""
    given = batch.arguments, batch.keywords
    images, called = image_leaves(given), leaf_names(attachment.model, batch.arguments, batch.keywords)
    if len(images) < 2:
        what = "support and query come in one tensor" if images else "no argument holds images (..., 3, H, W)"
        return f"{what}, so that none can be changed alone"
    masks = [index for index, name in enumerate(called) if name == attachment.host.mask]
    with fixed_statistics(attachment.model), torch.no_grad():
        try:
            base, memory = _comparison(attachment, batch)
            others = [_comparison(attachment, Batch(*with_leaf(given, image, other_image)))[0] for image in images]
            with memory.again():
                others += [_tensors(attachment, Batch(*with_leaf(given, mask, _other_mask)))[0] for mask in masks]
        except Exception as error:
            return f"the host fails when one image is changed: {type(error).__name__}: {error}"
    follows = {place: torch.stack([_changed(one, other.get(place)) for other in others]) for place, one in base.items()}
    return Followed([called[leaf] for leaf in images + masks], len(images), base, follows)


def _other_mask(mask: Tensor) -> Tensor:
    return torch.where(mask <= 1, 1 - mask.to(torch.int64), mask.to(torch.int64)).to(mask.dtype)


def _changed(one: Tensor, other: Tensor | None) -> Tensor:
    """(D,) bool: the channels in which a tensor differs from another; all if there is no such other."""
    ours = _channels(one)
    if other is None or other.shape != one.shape:
        return torch.ones(len(ours), dtype=torch.bool, device=one.device)
    size = ours.abs().amax(1)
    return ~((ours - _channels(other)).abs().amax(1) <= ROUNDING * size)


def flat(tensor: Tensor) -> Tensor:
    """(D,) bool: the channels of (B, D, s, t) that are the same at all places of each image."""
    pixels = tensor.flatten(2)
    low, high = pixels.amin(2), pixels.amax(2)
    return (high - low <= ROUNDING * torch.maximum(low.abs(), high.abs())).all(0)


def _channels(tensor: Tensor) -> Tensor:
    return tensor.float().transpose(0, 1).flatten(1) if tensor.dim() > 1 else tensor.float()[None]


def _comparison(attachment: Attached, batch: Batch) -> tuple[dict[Place, Tensor], Memory]:
    """The tensors of a forward, and the logits of the exchange in it."""
    found, memory = _tensors(attachment, batch)
    if isinstance(attachment.host, CosineHost):
        return found | _exchange(attachment, attachment.host, batch), memory
    with memory.again():
        logits = second_comparison(attachment, batch)
    return found | {Place("logits", "", turn): one for turn, one in enumerate(logits)}, memory


def _exchange(attachment: Attached, host: CosineHost, batch: Batch) -> dict[Place, Tensor]:
    """The foreground's prototypes in a forward of a cosine host, and the logits with the map in their place."""
    assert attachment.query is not None
    exchange = Exchange(attachment.model, host, attachment.query)
    with listened(attachment.model, exchange, batch) as exchanged:
        exit = exchanged()
    found = {
        Place("prototype", f"the prototype at place {host.foreground} of {call}", rows[0]): one.detach()
        for (call, rows), one in exchange.prototypes.items()
    }
    # The other one holds the foreground's prototype in the background's place, which follows the support.
    logits = exit.logits if host.background is None else exit.logits[:, 1:]
    return found | {Place("logits", ""): logits}


def _tensors(attachment: Attached, batch: Batch) -> tuple[dict[Place, Tensor], Memory]:
    """The tensor in each place of a forward of the host alone, and what it computed before the comparison."""
    model, host, contrast = attachment.model, attachment.host, attachment.contrast
    assert contrast is not None
    query = QueryFeatures(attachment.auxiliary, contrast.target, host)
    hooks, memory, found = Hooks(model), Memory(model), dict[Place, Tensor]()

    def compares() -> None:
        """The comparison starts: what has come so far is what it gets."""
        memory.stop()
        for call, tensor in query.features.items():
            found.setdefault(Place("features", call), tensor.clone())
        if query.high_level is not None:
            found.setdefault(Place("high_level", host.high_level), query.high_level.clone())

    query.watch(hooks)
    for text in dict.fromkeys([*query.feature_calls, host.high_level]):
        _other_calls(text, query, hooks, found)
    arguments, keywords = batch.fresh()
    own, named = list(arguments), dict(keywords)
    if isinstance(host, Host):
        for entry in host.entries:
            hooks.before(Call.parse(entry.call), _entering(attachment, entry, query, found, compares))
        change_doubled(model, host.doubled, _keeping(found), hooks, own, named)
        memory.watch(hooks, before_comparison(model, compared(model, host)), learns=False)
    try:
        seeded(model, lambda: model(*own, **named))
    finally:
        hooks.remove()
    compares()
    return found, memory


def _entering(
    attachment: Attached, entry: Entry, query: QueryFeatures, found: dict[Place, Tensor], compares: Callable[[], None]
) -> Before:
    turns: dict[str, int] = {}

    def enter(name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        compares()
        turn = turns.get(name, 0)
        turns[name] = turn + 1

        def keep(merged: Tensor) -> Tensor:
            found[Place("entry", name, turn, entry)] = query.as_map(merged, "entries").clone()
            return merged

        change_argument(attachment.model.get_submodule(name), entry, keep, arguments, keywords)

    return enter


def _keeping(found: dict[Place, Tensor]) -> Callable[[Tensor, Doubled], Tensor]:
    """Keep what enters beside the entry and is the same in the pass."""

    def keep(tensor: Tensor, doubled: Doubled) -> Tensor:
        if doubled.fill == "same" and tensor.is_floating_point():
            what = "output" if doubled.argument is None else f"argument {doubled.argument}"
            place = Place("doubled", f"{what} of {doubled.call or 'the forward'}")
            found[place._replace(turn=sum(one._replace(turn=0) == place for one in found))] = tensor.clone()
        return tensor

    return keep


def _other_calls(text: str, query: QueryFeatures, hooks: Hooks, found: dict[Place, Tensor]) -> None:
    """Keep what the other calls of a module give, to say which of them was meant."""
    call, calls = Call.parse(text), [0]

    def read(name: str, output: Any) -> None:
        try:
            for item in call.items:
                output = output[item]
        except (LookupError, TypeError):
            return
        if isinstance(output, Tensor) and output.dim() > 2:
            items = "".join(f"[{item!r}]" for item in call.items)
            found[Place("call", f"{name}#{calls[0]}{items}")] = query.rows(output).clone()
        calls[0] += 1

    if not call.module.endswith(DIRECT):
        hooks.after(Call(call.module, None, ()), read, required=False, learns=False)
