"""Where each published model is entered: module names and channels, read off the published code and run against it."""

import warnings

from selfcontrast.errors import InputError, require
from selfcontrast.host import CosineHost, Entry, Exit, Host

_SCALES = (Exit("cls"), Exit("inner_cls.*"))
_ATTENTION = "its attention still sees the support, so the comparison is not the prototype's alone"

PRESETS: dict[str, Host | CosineHost] = {
    "pfenet": Host(
        "down_query", "layer4", (Entry("init_merge.*", "C:2C", "2C:"),), _SCALES, mask="y", criterion="criterion"
    ),
    "hpa": Host(
        "down_query", "layer4", (Entry("init_merge", "C:2C", "2C:"),), (Exit("cls"),), mask="y", criterion="criterion"
    ),
    "bam": Host(
        "down_query",
        "layer4",
        (Entry("init_merge", "C:2C", "2C:"),),
        (Exit("cls_meta"),),
        mask="y_m",
        criterion="criterion",
    ),
    "scl": Host(
        "down_query",
        "layer4",
        (Entry("init_merge.*", "C:3C", "3C:"),),
        (Exit("cls#2"), Exit("inner_cls.*#2")),
        mask="y",
        criterion="criterion",
    ),
}

REFUSED = {
    "hsnet": "it correlates all pixels of support and query, and has no prototype whose place the map could take",
    "vat": "it aggregates a dense correlation of support and query and has no prototype whose place the map could take",
    "dcama": "it attends from query pixels to support pixels and has no prototype whose place the map could take",
    "repri": "it trains an ordinary classifier and fits each episode at inference, so training has no comparison",
    "amp": "it trains an ordinary classifier and imprints weights at inference, so training has no comparison",
    "oslsm": "a branch of it regresses a classifier's weights from the support, so there is no prototype to replace",
}


def find_host(host: str | Host | CosineHost) -> Host | CosineHost:
    """The host of a preset's name, or the host itself.

    Raises:
        InputError: on a name that has no preset, with the reason where there is one.

    >>> find_host("pfenet").mask
    'y'
    >>> find_host("hsnet")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    selfcontrast.errors.InputError: hsnet cannot be attached to: it correlates all pixels of support and query, ...
    """
    if not isinstance(host, str):
        return host
    if host in REFUSED:
        raise InputError(f"{host} cannot be attached to: {REFUSED[host]}")
    require(
        host in PRESETS,
        "host",
        f"one of {', '.join(PRESETS)}",
        repr(host),
        "pass a Host(...), which probe(model, ...) finds",
    )
    found = PRESETS[host]
    if found.experimental is not None:
        warnings.warn(f"{host} is experimental: {found.experimental}", stacklevel=3)
    return found
