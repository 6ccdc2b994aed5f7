"""What the plug-in must know of a model that somebody else wrote: a host is data, never code."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import nn

from selfcontrast.attach.direct_calls import DIRECT
from selfcontrast.errors import require

_CALL = re.compile(r"(?P<module>[^#\[]*)(#(?P<call>-1|\d+))?(?P<items>(\[(\d+|'[^']*'|\"[^\"]*\")\])*)")
_CHANNELS = re.compile(r"(?P<start>\d*C\+\d+|\d*C?):(?P<stop>\d*C\+\d+|\d*C?)")


class Call(NamedTuple):
    """One call of a module in a forward, and which item of its output: `model_res#1[2]` is item 2 of the second call.

    Without `#k` it is the first call for what is read, and every call for what is entered; `#-1` reads the last one.

    >>> Call.parse("model_res#1[2]")
    Call(module='model_res', turn=1, items=(2,))
    >>> Call.parse("backbone['3']")
    Call(module='backbone', turn=None, items=('3',))
    """

    module: str
    turn: int | None
    items: tuple[int | str, ...]

    @classmethod
    def parse(cls, text: str) -> "Call":
        match = _CALL.fullmatch(text)
        require(
            match is not None, "host", "a call such as layer4, layer4#1 or layer4#1[0]", repr(text), "mend its text"
        )
        assert match is not None
        items = (item.strip("'\"") if item[0] in "'\"" else int(item) for item in re.findall(r"\[([^\]]+)\]", text))
        turn = match["call"]
        return cls(match["module"], None if turn is None else int(turn), tuple(items))


def channel_range(text: str, channels: int, total: int) -> slice:
    """Channels written in numbers or in multiples of C, the channels of the features, and a number more.

    >>> channel_range("C:2C", 64, 129), channel_range("2C:", 64, 129), channel_range("0:256", 64, 512)
    (slice(64, 128, None), slice(128, 129, None), slice(0, 256, None))
    >>> channel_range("2C+64:2C+65", 64, 257)
    slice(192, 193, None)
    """
    match = _CHANNELS.fullmatch(text)
    require(match is not None, "channels", "a range such as C:2C or 256:512", repr(text), "mend its text")
    assert match is not None

    def number(end: str, default: int) -> int:
        if not end:
            return default
        multiple, marked, more = end.partition("C")
        return int(multiple or 1) * channels + int(more or 0) if marked else int(multiple)

    return slice(number(match["start"], 0), number(match["stop"], total))


def channels_text(place: slice, channels: int, total: int) -> str:
    """A range of channels in multiples of C where it is one, else in numbers.

    >>> channels_text(slice(64, 128), 64, 129), channels_text(slice(128, 129), 64, 129)
    ('C:2C', '2C:')
    """

    def end(value: int) -> str:
        return ("C" if value == channels else f"{value // channels}C") if value % channels == 0 else str(value)

    start = end(place.start) if place.start else ""
    stop = end(place.stop) if place.stop != total else ""
    return f"{start}:{stop}"


@dataclass(frozen=True)
class Entry:
    """A module that starts the comparison, and what its input holds.

    Attributes:
        call: the module, `*` for each index of a list of them; without `#k` each of its calls is entered.
        prototype: channels that hold the expanded prototype, once or several times; None where only a prior enters.
        prior: channels that hold prior masks, made for the support's object; they follow the option `prior`.
        prior_scale: the value that stands for a certain object there.
        argument: which of the module's positional arguments.
        holds: whose prototype stands there. In the pass the map takes the place of the foreground's; the background's
            gives way to the foreground's, for the support's background there would contradict the target. For replay.
        features: the call whose output is compared here, where it is not the host's: its map is made of this output.
    """

    call: str
    prototype: str | None = "C:2C"
    prior: str | None = None
    prior_scale: float = 1.0
    argument: int = 0
    holds: Literal["foreground", "background"] = "foreground"
    features: str | None = None


@dataclass(frozen=True)
class Exit:
    """A module that ends the comparison with two-class logits, or that is given them.

    Attributes:
        call: the module, `*` for each index of a list of them, and the item of its output that holds the logits.
        weight: of the mean loss of this exit's logits in the host's own loss; 0 for an exit that has none.
        argument: which of the module's positional arguments holds the logits, as `Exit("criterion#0", argument=0)`
            for heads that are joined after they ran; None is the module's output.
    """

    call: str
    weight: float = 1.0
    argument: int | None = None


@dataclass(frozen=True)
class Doubled:
    """A tensor that enters the comparison beside the entry and must have as many rows as it.

    Attributes:
        call: the module that takes or gives it, and which item of its output it is; "" is the model itself.
        argument: the position of the argument, or None for the module's output.
        fill: what its second half holds: the same again, a prior mask by the option `prior`, or a number.
    """

    call: str
    argument: int | None
    fill: Literal["same", "prior"] | float = "same"


@dataclass(frozen=True)
class Host:
    """A model whose comparison is learned: its first module gets features, an expanded prototype and extras.

    Attributes:
        features: the call whose output is F, after its dropout; `encoder.forward` where the model calls a module as
            `encoder.forward(...)`, which hooks do not meet.
        high_level: the call whose output is F̄, written likewise.
        entries: where the comparison starts.
        exits: where it ends.
        mask: the argument of the model's forward that holds the query's mask, None where none does; then
            `with attachment.episode(mask):` gives it.
        mechanism: "fold", one forward with twice the batch from the comparison on; "replay", for hosts that carry
            batch-sized state of their own through it: a second forward in which all before it is remembered.
        doubled: what else must be twice as long. For fold.
        cut: modules behind the comparison that still get its doubled tensors and must see the first half. For fold.
        criterion: the host's own criterion as a submodule's name, `criterion(logits, mask)`; None is cross-entropy.
        align_corners: how the host resizes logits to the mask.
        channels_last: which of these tensors are (B, N, C) tokens or (B, h, w, C). Tokens before those of the grid,
            such as a class token, are left out; the grid has the proportions of the mask.
        experimental: why results with this host need a second look, if they do.

    >>> Host("down_query", "layer4", (Entry("merge", "C:2C"),), (Exit("head"),), mask="y").mechanism
    'fold'
    """

    features: str
    high_level: str
    entries: tuple[Entry, ...]
    exits: tuple[Exit, ...]
    mask: str | None = None
    mechanism: Literal["fold", "replay"] = "fold"
    doubled: tuple[Doubled, ...] = ()
    cut: tuple[str, ...] = ()
    criterion: str | None = None
    align_corners: bool = True
    channels_last: tuple[Literal["features", "high_level", "entries", "exits"], ...] = ()
    experimental: str | None = None


@dataclass(frozen=True)
class CosineHost:
    """A model whose comparison is a cosine similarity of features and prototype, or a product of normalised ones.

    Attributes:
        features: the call whose output holds F, or one for each scale; where it holds the support's too, the query's
            rows come last.
        high_level: the call whose output is F̄, or that of the features again.
        foreground: of the similarities of one query with prototypes, the place of the foreground one whose result is
            read, counted from 0.
        background: the place of the background one; None where the host has no prototype of the background.
        output: the item of the forward's output that holds the logits of both classes, "" for the output itself; None
            where the host returns others: then the two similarities themselves are the logits.
        output_holds: whether these are logits or probabilities.
        scale: what the host multiplies similarities with to get logits. For `output=None` alone.
        losses_off: what switches the host's own losses off in the second forward: "training", the flag of the model
            alone, or the name of an argument of its forward, given as False; None where they are formed once more.
        mask, align_corners, channels_last, experimental: as those of `Host`.

    >>> CosineHost("encoder", "encoder", foreground=1, background=0, output="[0]").output_holds
    'logits'
    """

    features: str | tuple[str, ...]
    high_level: str
    foreground: int
    background: int | None
    output: str | None = None
    output_holds: Literal["logits", "probabilities"] = "logits"
    scale: float = 1.0
    losses_off: str | None = None
    mask: str | None = None
    align_corners: bool = True
    channels_last: tuple[Literal["features", "high_level"], ...] = ()
    experimental: str | None = None


def feature_calls(host: Host | CosineHost) -> list[str]:
    """The calls that give what is compared, the host's own first.

    >>> feature_calls(CosineHost(("fine", "coarse"), "deep", foreground=0, background=None))
    ['fine', 'coarse']
    """
    if isinstance(host, CosineHost):
        return [host.features] if isinstance(host.features, str) else list(host.features)
    others = [entry.features for entry in host.entries if entry.features is not None]
    return list(dict.fromkeys([host.features, *others]))


def matching(model: nn.Module, pattern: str, argument: str = "host") -> dict[str, nn.Module]:
    """The modules that a name stands for, `*` for each index of a list; `.forward` behind it says how it is called.

    Raises:
        InputError: where the model has none such.

    >>> list(matching(nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU())), "*"))
    ['0', '1']
    """
    pattern = pattern.removesuffix(DIRECT)
    found = {"": model}
    # Part by part, as every step of training asks: to compare with all names of a model takes far longer.
    for part in pattern.split(".") if pattern else []:
        expression = re.compile(re.escape(part).replace(r"\*", r"\d+"))
        children = [(name, *child) for name, parent in found.items() for child in parent._modules.items()]  # pyright: ignore
        fitting = [(f"{name}.{key}".lstrip("."), child) for name, key, child in children if expression.fullmatch(key)]
        found = {name: child for name, child in fitting if child is not None}
    require(
        bool(found),
        argument,
        f"a module {pattern!r} in the model",
        f"none in {type(model).__name__}",
        "use the host that fits this model, or ask selfcontrast.probe(model, *batch)",
    )
    return found
