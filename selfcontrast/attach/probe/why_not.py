"""Why a model has nothing to attach to, or nothing that could be found, and what to do next."""

from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.cosine import heard_anyhow
from selfcontrast.attach.probe.maps import Trace
from selfcontrast.errors import InputError

BY_HAND = "write a Host(...) or CosineHost(...) by hand, see docs/attach.md"


def refusal(forwards: Forwards, base: Trace) -> InputError:
    """The reason, from what the forwards showed."""
    unused = [group for group in forwards.images if not _leads_anywhere(base, group)]
    if unused:
        return InputError(
            f"model: expected an output that follows the images of query and support, got none that follows "
            f"{' or '.join(unused)}: this training forward does not compare with the support, so there is nothing to "
            "attach to"
        )
    if base.deep:
        return _dense(f"{base.deep} takes tensors with the pixels of both")
    heard = heard_anyhow(forwards, base)
    if heard.dense:
        return _dense(
            f"{heard.dense[0]} compares each pixel of the query with each of the support",
            "; if that is a prior alone, and a prototype is set beside features somewhere, write a Host(...) by hand",
        )
    if base.unhooked:
        names = ", ".join(sorted(base.unhooked)[:3])
        return InputError(
            f"model: expected modules called as module(...), got {names} and others called by .forward(...), which "
            f"hooks do not see; call them as modules where features meet the prototype, or {BY_HAND}"
        )
    if heard.prototypes:
        return InputError(
            "model: expected an output of two classes (B, 2, H, W) that is read off the query's similarities with "
            f"prototypes, got none, although {', '.join(heard.calls)} is compared at places "
            f"{', '.join(map(str, heard.places))}; return the logits, or write a CosineHost(...) with output=None"
        )
    return InputError(
        "model: expected a module whose input holds features of the query beside a prototype that is constant over "
        "space, or a similarity of such features with a prototype that an output of two classes (B, 2, H, W) is read "
        f"off, got neither; return the logits, or {BY_HAND}"
    )


def _dense(what: str, unless: str = "") -> InputError:
    return InputError(
        "model: expected a prototype that the query is compared with, got a dense correlation of query and support: "
        f"{what}; it has no prototype whose place the map could take, so there is nothing to attach to{unless}"
    )


def _leads_anywhere(base: Trace, group: str) -> bool:
    return bool(base.follows[group])
