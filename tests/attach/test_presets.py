"""The table of hosts: names, refusals, and warnings for what is experimental."""

import warnings

import pytest

from selfcontrast import CosineHost, InputError
from selfcontrast.attach.host import Call
from selfcontrast.attach.presets import PRESETS, REFUSED, find_host

EXPERIMENTAL = {"cyctr", "sccan", "hdmnet"}


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
    calls = [host.features, host.high_level]
    if not isinstance(host, CosineHost):
        calls += [one.call for one in (*host.entries, *host.exits, *host.doubled)]
    assert all(isinstance(Call.parse(call), Call) for call in calls)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_gives_its_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be attached to: it|{name} cannot be attached to: a") as error:
        find_host(name)
    assert REFUSED[name] in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"host: expected one of pfenet, hpa.*got 'pfnet'; pass a Host\(\.\.\.\)"):
        find_host("pfnet")


def test_a_host_of_the_users_is_taken_as_it_is() -> None:
    host = CosineHost("encoder", "encoder", 0)
    assert find_host(host) is host
