"""probe on small models with the shapes of the published ones finds what their presets say."""

from dataclasses import replace

import pytest
import torch
from hosts import build

from selfcontrast import CosineHost, Host, probe
from selfcontrast.attach.presets import find_host

FOLDED = ("pfenet", "hpa", "bam", "scl", "mianet", "pfenet2plus", "qgnet")
REPLAYED = ("dcp", "hdmnet", "ipmt", "sccan", "cyctr", "aenet_hdmnet")
COMPARED = ("panet", "ppnet", "mlc", "qnet", "rpt", "alpnet")


def found(name: str) -> tuple[Host | CosineHost, Host | CosineHost]:
    torch.manual_seed(0)
    small = build(name)
    return probe(small.model, *small.arguments, **small.keywords), find_host(small.host)


@pytest.mark.parametrize("name", [*FOLDED, *REPLAYED])
def test_concatenations(name: str) -> None:
    host, preset = found(name)
    assert isinstance(host, Host) and isinstance(preset, Host)
    assert host.mechanism == ("fold" if name in FOLDED else "replay")
    assert {(one.call, one.prototype, one.holds) for one in host.entries if one.prototype} == {
        (one.call, one.prototype, one.holds) for one in preset.entries
    }
    assert {one.prior_scale for one in host.entries} == {one.prior_scale for one in preset.entries}
    assert {replace(one, weight=1.0) for one in host.exits} == {replace(one, weight=1.0) for one in preset.exits}
    assert (host.features, host.mask) == (preset.features, preset.mask)


@pytest.mark.parametrize("name", COMPARED)
def test_similarities(name: str) -> None:
    host, preset = found(name)
    assert isinstance(host, CosineHost) and isinstance(preset, CosineHost)
    read = ("features", "foreground", "background", "output", "output_holds", "mask")
    assert [getattr(host, field) for field in read] == [getattr(preset, field) for field in read]
