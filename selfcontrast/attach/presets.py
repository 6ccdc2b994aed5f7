"""Where the task enters each published model: names and channels from the published code, tried on that code."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Literal

from selfcontrast.attach.host import CosineHost, Doubled, Entry, Exit, Host
from selfcontrast.errors import InputError, require

Preset = Literal[
    "pfenet",
    "hpa",
    "bam",
    "scl",
    "asgnet_pyramid",
    "asgnet_aspp",
    "canet",
    "pmms",
    "rpmms",
    "sgone",
    "panet",
    "ppnet",
    "mlc",
    "ssp",
    "cyctr",
    "sccan",
    "hdmnet",
]
ASK = "ask selfcontrast.probe(model, *batch)"

_SCALES = (Exit("cls"), Exit("inner_cls.*"))
_SUPPORT = "its attention still sees the support, so the prototype map is not all that the query is compared with"

PRESETS: dict[str, Host | CosineHost] = {
    "pfenet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    "hpa": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge", "C:2C", prior="2C:"),),
        exits=(Exit("cls"),),
        mask="y",
        criterion="criterion",
    ),
    # The base learner's ensemble behind cls_meta would turn the meaning of foreground round.
    "bam": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge", "C:2C", prior="2C:"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        criterion="criterion",
    ),
    # Two prototypes, both replaced; the support's own two passes call the same heads before the query's.
    "scl": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("init_merge.*", "C:3C", prior="3C:"),),
        exits=(Exit("cls#2"), Exit("inner_cls.*#2")),
        mask="y",
        criterion="criterion",
    ),
    # Both heads of ASGNet: layer4 is never called.
    "asgnet_pyramid": Host(
        features="down_conv",
        high_level="layer3",
        entries=(Entry("corr_conv.*", "C:2C", prior="2C:"),),
        exits=_SCALES,
        mask="y",
        criterion="criterion",
    ),
    "asgnet_aspp": Host(
        features="down_conv",
        high_level="layer3",
        entries=(Entry("corr_conv", "C:2C", prior="2C:"),),
        exits=(Exit("cls"), Exit("cls_aux")),
        mask="y",
        doubled=(Doubled("decoder", 1),),
        criterion="criterion",
    ),
    # The pass has no history of its own; the host's is given to its forward.
    "canet": Host(
        features="layer5",
        high_level="layer3",
        entries=(Entry("layer55", "C:2C"),),
        exits=(Exit("layer9"),),
        doubled=(Doubled("", 3, fill=0.0),),
    ),
    # Support before query; three prototypes, all replaced; the probability map is a prior of this host.
    "pmms": Host(
        features="layer5#1",
        high_level="model_res#1[2]",
        entries=(Entry("layer55", "C:2C"),),
        exits=(Exit("layer9"),),
        doubled=(Doubled("PMMs[1]", None, fill="prior"),),
        align_corners=False,
    ),
    # Three rounds, whose losses the host adds; the batch size is written into its first pseudo mask.
    "rpmms": Host(
        features="layer5#1",
        high_level="model_res#1[2]",
        entries=(Entry("layer55", "C:2C"), Entry("layer56", None, prior="C:")),
        exits=(Exit("layer9", weight=3.0),),
        mechanism="replay",
        align_corners=False,
    ),
    # Batch size 1; support before query.
    "sgone": Host(
        features="netB#1[0]",
        high_level="netB.features_5#1",
        entries=(Entry("cos_similarity_func", ":", argument=1),),
        exits=(Exit("exit_layer"),),
        mechanism="replay",
        align_corners=False,
    ),
    # Support and query pass the encoder together; per query, similarities with the background, then the foreground.
    "panet": CosineHost("encoder", "encoder", foreground=1, scale=20.0, align_corners=False, output="[0]"),
    "ppnet": CosineHost("encoder[0]", "encoder[0]", foreground=1, scale=20.0, output="[0]"),
    # Support before query, in any number of shots; foreground, then background.
    "mlc": CosineHost("backbone.layer3#-1", "backbone.layer3#-1", foreground=0, scale=10.0, output=""),
    # What is compared first guides the model's own prototypes; the query's mask is an argument.
    "ssp": CosineHost("layer3#-1", "layer3#-1", foreground=0, scale=10.0, mask="mask_q"),
    "cyctr": Host(
        features="adjust_feature_qry",
        high_level="backbone['3']",
        entries=(Entry("qry_merge_feat", "C:2C", prior="2C:"),),
        exits=(Exit("cls"),),
        mask="y",
        doubled=tuple(Doubled("transformer", position) for position in (1, 2, 3, 4)),
        cut=("pred_supp_qry_proj",),
        criterion="criterion",
        experimental=f"{_SUPPORT}; its sampling and dropout draw other numbers for a doubled batch",
    ),
    "sccan": Host(
        features="down_query",
        high_level="backbone['3']",
        entries=(Entry("init_merge_query", "C:2C", prior="2C:"),),
        exits=(Exit("cls_meta"),),
        mask="y_m",
        doubled=(Doubled("transformer", 1), Doubled("transformer", 2)),
        criterion="criterion_dice",
        experimental=_SUPPORT,
    ),
    "hdmnet": Host(
        features="down_query",
        high_level="layer4",
        entries=(Entry("query_merge", "C:2C", prior="2C:", prior_scale=10.0),),
        exits=(Exit("transformer[0]"),),
        mask="y_m",
        doubled=(Doubled("transformer", 1), Doubled("transformer", 2), Doubled("transformer", 3, fill="prior")),
        criterion="criterion",
        experimental=_SUPPORT,
    ),
}

REFUSED = {
    "hsnet": "it correlates all pixels of support and query, and has no prototype whose place the map could take",
    "vat": "it aggregates a dense correlation of support and query and has no prototype whose place the map could take",
    "dcama": "it attends from query pixels to support pixels and has no prototype whose place the map could take",
    "repri": "it trains an ordinary classifier and fits each episode at inference, so training has no comparison",
    "amp": "it trains an ordinary classifier and imprints weights at inference, so training has no comparison",
    "dan": "it attends from query to support pixels in a graph, and has no prototype whose place the map could take",
    "pgnet": "it attends from query to support at many scales, and has no prototype whose place the map could take",
    "oslsm": "a branch of it regresses a classifier's weights from the support, so there is no prototype to replace",
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
    return [one for one in names if one.startswith(name)] or get_close_matches(name, names, 2)


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
