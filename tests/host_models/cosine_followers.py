"""IFA and ALPNet: prototypes that the model finds again and again, and prototypes that are kernels of a convolution.

Axes: B episodes, K shots, P prototypes of a class, C channels, h x w the feature grid, H x W the images.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.cosine_family import SSP, explicit
from host_models.parts import C, bilinear, block, pool
from selfcontrast.contrast import SelfContrast

Shots = list[list[Tensor]]
CELL = 2


class IFA(SSP):
    """SSP that refines its prediction, and goes on from the prototypes it found in the support, three times in all."""

    def forward(self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor, mask_q: Tensor) -> Any:
        query, found, pairs = self.pooled(img_s_list, mask_s_list, img_q)
        size, shots = img_q.shape[2:], len(found)
        shown = [self.similarity(one, *pair) for one, pair in zip(found, pairs, strict=True)] if self.training else []
        # Episode by episode, its shots side by side.
        supports = torch.stack(found, 1).flatten(0, 1)
        fore, back = (torch.stack([pair[place] for pair in pairs]).mean(0) for place in (0, 1))
        logits = [*self.refined(query, fore, back)]
        if not self.training:
            return [bilinear(one, size) for one in logits]
        logits.append(self.similarity(query, pool(query, mask_q == 1), pool(query, mask_q == 0)))
        on_supports = [torch.cat(shown)]
        for turn in range(3):
            once = self.own(query, fore, back)
            if turn:
                logits.append(self.similarity(query, *once))
            several = fore.repeat_interleave(shots, 0)
            new_fore, new_back = self.own(supports, several, once[1].repeat_interleave(shots, 0))
            on_supports.append(self.similarity(supports, new_fore, new_back))
            fore, back = (one.unflatten(0, (-1, shots)).mean(1) for one in (new_fore, new_back))
        return [bilinear(one, size) for one in (*logits, *on_supports)]

    def pooled(self, img_s_list: list[Tensor], mask_s_list: list[Tensor], img_q: Tensor) -> Any:
        """Features of query and shots, and each shot's foreground and background prototype."""
        found = [self.encode(image) for image in img_s_list]
        pairs = [[pool(one, mask == v) for v in (1, 0)] for one, mask in zip(found, mask_s_list, strict=True)]
        return self.encode(img_q), found, pairs

    def own(self, features: Tensor, fore: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """Prototypes of the model's own prediction: half of the foreground's, and a background's for each pixel."""
        chosen = self.similarity(features, fore, back).softmax(1)
        mean = (features * chosen[:, 1:]).sum((2, 3), keepdim=True) / chosen[:, 1:].sum((2, 3), keepdim=True)
        return 0.5 * fore + 0.5 * mean, features * chosen[:, :1]

    def refined(self, query: Tensor, fore: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """The query's logits by prototypes of a second prediction mixed with those of the first, and the latter."""
        once = self.own(query, fore, back)
        logits = self.similarity(query, *once)
        return 0.7 * self.similarity(query, *self.own(query, *once)) + 0.3 * logits, logits

    def explicit(self, contrast: SelfContrast, img_s_list: Any, mask_s_list: Any, img_q: Tensor, _: Tensor) -> Tensor:
        """Logits of the pass: the support's foreground prototype scores the background, the map the foreground."""
        query, _, pairs = self.pooled(img_s_list, mask_s_list, img_q)
        return explicit(query, torch.stack([fore for fore, _ in pairs]).mean(0), contrast.prototype_map, 10.0)


class ALPNet(nn.Module):
    """Prototypes of cells of the support are kernels of a convolution, and a soft maximum over them is the score.

    The foreground has its mean as one more, and is compared by cosine similarity with that alone where no cell lies in
    it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = DeepEncoder()
        self.cls_unit = PrototypesAsKernels()

    def encode(self, supp_imgs: Shots, qry_imgs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Support (K, B, C, h, w) and query (B, C, h, w)."""
        shots, batch = len(supp_imgs[0]), len(qry_imgs[0])
        found = self.encoder(torch.cat([*supp_imgs[0], *qry_imgs]), low_level=False)
        return found[: shots * batch].view(shots, batch, *found.shape[1:]), found[shots * batch :]

    def forward(
        self, supp_imgs: Shots, fore_mask: Shots, back_mask: Shots, qry_imgs: list[Tensor], isval: bool, val_wsize: Any
    ) -> Any:
        supports, query = self.encode(supp_imgs, qry_imgs)
        outputs, alignment = [], torch.zeros(())
        for epi in range(len(query)):
            own, shown = query[epi : epi + 1], supports[:, epi]
            masks = [torch.stack(kind[0])[:, epi] for kind in (back_mask, fore_mask)]
            logits = torch.cat(
                [self.cls_unit(own, shown, sup_y=one, whole=place == 1) for place, one in enumerate(masks)], 1
            )
            outputs.append(bilinear(logits, qry_imgs[0].shape[2:], align_corners=False))
            if self.training:
                alignment = alignment + self.align(own, logits, shown, masks[1])
        return torch.cat(outputs), alignment / len(outputs), [None, None], outputs[0].argmax(1)

    def align(self, query: Tensor, logits: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        chosen = [(logits.argmax(1) == label).float() for label in (0, 1)]
        losses = []
        for shot, mask in zip(supports.split(1), masks.split(1), strict=True):
            back = torch.cat([self.cls_unit(qry=shot, sup_x=query, sup_y=one, whole=True) for one in chosen], 1)
            losses.append(F.cross_entropy(bilinear(back, mask.shape[1:], align_corners=False), mask.long()))
        return torch.stack(losses).mean()

    def explicit(
        self, contrast: SelfContrast, supp_imgs: Shots, fore_mask: Shots, back_mask: Any, qry_imgs: Any, **_: Any
    ) -> Tensor:
        """Logits of the pass: the foreground's kernels score the background, and the map is a kernel for each pixel."""
        supports, query = self.encode(supp_imgs, qry_imgs)
        unit, mapped = F.normalize(query), F.normalize(contrast.prototype_map)
        rows = []
        for epi, own in enumerate(unit):
            mask = torch.stack(fore_mask[0])[:, epi]
            scores = 20.0 * torch.einsum("chw,pc->phw", own, F.normalize(self.cls_unit.kernels(supports[:, epi], mask)))
            background = (scores.softmax(0) * scores).sum(0)
            rows.append(torch.stack([background, 20.0 * (own * mapped[epi]).sum(0)]))
        return bilinear(torch.stack(rows), qry_imgs[0].shape[2:], align_corners=False)


class DeepEncoder(nn.Module):
    """Features that are reduced from a deeper layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"layer3": block(3, C, 4), "layer4": block(C, 16)})
        self.localconv = nn.Conv2d(16, C, 1, bias=False)

    def forward(self, x_in: Tensor, low_level: bool) -> Tensor:
        return self.localconv(self.backbone["layer4"](self.backbone["layer3"](x_in)))


class PrototypesAsKernels(nn.Module):
    """A query (1, C, h, w) against a support's features (K, C, h, w) under masks (K, H, W): scores (1, 1, h, w)."""

    def local(self, features: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """(P, C): means of the cells that lie wholly under the masks, and the mean under the masks, (1, C)."""
        resized = F.interpolate(masks[:, None], features.shape[2:], mode="bilinear")
        inside = F.avg_pool2d(resized, CELL).flatten() > 0.95
        cells = F.avg_pool2d(features, CELL).movedim(1, -1).flatten(0, 2)[inside]
        return cells, pool(features, masks).mean(0)[None, :, 0, 0]

    def kernels(self, features: Tensor, masks: Tensor) -> Tensor:
        cells, mean = self.local(features, masks)
        return torch.cat([cells, mean]) if len(cells) else mean

    def forward(self, qry: Tensor, sup_x: Tensor, sup_y: Tensor, whole: bool) -> Tensor:
        cells, mean = self.local(sup_x, sup_y)
        if not len(cells):
            return 20.0 * F.cosine_similarity(qry, mean[..., None, None], dim=1, eps=1e-4)[:, None]
        kernels = self.unit(torch.cat([cells, mean]) if whole else cells)
        scores = F.conv2d(self.unit(qry), kernels[..., None, None]) * 20.0
        return (scores.softmax(1) * scores).sum(1, keepdim=True)

    def unit(self, tensor: Tensor) -> Tensor:
        """Divided by its norm over the channels, which are its second axis."""
        norm = torch.norm(tensor, dim=1)
        return tensor.div(torch.max(norm, torch.full_like(norm, 1e-4)).unsqueeze(1).expand_as(tensor))
