"""Where the task enters each published model: names and channels from the published code, tried on that code."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Literal

from selfcontrast.attach.host import CosineHost, Host
from selfcontrast.attach.presets.attention_family import ATTENTION_FAMILY
from selfcontrast.attach.presets.attention_followers import ATTENTION_FOLLOWERS
from selfcontrast.attach.presets.canet_family import CANET_FAMILY
from selfcontrast.attach.presets.cosine_family import COSINE_FAMILY
from selfcontrast.attach.presets.cosine_followers import COSINE_FOLLOWERS
from selfcontrast.attach.presets.pfenet_family import PFENET_FAMILY
from selfcontrast.attach.presets.pfenet_followers import PFENET_FOLLOWERS
from selfcontrast.attach.presets.refused import REFUSED
from selfcontrast.attach.presets.two_branches import TWO_BRANCHES
from selfcontrast.errors import InputError, require

Preset = Literal[
    "pfenet",
    "hpa",
    "bam",
    "scl",
    "asgnet_pyramid",
    "asgnet_aspp",
    "mianet",
    "msanet",
    "pfenet2plus",
    "qgnet",
    "dcp",
    "r2net",
    "ntrenet",
    "canet",
    "pmms",
    "rpmms",
    "sgone",
    "panet",
    "ppnet",
    "mlc",
    "ssp",
    "ifa",
    "qnet",
    "rpt",
    "alpnet",
    "cyctr",
    "sccan",
    "hdmnet",
    "ipmt",
    "aenet_hdmnet",
    "aenet_sccan",
    "aenet_cyctr",
]
ASK = "ask selfcontrast.probe(model, *batch)"

PRESETS: dict[str, Host | CosineHost] = {
    **PFENET_FAMILY,
    **PFENET_FOLLOWERS,
    **TWO_BRANCHES,
    **CANET_FAMILY,
    **COSINE_FAMILY,
    **COSINE_FOLLOWERS,
    **ATTENTION_FAMILY,
    **ATTENTION_FOLLOWERS,
}


def find_host(host: str | Host | CosineHost) -> Host | CosineHost:
    """The host of a preset's name, or the host itself.

    Raises:
        InputError: on a name that has no preset, with the reason or the nearest names where there are such.

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
    near = " or ".join(map(repr, _nearest_names(host.lower())))
    require(
        host in PRESETS,
        "host",
        f"one of {', '.join(PRESETS)}",
        repr(host),
        f"{f'did you mean {near}? Else ' if near else ''}pass a Host(...): {ASK}",
    )
    found = PRESETS[host]
    if found.experimental is not None:
        warnings.warn(f"{host} is experimental: {found.experimental}", stacklevel=3)
    return found


def _nearest_names(name: str) -> list[str]:
    names = [*PRESETS, *REFUSED]
    if name in names:
        return [name]
    begun = [one for one in names if one.startswith(name)]
    # A model that is refused is no good suggestion where another is as near.
    return begun or get_close_matches(name, PRESETS, 2) or get_close_matches(name, REFUSED, 2)


@contextmanager
def naming_preset(preset: str | None) -> Generator[None]:
    """A context whose errors about the host name the preset that it came from."""
    try:
        yield
    except InputError as error:
        name_preset(error, preset)
        raise


def name_preset(error: BaseException | None, preset: str | None) -> None:
    """Put a preset's name into an error about the host, and who finds another host; None where it is no preset's.

    >>> error = InputError("host: expected a module 'cls_meta' in the model, got none in PFENet; check its name")
    >>> name_preset(error, "bam")
    >>> print(error)  # doctest: +NORMALIZE_WHITESPACE
    host: preset "bam" expected a module 'cls_meta' in the model, got none in PFENet; check its name, or ask
    selfcontrast.probe(model, *batch)
    """
    if preset is None or not isinstance(error, InputError):
        return
    argument, _, rest = str(error).partition(": ")
    if argument.startswith(("host", "entry", "compare")) and rest.startswith("expected"):
        ask = "" if ASK in rest else f", or {ASK}"
        error.args = (f'{argument}: preset "{preset}" {rest}{ask}',)
