"""probe on comparisons by concatenation whose form is unusual: what it finds, and what it says is left."""

from collections.abc import Callable

import pytest
import torch
from probed_models import (
    WIDTH,
    Merging,
    NearestAndMean,
    NearestOfSeveral,
    OneEntry,
    OwnFeatures,
    ScaledFeatures,
    SeveralMasks,
    TwoBranches,
    WideFields,
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


@pytest.mark.parametrize("kind", [OneEntry, WideFields])
def test_two_prototypes_in_one_input_are_told_apart_by_the_pixels_they_follow(
    kind: type[OneEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    host, _ = found(capsys, kind(), *images(), mask().flip(2), mask())
    assert host.entries == (Entry("head", "2C:"), Entry("head", ":C", holds="background"))


def test_supports_and_their_masks_in_lists_are_paired(capsys: pytest.CaptureFixture[str]) -> None:
    class Shots(OneEntry):
        def forward(self, query: Tensor, shots: list[Tensor], masks: list[Tensor], y: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(query, torch.cat(shots, 3), torch.cat(masks, 2), y)

    query, support = images()
    host, _ = found(capsys, Shots(), query, [support, support.flip(3)], [mask().flip(2), mask()], mask())
    assert host.entries == (Entry("head", "2C:"), Entry("head", ":C", holds="background"))


@pytest.mark.parametrize("kind", [NearestOfSeveral, NearestAndMean])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_prototype_chosen_for_each_pixel_is_found(
    kind: type[TwoBranches], layers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model = kind()
    if layers == 2:
        model.encoder = nn.Sequential(nn.Conv2d(3, 2 * WIDTH, 4, 4), nn.Conv2d(2 * WIDTH, WIDTH, 1))
    host, said = found(capsys, model, *images(), mask().flip(2), mask())
    assert host.entries == (Entry("two", "9:", ":1"), Entry("one", ":C", holds="background"))
    assert "ok   the pass equals an explicit second comparison: bit-equal" in said


def test_an_input_keeps_features_of_its_own_beside_those_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    host, _ = found(capsys, OwnFeatures(), *images(), mask().flip(2), mask())
    assert host.entries == (Entry("one", "C:"), Entry("two", "2C:", features="own"))


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


def test_a_dead_channel_between_two_of_a_prior_is_one_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    parts = lambda f, p, _: [f, p, prior_of(f, p), 0 * prior_of(f, p), 1 - prior_of(f, p)]  # noqa: E731
    assert entries(capsys, parts, 2 * WIDTH + 3)[0] == (Entry("head", "C:2C", "2C:"),)


def test_a_prototype_with_a_dead_end_stands_beside_the_features(capsys: pytest.CaptureFixture[str]) -> None:
    def parts(features: Tensor, prototype: Tensor, _: Tensor) -> list[Tensor]:
        alive = (torch.arange(WIDTH) < WIDTH - 1).view(1, -1, 1, 1)
        return [torch.zeros_like(features[:, :1]), alive * prototype, features]

    assert entries(capsys, parts, 2 * WIDTH + 1)[0] == (Entry("head", "1:9"),)


class Again(Merging):
    """The prototype stands a second time beside what was compared, without features, behind some dead channels."""

    def __init__(self, dead: int) -> None:
        super().__init__(lambda features, prototype, others: [features, prototype], 2 * WIDTH + dead)
        self.merge, self.dead = nn.Conv2d(2 * WIDTH, WIDTH, 1), dead

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        merged = self.merged(query, support)
        dead = torch.zeros_like(merged[:, : self.dead])
        return self.head(torch.cat([self.merge(merged), dead, merged[:, WIDTH:]], 1))


@pytest.mark.parametrize(("dead", "prototype"), [(0, "C:"), (1, "9:")])
def test_a_second_entry_holds_the_prototype_beside_no_features(
    dead: int, prototype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host, _ = found(capsys, Again(dead), *images())
    assert host.entries == (Entry("merge", "C:"), Entry("head", prototype))


def test_an_encoder_that_is_called_by_its_forward_gives_the_features(capsys: pytest.CaptureFixture[str]) -> None:
    class Direct(Merging):
        def forward(self, query: Tensor, support: Tensor) -> Tensor:
            others, features = self.encoder.forward(support), self.encoder.forward(query)
            self.deep(features)
            return self.head(torch.cat([features, others.mean((2, 3), keepdim=True).expand_as(features)], 1))

    host, _ = found(capsys, Direct(lambda *_: [], 2 * WIDTH), *images())
    assert host.features == "encoder.forward#1" and host.entries == (Entry("head", "C:"),)


@pytest.mark.parametrize("scale", [2.0, 10.0])
def test_a_prior_times_a_round_number_is_written_so(scale: float, capsys: pytest.CaptureFixture[str]) -> None:
    parts = lambda f, p, _: [f, p, scale * stretched(prior_of(f, p))]  # noqa: E731
    assert entries(capsys, parts, 2 * WIDTH + 1)[0] == (Entry("head", "C:2C", "2C:", prior_scale=scale),)


def test_what_exceeds_the_certain_object_of_a_prior_beside_it_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    parts = lambda f, p, _: [f, p, 10 * stretched(prior_of(f, p)), 10.5 * stretched(-prior_of(f, p))]  # noqa: E731
    held, said = entries(capsys, parts, 2 * WIDTH + 2)
    assert held == (Entry("head", "C:2C"),)
    assert "unsure: channels 2C: of head follow query and support, 0.00 to 10.50: no prior mask?" in said


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


@pytest.mark.parametrize(("kind", "followed"), [(OneEntry, False), (TwoBranches, True)])
def test_a_mask_that_no_output_follows_is_said(
    kind: type[TwoBranches], followed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    host, said = found(capsys, kind(), *images(), mask().flip(2), mask())
    assert host.mask == "y"
    assert ("unsure: mask: y looks like the query's mask, but no output follows it" in said) is not followed


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
