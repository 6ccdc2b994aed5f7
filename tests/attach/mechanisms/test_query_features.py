"""Which features a mechanism reads off a host, and what it refuses to read."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import CosineHost, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.hooks import Hooks
from selfcontrast.attach.host import Call
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, check_rows, pick_item

MAP = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).float()


@pytest.mark.parametrize(
    ("text", "output"), [("m[0]", [MAP]), ("m['3']", {"3": MAP}), ("m[1][0]", (1, [MAP])), ("m", MAP)]
)
def test_the_named_item_is_picked(text: str, output: object) -> None:
    assert pick_item(output, Call.parse(text), "features") is MAP


@pytest.mark.parametrize(("text", "output"), [("m[2]", [MAP]), ("m['x']", {"3": MAP}), ("m", [MAP]), ("m[0]", None)])
def test_an_item_that_is_no_tensor_is_refused(text: str, output: object) -> None:
    with pytest.raises(InputError, match=r"host\.features: expected a tensor at m"):
        pick_item(output, Call.parse(text), "features")


def test_rows_are_asserted() -> None:
    check_rows("cls", MAP, (1, 2))
    with pytest.raises(InputError, match="host cls: expected a call with 1 or 4 rows, got 2"):
        check_rows("cls", MAP, (1, 4))


HOST = Host("features", "high_level", (Entry("entry", features="other"),), (Exit("exit"),))
JOINT = CosineHost("features", "high_level", 0, None)


def query(host: Host | CosineHost = HOST, **given: Tensor) -> QueryFeatures:
    """One for two queries, after a forward in which modules of these names gave these tensors."""
    found = QueryFeatures(SelfContrastiveAuxiliary(num_prototypes=2), torch.zeros(2, 8, 8, dtype=torch.long), host)
    model = nn.ModuleDict({name: nn.Identity() for name in ("features", "high_level", "other")})
    hooks = Hooks(model)
    found.watch(hooks)
    for name, tensor in given.items():
        model[name](tensor)
    hooks.remove()
    return found


def test_of_a_joint_pass_the_querys_rows_come_last() -> None:
    images = torch.randn(6, 3, 4, 4)
    found = query(JOINT, features=images, high_level=images)
    assert torch.equal(found.features["features"], images[4:])
    assert found.prepared.prototype_map.shape == (2, 3, 4, 4)


def test_tokens_are_read_as_a_grid() -> None:
    tokens = torch.randn(2, 1 + 16, 3)
    host = replace(HOST, channels_last=("features",))
    found = query(host, features=tokens, high_level=torch.randn(2, 5, 2, 2))
    assert torch.equal(found.features["features"][:, :, 0, 1], tokens[:, 2])
    assert found.map_of().shape == (2, 3, 4, 4)


def test_other_features_have_a_map_of_their_own_under_the_same_regions() -> None:
    images = torch.randn(2, 3, 4, 4)
    found = query(features=images, high_level=torch.randn(2, 5, 4, 4), other=torch.cat([images, -images], 1))
    assert torch.equal(found.map_of("features"), found.prepared.prototype_map)
    # Without a foreground nothing is drawn, so each half is the map itself, or its opposite.
    torch.testing.assert_close(found.map_of("other"), torch.cat([found.map_of(), -found.map_of()], 1))
    assert found.map_of("other") is found.map_of("other")


def test_the_foreground_of_another_scale_holds_the_region_that_was_drawn_for_the_first() -> None:
    mask = torch.zeros(6, 8, 8, dtype=torch.long)
    mask[:, 2:6, 2:6] = 1
    found = QueryFeatures(SelfContrastiveAuxiliary(num_prototypes=3), mask, HOST)
    model = nn.ModuleDict({name: nn.Identity() for name in ("features", "high_level", "other")})
    found.watch(hooks := Hooks(model))
    images = torch.randn(6, 3, 8, 8)
    model["features"](images)
    model["high_level"](torch.randn(6, 5, 8, 8))
    model["other"](-images)
    hooks.remove()
    drawn = (found.map_of()[:, None, :, 3, 3] - found.prepared.prototypes).abs().sum(2).argmin(1)
    assert len(drawn.unique()) > 1
    torch.testing.assert_close(found.map_of("other"), -found.map_of())


def test_a_background_entry_holds_the_first_foreground_prototype() -> None:
    behind = Entry("behind", holds="background")
    host = replace(HOST, entries=(Entry("entry"), behind))
    found = query(host, features=torch.randn(2, 3, 4, 4), high_level=torch.randn(2, 5, 4, 4))
    merged = torch.randn(2, 6, 4, 4)
    with pytest.raises(InputError, match="entry behind: expected an entry that holds the foreground's prototype"):
        found.counterpart(behind, merged)
    noted = torch.randn(2, 6, 4, 4)
    found.note(host.entries[0], "entry", noted)
    found.note(host.entries[0], "entry", merged)
    found.note(behind, "behind", merged)
    assert torch.equal(found.counterpart(behind, merged), torch.cat([merged[:, :3], noted[:, 3:]], 1))


def test_the_prior_of_the_hosts_own_forward_is_countered_call_by_call() -> None:
    entry = Entry("entry", None, prior="0:1")
    found = QueryFeatures(SelfContrastiveAuxiliary(prior="complement"), torch.zeros(1, 8, 8, dtype=torch.long), HOST)
    model = nn.ModuleDict({name: nn.Identity() for name in ("features", "high_level", "other")})
    found.watch(hooks := Hooks(model))
    model["features"](torch.randn(1, 3, 4, 4))
    model["high_level"](torch.randn(1, 3, 4, 4))
    hooks.remove()
    for value in (0.25, 0.5):
        found.note(entry, "entry", torch.full((1, 1, 4, 4), value))
    for turn, expected in ((0, 0.75), (1, 0.5), (2, 0.0)):
        changed = found.counterpart(entry, torch.ones(1, 1, 4, 4), "entry", turn)
        assert float(changed.mean()) == expected


@pytest.mark.parametrize("missing", ["features", "high_level"])
def test_a_map_asked_for_too_early_names_what_is_missing(missing: str) -> None:
    found = query(**{"high_level" if missing == "features" else "features": torch.randn(2, 3, 4, 4)})
    with pytest.raises(InputError, match=rf"host\.{missing}: expected a call that comes before the comparison starts"):
        _ = found.prepared


def test_the_map_is_made_once() -> None:
    found = query(features=torch.randn(2, 3, 4, 4), high_level=torch.randn(2, 5, 2, 2))
    assert found.prepared is found.prepared
