"""How a host is written: calls, channel ranges, and modules by name."""

import pytest
import torch
from torch import nn

from selfcontrast import InputError
from selfcontrast.attach.host import Call, channel_range, matching


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("layer4", ("layer4", None, ())),
        ("layer4#0", ("layer4", 0, ())),
        ("layer4#-1", ("layer4", -1, ())),
        ("init_merge.*", ("init_merge.*", None, ())),
        ("model_res#12[2]", ("model_res", 12, (2,))),
        ("backbone['3']", ("backbone", None, ("3",))),
        ('backbone["3"][0]', ("backbone", None, ("3", 0))),
        ("", ("", None, ())),
        ("[0]", ("", None, (0,))),
    ],
)
def test_a_call_is_a_module_a_turn_and_items(text: str, call: tuple[object, ...]) -> None:
    assert tuple(Call.parse(text)) == call


@pytest.mark.parametrize("text", ["layer4#", "layer4#-2", "layer4#one", "layer4[", "layer4#1#2", "layer4[]", "a[0]b"])
def test_what_is_no_call_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="host: expected a call such as layer4"):
        Call.parse(text)


@pytest.mark.parametrize("text", ["layer4[name]", "layer4[1.5]"])
def test_an_item_is_a_number_or_quoted(text: str) -> None:
    with pytest.raises(InputError, match="host: expected a call such as layer4"):
        Call.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C:2C", (8, 16)),
        ("2C:", (16, 17)),
        (":C", (0, 8)),
        (":", (0, 17)),
        ("3:5", (3, 5)),
        ("10C:12C", (80, 96)),
        ("C+3:C+5", (11, 13)),
    ],
)
def test_channels_are_numbers_or_multiples_of_c(text: str, expected: tuple[int, int]) -> None:
    found = channel_range(text, 8, 17)
    assert (found.start, found.stop) == expected


@pytest.mark.parametrize("text", ["", "C", "2C-3C", "C:2D", "-1:", "C2:", "0.5C:", "C+:2C", "2+3:"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"channels: expected a range such as C:2C or 256:512"):
        channel_range(text, 8, 17)


def test_a_star_stands_for_an_index_alone() -> None:
    model = nn.ModuleDict({"merge": nn.ModuleList(nn.Sequential(nn.ReLU()) for _ in range(11)), "mergex": nn.ReLU()})
    assert list(matching(model, "merge.*")) == [f"merge.{index}" for index in range(11)]
    assert list(matching(model, "merge.*.0"))[-1] == "merge.10.0"
    assert list(matching(model, "merge")) == ["merge"]
    # A dot is a dot.
    with pytest.raises(InputError, match=r"a module 'merge\?0' in the model, got none in ModuleDict"):
        matching(model, "merge?0")


def test_a_module_under_two_names_is_found_under_both() -> None:
    shared = nn.ReLU()
    model = nn.ModuleDict({"one": shared, "two": shared})
    assert matching(model, "one")["one"] is matching(model, "two")["two"]
    assert list(matching(model, "")) == [""]
    assert torch.equal(matching(model, "")[""]["one"](torch.tensor(-1.0)), torch.tensor(0.0))
