"""probe on hosts that compare by cosine similarity: features, places of the prototypes, output, mask."""

import pytest
import torch
from probed_models import Comparing, Guided, Threshold, images, mask
from torch import nn

from selfcontrast import CosineHost, probe
from selfcontrast.attach.probe.forwards import Forwards
from selfcontrast.attach.probe.locate.cosine import find_cosine
from selfcontrast.attach.probe.probing import follow_images


def found(model: nn.Module, *arguments: object) -> CosineHost:
    host = probe(model.train(), *arguments)
    assert isinstance(host, CosineHost)
    return host


@pytest.mark.parametrize("product", [False, True], ids=["cosine", "einsum"])
@pytest.mark.parametrize("shots", [1, 2])
def test_ways_of_shots_in_one_pass_with_the_query(product: bool, shots: int) -> None:
    query, support = images()
    supports, masks = [[support.roll(place, 3) for place in range(shots)]], [[mask()] * shots]
    expected = CosineHost("encoder", "encoder", foreground=1, background=0, output="[0]")
    assert found(Comparing(product), supports, masks, [query]) == expected


def test_one_prototype_and_probabilities(capsys: pytest.CaptureFixture[str]) -> None:
    host = found(Threshold(), *images())
    assert (host.features, host.foreground, host.background) == ("encoder#-1", 0, None)
    assert (host.output, host.output_holds) == ("['probable']", "probabilities")
    said = capsys.readouterr().out
    assert "unsure: background is None" in said
    code = said[: said.index("\n)") + 2]
    assert eval(code, {"CosineHost": CosineHost}) == host


def test_a_module_that_is_given_a_list_of_support_maps_is_no_correlation() -> None:
    class Listed(Threshold):
        def __init__(self) -> None:
            super().__init__()
            self.shots = nn.Identity()

        def forward(self, query: torch.Tensor, support: torch.Tensor) -> dict[str, torch.Tensor]:
            # Axes of ways and shots.
            self.shots(self.encoder(support)[:, None, None])
            return super().forward(query, support)

    assert found(Listed(), *images()).foreground == 0


def test_the_comparison_that_is_read_out_and_not_one_that_guides_it(capsys: pytest.CaptureFixture[str]) -> None:
    query, support = images()
    host = found(Guided(), support, mask().flip(2), query, mask())
    assert (host.foreground, host.background, host.output, host.mask) == (3, 2, "[0]", "mask_q")
    assert host.features == "encoder#-1"
    assert "unsure: similarities at places 0, 1 lead to the prototype at 3" in capsys.readouterr().out


def test_hosts_whose_own_losses_are_off_are_tried_last() -> None:
    class Judging(Threshold):
        def forward(self, query: torch.Tensor, support: torch.Tensor, judged: bool) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return super().forward(query, support)

    forwards = Forwards(Judging().train(), images(), {"judged": True})
    hosts = find_cosine(forwards, follow_images(forwards))
    assert [host.losses_off for host, _ in hosts] == [None, "training", "judged"]
    assert "judged is off there" in hosts[2][1][-1]


def test_the_random_numbers_of_a_model_of_its_own_go_on() -> None:
    class Sampling(Threshold):
        def __init__(self) -> None:
            super().__init__()
            self.draws = torch.Generator().manual_seed(0)

        def forward(self, query: torch.Tensor, support: torch.Tensor) -> dict[str, torch.Tensor]:
            self.noise = torch.rand(1, generator=self.draws)
            return super().forward(query, support)

    model = Sampling()
    found(model, *images())
    assert torch.equal(model.draws.get_state(), torch.Generator().manual_seed(0).get_state())
    assert not hasattr(model, "noise")
