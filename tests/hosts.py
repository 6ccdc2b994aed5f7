"""One small model of each kind beside a training call of it: the shapes of the published ones, in milliseconds.

Axes: B episodes, K shots, 32 x 32 pixels, 8 x 8 the feature grid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from host_models import (
    asgnet,
    attention_family,
    attention_followers,
    canet_family,
    cosine_family,
    cosine_followers,
    papers,
    pfenet_family,
    pfenet_followers,
    threshold_family,
    tokens,
    two_branches,
)
from host_models.parts import judged, one_loss
from torch import Tensor, nn

from selfcontrast import Attachment, CosineHost, Entry, Exit, Host, SelfContrastiveAuxiliary

PIXELS = 32
FWB = Host(
    features="weighting",
    high_level="layer3",
    entries=(Entry("similarity", ":", argument=1),),
    exits=(Exit("decoder"),),
    mechanism="replay",
)
CRNET = Host(
    features="reinforced",
    high_level="layer3",
    entries=(Entry("condition", "C:2C"),),
    exits=(Exit("head"),),
    mechanism="replay",
)
SIMPROPNET = Host(
    features="reduction",
    high_level="layer3",
    entries=(Entry("fusion#0", "C:2C", prior="2C:"),),
    exits=(Exit("decoder#0"),),
)


@dataclass
class Small:
    """A small model, where it is entered, and one batch as its training script gives it."""

    name: str
    model: nn.Module
    host: str | Host | CosineHost
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    mask: Tensor
    """The query's truth, (B, H, W) of 0, 1 and 255."""
    main_loss: Callable[[Any], Tensor]
    """What the training script forms from the forward's output."""
    whole_loss: Callable[[tuple[Tensor, ...], Tensor], Tensor]
    """The host's own loss of its logits on a mask: in the test's arithmetic what L2 has to be."""

    def __call__(self) -> Any:
        return self.model(*self.arguments, **self.keywords)

    def attach(self, **options: Any) -> Attachment:
        return SelfContrastiveAuxiliary(**options).attach(self.model, self.host)

    def step(self, attachment: Attachment) -> Any:
        """A forward as the training script does it, with the mask given where the forward does not take it."""
        if attachment.host.mask is not None:
            return self()
        with attachment.episode(self.mask):
            return self()

    def still(self) -> "Small":
        """With dropout that drops nothing, so that two forwards can be compared."""
        for module in self.model.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.p = 0.0
        return self


@dataclass(frozen=True)
class Episode:
    """Query (B, 3, H, W), its mask (B, H, W), support (B, K, 3, H, W), its masks (B, K, H, W)."""

    query: Tensor
    mask: Tensor
    support: Tensor
    support_mask: Tensor


def episode(batch: int, shots: int) -> Episode:
    """Noise around blobs; each query mask has all three values, each support mask two."""
    masks = torch.zeros(batch, 1 + shots, PIXELS, PIXELS, dtype=torch.long)
    for image in range(batch):
        masks[image, :, 4 + 2 * image : 18, 6 : 20 + 2 * image] = 1
    images = torch.randn(batch, 1 + shots, 3, PIXELS, PIXELS) + masks[:, :, None]
    mask = masks[:, 0].clone()
    mask[:, :, -5:] = 255
    return Episode(images[:, 0], mask, images[:, 1:], masks[:, 1:])


def build(name: str, batch: int = 2, shots: int = 1) -> Small:
    """The small model of this name, in training mode, and its batch."""
    return BUILDERS[name](name, episode(1 if name == "sgone" else batch, shots))


def _by_keyword(model: type[nn.Module], whole: Any, mask: str, *also: str) -> Callable[[str, Episode], Small]:
    """PFENet's way: everything by name, losses formed inside and returned behind the prediction."""

    def make(name: str, own: Episode) -> Small:
        extras = {
            "y_b": own.mask,
            "cat_idx": [torch.zeros(len(own.mask))],
            "s_seed": torch.zeros(len(own.mask), 1, 3, 2, dtype=torch.long),
            "padding_mask": (own.mask == 255).long() * 255,
            "s_padding_mask": torch.zeros_like(own.support_mask),
            "class_chosen": torch.arange(len(own.mask)),
            "classes": [torch.arange(len(own.mask))],
            "prototype_neg_dict": {},
        }
        given = {"x": own.query, "s_x": own.support, "s_y": own.support_mask, mask: own.mask}
        keywords = given | {key: extras[key] for key in also}

        def main_loss(out: Any) -> Any:
            return sum(one.sum() for one in out[1:] if isinstance(one, Tensor))

        return Small(name, model(), name, (), keywords, own.mask, main_loss, whole)

    return make


def _on_tokens(model: type[nn.Module], host: Host | CosineHost) -> Callable[[str, Episode], Small]:
    """PFENet's way over a vision transformer; a described host, for no published one has these names."""
    by_keyword = _by_keyword(model, one_loss, "y")

    def make(name: str, own: Episode) -> Small:
        small = by_keyword(name, own)
        small.host = host
        return small

    return make


def _by_position(model: Any, whole: Any, loss: Any, host: Any = None, history: bool = False) -> Any:
    """CANet's way: query, support, its mask (B, 1, H, W); the script forms the loss."""

    def make(name: str, own: Episode) -> Small:
        arguments = [own.query, own.support[:, 0], own.support_mask[:, 0, None].float()]
        arguments += [torch.rand(len(own.mask), 2, 11, 11)] if history else []
        made = model(len(own.mask)) if model is canet_family.RPMMs else model()
        return Small(name, made, host or name, tuple(arguments), {}, own.mask, partial(loss, own.mask), whole)

    return make


def _sgone(name: str, own: Episode) -> Small:
    arguments = (own.query, own.support[:, 0], own.support[:, 0], own.support_mask[:, 0, None].float())
    whole = partial(_unaligned, 0)
    return Small(
        name, canet_family.SGOne(), name, arguments, {}, own.mask, lambda out: whole((out[3],), own.mask), whole
    )


def _unaligned(place: int, logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    return judged(logits[place], mask, align_corners=False)


def _panet(model: type[cosine_family.PANet]) -> Callable[[str, Episode], Small]:
    def make(name: str, own: Episode) -> Small:
        fore = list((own.support_mask == 1).float().unbind(1))
        lists = [list(own.support.unbind(1))], [fore], [[1 - one for one in fore]], [own.query]

        def main_loss(out: tuple[Tensor, Tensor]) -> Tensor:
            return judged(out[0], own.mask) + out[1]

        def whole_loss(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
            return judged(logits[0], mask, model.align_corners)

        return Small(name, model(), name, lists, {}, own.mask, main_loss, whole_loss)

    return make


def _mlc(name: str, own: Episode) -> Small:
    arguments = list(own.support.unbind(1)), list(own.support_mask.unbind(1)), own.query
    return Small(name, cosine_family.MLC(), name, arguments, {}, own.mask, lambda out: judged(out, own.mask), one_loss)


def _ssp(name: str, own: Episode) -> Small:
    arguments = list(own.support.unbind(1)), list(own.support_mask.unbind(1)), own.query, own.mask
    several = torch.cat(list(own.support_mask.unbind(1)))

    def main_loss(out: list[Tensor]) -> Tensor:
        return judged(out[0], own.mask) + judged(out[1], own.mask) + 0.2 * judged(out[2], several)

    return Small(name, cosine_family.SSP(), name, arguments, {}, own.mask, main_loss, one_loss)


def _ifa(name: str, own: Episode) -> Small:
    arguments = list(own.support.unbind(1)), list(own.support_mask.unbind(1)), own.query, own.mask
    several = own.support_mask.flatten(0, 1)

    def main_loss(out: list[Tensor]) -> Tensor:
        on_query, on_support = [judged(one, own.mask) for one in out[:5]], [judged(one, several) for one in out[5:]]
        return torch.stack(on_query).sum() + 0.2 * torch.stack(on_support).sum()

    return Small(name, cosine_followers.IFA(), name, arguments, {}, own.mask, main_loss, one_loss)


def _medical(model: Any, background: bool = False, own_mask: bool = False, **keywords: Any) -> Any:
    """Lists of ways and shots, one way of them; what is returned beside the prediction is a loss."""

    def make(name: str, own: Episode) -> Small:
        fore = list(own.support_mask.float().unbind(1))
        given = [[list(own.support.unbind(1))], [fore]]
        given += [[[1 - one for one in fore]]] if background else []
        given += [[own.query]] + ([own.mask] if own_mask else [])

        def main_loss(out: Any) -> Tensor:
            logits = out[0] if background else out[0].clamp(1e-7, 1.0).log()
            return judged(logits, own.mask) + out[1].sum()

        return Small(name, model(), name, tuple(given), keywords, own.mask, main_loss, one_loss)

    return make


def _first(place: int, mask: Tensor, out: Any) -> Tensor:
    return judged(out[place], mask, align_corners=False)


def _rounds(mask: Tensor, out: Any) -> Tensor:
    return canet_family.three_rounds(out[1:], mask)


def _logits(mask: Tensor, out: Any) -> Tensor:
    return judged(out if isinstance(out, Tensor) else out[0], mask)


def _crnet(mask: Tensor, out: Any) -> Tensor:
    return papers.rounds_loss(out[:3], mask) + judged(out[3], mask)


BUILDERS: dict[str, Callable[[str, Episode], Small]] = {
    "pfenet": _by_keyword(pfenet_family.PFENet, pfenet_family.whole_loss, "y"),
    "hpa": _by_keyword(pfenet_family.HPA, one_loss, "y"),
    "bam": _by_keyword(pfenet_family.BAM, one_loss, "y_m", "y_b", "cat_idx"),
    "scl": _by_keyword(pfenet_family.SCL, pfenet_family.whole_loss, "y"),
    "asgnet_pyramid": _by_keyword(asgnet.ASGNetPyramid, pfenet_family.whole_loss, "y", "s_seed"),
    "asgnet_aspp": _by_keyword(asgnet.ASGNetASPP, asgnet.both_heads, "y", "s_seed"),
    "mianet": _by_keyword(pfenet_followers.MIANet, pfenet_family.whole_loss, "y", "class_chosen"),
    "msanet": _by_keyword(pfenet_followers.MSANet, one_loss, "y_m", "y_b", "cat_idx"),
    "pfenet2plus": _by_keyword(pfenet_followers.PFENetPlus, pfenet_family.whole_loss, "y"),
    "qgnet": _by_keyword(pfenet_followers.QGNet, pfenet_family.whole_loss, "y"),
    "dcp": _by_keyword(two_branches.DCP, one_loss, "y", "cat_idx"),
    "r2net": _by_keyword(two_branches.R2Net, one_loss, "y", "cat_idx"),
    "ntrenet": _by_keyword(two_branches.NTRENet, two_branches.three_kinds, "y", "classes", "prototype_neg_dict"),
    "canet": _by_position(canet_family.CANet, one_loss, _logits, history=True),
    "pmms": _by_position(canet_family.PMMs, partial(_unaligned, 0), partial(_first, 3)),
    "rpmms": _by_position(canet_family.RPMMs, canet_family.three_rounds, _rounds),
    "sgone": _sgone,
    "panet": _panet(cosine_family.PANet),
    "ppnet": _panet(cosine_family.PPNet),
    "mlc": _mlc,
    "ssp": _ssp,
    "ifa": _ifa,
    "qnet": _medical(threshold_family.QNet, train=True),
    "rpt": _medical(threshold_family.RPT, own_mask=True, train=True),
    "alpnet": _medical(cosine_followers.ALPNet, background=True, isval=False, val_wsize=None),
    "cyctr": _by_keyword(attention_family.CyCTR, attention_family.dice, "y", "padding_mask", "s_padding_mask"),
    "sccan": _by_keyword(attention_family.SCCAN, attention_family.dice, "y_m"),
    "hdmnet": _by_keyword(attention_family.HDMNet, one_loss, "y_m", "y_b"),
    "ipmt": _by_keyword(attention_followers.IPMT, attention_followers.both_predictions, "y"),
    "aenet_hdmnet": _by_keyword(attention_followers.AENetHDMNet, one_loss, "y_m", "y_b"),
    "aenet_sccan": _by_keyword(attention_followers.AENetSCCAN, attention_family.dice, "y_m"),
    "aenet_cyctr": _by_keyword(
        attention_followers.AENetCyCTR, attention_family.dice, "y_m", "padding_mask", "s_padding_mask"
    ),
    "fwb": _by_position(papers.FWB, one_loss, _logits, FWB),
    "crnet": _by_position(papers.CRNet, papers.rounds_loss, _crnet, CRNET),
    "simpropnet": _by_position(papers.SimPropNet, one_loss, _logits, SIMPROPNET),
    "tokens_convolved": _on_tokens(tokens.Convolved, tokens.CONVOLVED),
    "tokens_linear": _on_tokens(tokens.Linear, tokens.LINEAR),
    "tokens_grid": _on_tokens(tokens.Grid, tokens.LINEAR),
    "tokens_cosine": _on_tokens(tokens.Cosine, tokens.COSINE),
}
COSINE = ("panet", "ppnet", "mlc", "ssp", "ifa", "qnet", "rpt", "alpnet")
LEARNED = tuple(name for name in BUILDERS if name not in COSINE)
