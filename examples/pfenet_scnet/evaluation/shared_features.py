"""Backbone features in memory that many episodes share: each image and each masked support is computed once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import mask_of, read_labelled
from model.pfenet import Extracted, PFENet
from runtime.interrupts import ignore_interrupts
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evaluation.protocols import Protocol


class SharedFeatures:
    """Features of the frozen backbone for all images of some episodes.

    Args:
        model: in eval mode; its backbone computes the features.
        episodes: the episodes that can be asked for.
        protocol: how images and truths are prepared.
        size: side of the prepared square.
        workers: processes that load images; with 0 this process loads them.
        lenders: episodes of which only the supports can be asked for.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: PFENet,
        images: ImageList,
        episodes: Iterable[Episode],
        protocol: Protocol,
        size: int,
        workers: int,
        lenders: Iterable[Episode] = (),
    ) -> None:
        self.mid: dict[int, Tensor] = {}
        self.high_level: dict[int, Tensor] = {}
        self.support_high_level: dict[tuple[int, int], Tensor] = {}
        self.masks: dict[tuple[int, int], Tensor] = {}
        # Class indices as the protocol has its truths.
        self.labels: dict[int, Tensor] = {}
        device = next(model.parameters()).device
        shown = _Shown(images, episodes, protocol, size, lenders)
        loader = DataLoader(shown, batch_size=None, num_workers=workers, worker_init_fn=ignore_interrupts)
        for (index, classes), (picture, masks, labels) in zip(shown.entries, loader, strict=True):
            mid, layer3 = model.mid_level(picture[None].to(device))
            masks, self.labels[index] = masks.to(device), labels.to(device)
            self.mid[index], self.high_level[index] = mid[0], model.layer4(layer3)[0]
            for c, mask in zip(classes, masks, strict=True):
                self.masks[index, c] = mask
                if (index, c) in shown.supports:
                    self.support_high_level[index, c] = model.masked_high_level(layer3, mask[None])[0]

    def extracted(self, episodes: Sequence[Episode], lenders: Sequence[Episode] | None = None) -> Extracted:
        """A batch of episodes as the model takes it; with `lenders`, those lend each its supports."""
        supports = [(support, e.novel_class) for e in lenders or episodes for support in e.supports]
        shape = len(episodes), len(episodes[0].supports)
        return Extracted(
            _stack([self.mid[e.query] for e in episodes]),
            _stack([self.high_level[e.query] for e in episodes]),
            _stack([self.mid[index] for index, _ in supports]).unflatten(0, shape),
            _stack([self.support_high_level[pair] for pair in supports]).unflatten(0, shape),
            torch.stack([self.masks[pair] for pair in supports]).unflatten(0, shape),
        )

    def truth(self, episode: Episode) -> Tensor:
        """The query's truth (h, w) of 0, 1 and 255, uint8."""
        return mask_of(self.labels[episode.query], episode.novel_class)


def _stack(maps: list[Tensor]) -> Tensor:
    """Maps (C, h, w) to (N, C, h, w), channels last in memory, as the backbone leaves them."""
    return torch.stack([one.movedim(0, -1) for one in maps]).movedim(-1, 1)


class _Shown(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """An image (3, H, W), a mask (K, H, W) of each class that an episode wants of it, and its class indices (h, w)."""

    def __init__(
        self,
        images: ImageList,
        episodes: Iterable[Episode],
        protocol: Protocol,
        size: int,
        lenders: Iterable[Episode],
    ) -> None:
        episodes = list(episodes)
        self.supports = {(index, e.novel_class) for e in (*episodes, *lenders) for index in e.supports}
        wanted: dict[int, set[int]] = {}
        for index, c in (*self.supports, *((e.query, e.novel_class) for e in episodes)):
            wanted.setdefault(index, set()).add(c)
        self.entries = [(index, sorted(wanted[index])) for index in sorted(wanted)]
        self.items = images.items
        self.protocol = protocol
        self.transform = protocol.transform(size)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor, Tensor]:
        index, classes = self.entries[place]
        # A transform moves labels and never mixes them, so each class's mask follows from them.
        image, before = read_labelled(self.items[index])
        picture, after = self.transform(image, before)
        labels = after.as_subclass(Tensor)
        truth = self.protocol.truth(before.as_subclass(Tensor), labels)
        return picture.as_subclass(Tensor), torch.stack([mask_of(labels, c) for c in classes]), truth


class Trial(NamedTuple):
    """An episode to predict, and another that lends it supports of another class; None where none does."""

    episode: Episode
    lender: Episode | None = None


def in_portions(trials: Sequence[Trial], features: int) -> Iterator[list[Trial]]:
    """Split the trials into portions of at most `features` images and masked supports each.

    Sort them by class first: then few images belong to many portions.
    """
    portion: list[Trial] = []
    held: set[tuple[int, ...]] = set()
    for trial in trials:
        shown = [one for one in trial if one]
        pairs = {(index, one.novel_class) for one in shown for index in one.supports}
        needs = pairs | {(index,) for index, _ in pairs} | {(trial.episode.query,)}
        if portion and len(held | needs) > features:
            yield portion
            portion, held = [], set()
        portion.append(trial)
        held |= needs
    if portion:
        yield portion
