"""probe on comparisons by concatenation whose form is unusual: what it finds, and what it says is left."""

from collections.abc import Callable

import pytest
import torch
from probed_models import (
    WIDTH,
    Merging,
    NearestOfSeveral,
    OneEntry,
    ScaledFeatures,
    SeveralMasks,
    TwoBranches,
    images,
    mask,
    prior_of,
    stretched,
)
from torch import Tensor, nn
from torch.nn import functional as F

from selfcontrast import Entry, Exit, Host, probe

Parts = Callable[[Tensor, Tensor, Tensor], list[Tensor]]


def found(capsys: pytest.CaptureFixture[str], model: nn.Module, *arguments: object) -> tuple[Host, str]:
    host = probe(model.train(), *arguments)
    assert isinstance(host, Host)
    return host, capsys.readouterr().out


def entries(capsys: pytest.CaptureFixture[str], parts: Parts, channels: int) -> tuple[tuple[Entry, ...], str]:
    host, said = found(capsys, Merging(parts, channels), *images())
    return host.entries, said


class IndexedByRow(Merging):
    """Plain code between entry and exit that walks over the rows (IPMT)."""

    def __init__(self) -> None:
        super().__init__(lambda features, prototype, others: [features, prototype], 2 * WIDTH)
        self.merge, self.head = nn.Conv2d(2 * WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, 2, 1)

    def forward(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        merged = self.merge(self.merged(query, support))
        valid = [F.interpolate(y[row][None, None].float(), 8)[0] != 255 for row in range(len(merged))]
        return self.head(merged * torch.stack(valid))


def test_whatever_stops_a_fold_a_second_forward_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    host, said = found(capsys, IndexedByRow(), *images(), mask())
    assert host.mechanism == "replay" and host.entries == (Entry("merge", "C:"),)
    assert "unsure: a fold did not fit, so a second forward is used" in said and "IndexError" in said


def test_channels_of_the_query_alone_are_no_hull(capsys: pytest.CaptureFixture[str]) -> None:
    parts = lambda f, p, _: [torch.sigmoid(f.mean(1, True)), f, p, prior_of(f, p), torch.sigmoid(f[:, :2])]  # noqa: E731
    assert entries(capsys, parts, 2 * WIDTH + 4)[0] == (Entry("head", "9:17", "17:18"),)


def test_two_maps_side_by_side_are_not_taken_for_the_features() -> None:
    class Halves(Merging):
        def forward(self, query: Tensor, support: Tensor) -> Tensor:
            features = torch.cat([self.encoder(query), self.deep(self.encoder(query))], 1)
            others = torch.cat([self.encoder(support), self.deep(self.encoder(support))], 1)
            return self.head(torch.cat([features, others.mean((2, 3), keepdim=True).expand_as(features)], 1))

    with pytest.raises(ValueError, match=r"features in channels 0:24 of head to be some module's output"):
        probe(Halves(lambda *_: [], 48).train(), *images())


def test_one_channel_heads_are_read_off_the_criterion(capsys: pytest.CaptureFixture[str]) -> None:
    host, said = found(capsys, TwoBranches(), *images(), mask().flip(2), mask())
    assert host.exits == (Exit("criterion", argument=0),) and host.criterion == "criterion" and host.mask == "y"
    assert host.entries == (Entry("two", "9:", ":1"), Entry("one", ":C", holds="background"))
    assert host.mechanism == "replay" and "read off what criterion is given" in said
    assert "the prototype in one is taken for the background's" in said


def test_two_prototypes_in_one_input_are_told_apart_by_the_pixels_they_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    host, _ = found(capsys, OneEntry(), *images(), mask().flip(2), mask())
    assert host.entries == (Entry("head", "2C:"), Entry("head", ":C", holds="background"))


def test_a_prototype_chosen_for_each_pixel_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    host, said = found(capsys, NearestOfSeveral(), *images(), mask().flip(2), mask())
    assert host.entries == (Entry("two", "9:", ":1"), Entry("one", ":C", holds="background"))
    assert "ok   the pass equals an explicit second comparison: bit-equal" in said


def test_support_that_stays_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    held, said = entries(capsys, lambda f, p, others: [f, p, others], 3 * WIDTH)
    assert held == (Entry("head", "C:2C"),)
    assert "unsure: channels 2C: of head follow the support alone and vary over space" in said


def test_a_prior_is_split_off_from_learned_maps_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Correlating(Merging):
        def merged(self, query: Tensor, support: Tensor) -> Tensor:
            features, others = self.encoder(query), self.encoder(support)
            prototype = others.mean((2, 3), keepdim=True).expand_as(features)
            learned = self.deep(features * prototype)
            return torch.cat([features, prototype, learned, prior_of(features, prototype)], 1)

    held, said = found(capsys, Correlating(lambda *_: [], 2 * WIDTH + 17), *images())
    assert held.entries == (Entry("head", "C:2C", "4C:"),)
    assert "channels 2C:4C of head follow query and support" in said and "no prior mask?" in said


def test_a_prior_times_ten_is_written_so(capsys: pytest.CaptureFixture[str]) -> None:
    parts = lambda f, p, _: [f, p, 10 * stretched(prior_of(f, p))]  # noqa: E731
    assert entries(capsys, parts, 2 * WIDTH + 1)[0] == (Entry("head", "C:2C", "2C:", prior_scale=10.0),)


def test_each_scale_names_its_own_features(capsys: pytest.CaptureFixture[str]) -> None:
    host, said = found(capsys, ScaledFeatures(), *images())
    own = Entry("merge.1", "C:", features="reduce.1")
    assert host.features == "reduce.0" and host.entries == (Entry("merge.0", "C:"), own)
    assert "reduce.0, reduce.1 give features of their own" in said


def test_the_query_mask_is_that_which_a_loss_of_the_comparison_follows(capsys: pytest.CaptureFixture[str]) -> None:
    padding = torch.zeros_like(mask())
    padding[:, :, :4] = 1
    host, said = found(capsys, SeveralMasks(), *images(), padding, mask().flip(1), mask())
    assert host.mask == "y_m" and "y_b, y_m look like masks" in said


def test_supports_in_lists_and_dictionaries(capsys: pytest.CaptureFixture[str]) -> None:
    class Nested(Merging):
        def forward(self, batch: dict[str, object]) -> Tensor:  # type: ignore[override]
            shots = torch.stack(batch["supports"]["shots"])  # type: ignore[index]
            return self.head(self.merged(batch["query"], shots.mean(0)))  # type: ignore[arg-type]

    query, support = images()
    nested = {"supports": {"shots": [support, support.flip(3)]}, "query": query}
    host, _ = found(capsys, Nested(lambda f, p, _: [f, p], 2 * WIDTH), nested)
    assert host.entries == (Entry("head", "C:"),)


def test_support_that_a_module_behind_the_entry_is_given_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    class Attending(Merging):
        def __init__(self) -> None:
            super().__init__(lambda features, prototype, others: [features, prototype], 2 * WIDTH)
            self.merge, self.attend, self.head = nn.Conv2d(2 * WIDTH, WIDTH, 1), Both(), nn.Conv2d(WIDTH, 2, 1)

        def forward(self, query: Tensor, support: Tensor) -> Tensor:
            return self.head(self.attend(self.merge(self.merged(query, support)), self.encoder(support)))

    _, said = found(capsys, Attending(), *images())
    assert "unsure: attend, behind the entry, is given maps of the support too" in said


class Both(nn.Module):
    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one * torch.sigmoid(other)
