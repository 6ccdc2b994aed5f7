"""The table of hosts: names, refusals, and warnings for what is experimental."""

import warnings
from typing import get_args

import pytest

from selfcontrast import CosineHost, InputError
from selfcontrast.attach.host import Call
from selfcontrast.attach.presets import PRESETS, REFUSED, Preset, find_host, name_preset, naming_preset

EXPERIMENTAL = {"msanet", "r2net", "ntrenet", "cyctr", "sccan", "hdmnet", "ipmt"}
EXPERIMENTAL |= {"aenet_hdmnet", "aenet_sccan", "aenet_cyctr"}


def test_checkers_and_editors_know_every_preset() -> None:
    assert get_args(Preset) == tuple(PRESETS)


def test_a_name_is_a_preset_or_refused() -> None:
    assert not set(PRESETS) & set(REFUSED)
    assert {name for name, host in PRESETS.items() if host.experimental} == EXPERIMENTAL


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_found_and_parses(name: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        host = find_host(name)
    assert host is PRESETS[name]
    assert bool(heard) == (name in EXPERIMENTAL)
    assert all(f"{name} is experimental" in str(one.message) for one in heard)
    features = (host.features,) if isinstance(host.features, str) else host.features
    calls = [*features, host.high_level]
    if not isinstance(host, CosineHost):
        calls += [one.call for one in (*host.entries, *host.exits, *host.doubled)]
    assert all(isinstance(Call.parse(call), Call) for call in calls)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_gives_its_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be attached to: it|{name} cannot be attached to: a") as error:
        find_host(name)
    assert REFUSED[name] in str(error.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("pfnet", "'pfenet' or 'ppnet'"),
        ("BAM", "'bam'"),
        ("asgnet", "'asgnet_pyramid' or 'asgnet_aspp'"),
        ("HSNet", "'hsnet'"),
    ],
)
def test_an_unknown_name_lists_the_known_ones_and_the_nearest(name: str, nearest: str) -> None:
    ask = r"pass a Host\(\.\.\.\): ask selfcontrast\.probe\(model, \*batch\)"
    with pytest.raises(
        InputError, match=rf"host: expected one of pfenet, hpa.*got '{name}'; did you mean {nearest}"
    ) as it:
        find_host(name)
    assert it.match(ask)
    with pytest.raises(InputError, match=rf"got 'x'; {ask}"):
        find_host("x")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "host: expected a, got b; c",
            'host: preset "bam" expected a, got b; c, or ask selfcontrast.probe(model, *batch)',
        ),
        ("host cls#1: expected a, got b; c", 'host cls#1: preset "bam" expected a, got b; c, or ask'),
        ("entry head: expected a, got b; c", 'entry head: preset "bam" expected a'),
        (
            "compare: expected a, got b; ask selfcontrast.probe(model, *batch)",
            'compare: preset "bam" expected a, got b; ask',
        ),
        ("mask: expected a, got b; c", "mask: expected a, got b; c"),
    ],
)
def test_an_error_about_the_host_names_its_preset_once(before: str, after: str) -> None:
    error = InputError(before)
    for _ in range(2):
        name_preset(error, "bam")
    assert str(error).startswith(after) and str(error).count("probe") <= 1
    other = InputError(before)
    name_preset(other, None)
    assert str(other) == before


def test_another_kind_of_error_passes_unchanged() -> None:
    with pytest.raises(KeyError, match="host: expected"), naming_preset("bam"):
        raise KeyError("host: expected")


def test_a_host_of_the_users_is_taken_as_it_is() -> None:
    host = CosineHost("encoder", "encoder", 0, None)
    assert find_host(host) is host
