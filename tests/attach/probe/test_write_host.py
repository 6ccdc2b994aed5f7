"""A host's text is code that gives this host again, whatever its fields hold."""

import pytest

from selfcontrast import CosineHost, Doubled, Entry, Exit, Host
from selfcontrast.attach.probe.write_host import host_text

NAMES = {"Host": Host, "CosineHost": CosineHost, "Entry": Entry, "Exit": Exit, "Doubled": Doubled}


@pytest.mark.parametrize(
    "host",
    [
        Host(
            features="backbone#1['3']",
            high_level="layer4.2.relu.forward#2",
            entries=(
                Entry("merge.*", "C:2C", "2C+64:2C+65", prior_scale=10.0),
                Entry("head", None, ":1", argument=2),
                Entry("other", ":C", holds="background", features="reduce.1"),
            ),
            exits=(Exit("cls", weight=0.5), Exit("criterion#0", argument=0)),
            mask="y",
            mechanism="replay",
            doubled=(Doubled("", 3, fill=0.0), Doubled("transformer", None, "prior")),
            cut=("projection",),
            criterion="criterion",
            align_corners=False,
            channels_last=("features", "entries"),
            experimental="why",
        ),
        CosineHost("encoder", "encoder", foreground=1, background=0),
        CosineHost(
            features=("encoder[0]['down2']", "encoder[0]['down3']"),
            high_level="encoder.layer4",
            foreground=0,
            background=None,
            output="[0]",
            output_holds="probabilities",
            scale=20.0,
            mask="qry_mask",
            align_corners=False,
            channels_last=("features",),
        ),
    ],
)
def test_the_text_gives_the_host_again(host: Host | CosineHost) -> None:
    assert eval(host_text(host), NAMES) == host
