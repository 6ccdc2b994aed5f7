"""Which features a mechanism reads off a host, and what it refuses to read."""

import pytest
import torch
from torch import Tensor, nn

from selfcontrast import InputError, SelfContrastiveAuxiliary
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


def query(joint: bool, **given: Tensor) -> QueryFeatures:
    """One for two queries, after a forward in which modules of these names gave these tensors."""
    found = QueryFeatures(SelfContrastiveAuxiliary(num_prototypes=2), torch.zeros(2, 8, 8, dtype=torch.long))
    model = nn.ModuleDict({name: nn.Identity() for name in ("features", "high_level")})
    hooks = Hooks(model)
    found.watch(hooks, joint=joint, features="features", high_level="high_level")
    for name, tensor in given.items():
        model[name](tensor)
    hooks.remove()
    return found


def test_of_a_joint_pass_the_querys_rows_come_last() -> None:
    images = torch.randn(6, 3, 4, 4)
    found = query(True, features=images, high_level=images)
    assert [found.rows_of(images[row : row + 1]) for row in range(6)] == [[]] * 4 + [[0], [1]]
    assert found.rows_of(images[4:]) == [0, 1] and found.rows_of(images[3:5]) == []
    # A view of the query lies in its memory, a copy does not.
    assert found.rows_of(images[4:].view(1, 2, 3, 4, 4)[:, 1]) == [1] and found.rows_of(images[4:].clone()) == []
    assert found.prepared.prototype_map.shape == (2, 3, 4, 4)


def test_rows_of_several_queries_an_episode_are_told_apart() -> None:
    images = torch.randn(8, 3, 4, 4)
    found = QueryFeatures(SelfContrastiveAuxiliary(), torch.zeros(4, 8, 8, dtype=torch.long))
    hooks = Hooks(model := nn.Sequential(nn.Identity()))
    found.watch(hooks, joint=True, features="0", high_level="0")
    model(images)
    episodes = images[4:].view(2, 2, 3, 4, 4)
    assert [found.rows_of(episodes[:, episode]) for episode in range(2)] == [[0, 2], [1, 3]]


def test_before_any_features_nothing_is_a_query() -> None:
    assert query(True).rows_of(torch.zeros(1, 1)) == []


@pytest.mark.parametrize("missing", ["features", "high_level"])
def test_a_map_asked_for_too_early_names_what_is_missing(missing: str) -> None:
    found = query(False, **{"high_level" if missing == "features" else "features": torch.randn(2, 3, 4, 4)})
    with pytest.raises(InputError, match=rf"host\.{missing}: expected a call that comes before the comparison starts"):
        _ = found.prepared


def test_the_map_is_made_once() -> None:
    found = query(False, features=torch.randn(2, 3, 4, 4), high_level=torch.randn(2, 5, 2, 2))
    assert found.prepared is found.prepared
