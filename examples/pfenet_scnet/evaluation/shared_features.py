"""Backbone features in memory that many episodes share: each image and each masked support is computed once."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import read_pair
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
    """

    @torch.no_grad()
    def __init__(
        self, model: PFENet, images: ImageList, episodes: Iterable[Episode], protocol: Protocol, size: int, workers: int
    ) -> None:
        self.mid: dict[int, Tensor] = {}
        self.high_level: dict[int, Tensor] = {}
        self.support_high_level: dict[tuple[int, int], Tensor] = {}
        self.masks: dict[tuple[int, int], Tensor] = {}
        self.truths: dict[tuple[int, int], Tensor] = {}
        device = next(model.parameters()).device
        shown = _Shown(images, episodes, protocol, size)
        loader = DataLoader(shown, batch_size=None, num_workers=workers, worker_init_fn=ignore_interrupts)
        for (index, classes), (picture, masks, truths) in zip(shown.entries, loader, strict=True):
            mid, layer3 = model.mid_level(picture[None].to(device))
            masks = masks.to(device)
            self.mid[index], self.high_level[index] = mid[0], model.layer4(layer3)[0]
            for c, mask, truth in zip(classes, masks, truths, strict=True):
                self.masks[index, c], self.truths[index, c] = mask, truth.to(device)
                if (index, c) in shown.supports:
                    self.support_high_level[index, c] = model.masked_high_level(layer3, mask[None])[0]

    def extracted(self, episodes: Sequence[Episode]) -> Extracted:
        """A batch of episodes as the model takes it."""
        supports = [(support, e.novel_class) for e in episodes for support in e.supports]
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
        return self.truths[episode.query, episode.novel_class]


def _stack(maps: list[Tensor]) -> Tensor:
    """Maps (C, h, w) to (N, C, h, w), channels last in memory, as the backbone leaves them."""
    return torch.stack([one.movedim(0, -1) for one in maps]).movedim(-1, 1)


class _Shown(Dataset[tuple[Tensor, Tensor, list[Tensor]]]):
    """An image (3, H, W) and, for each class that an episode wants of it, a mask (K, H, W) and a truth."""

    def __init__(self, images: ImageList, episodes: Iterable[Episode], protocol: Protocol, size: int) -> None:
        wanted: dict[int, set[int]] = {}
        self.supports: set[tuple[int, int]] = set()
        for episode in episodes:
            for index in (episode.query, *episode.supports):
                wanted.setdefault(index, set()).add(episode.novel_class)
            self.supports.update((index, episode.novel_class) for index in episode.supports)
        self.entries = [(index, sorted(wanted[index])) for index in sorted(wanted)]
        self.items = images.items
        self.protocol = protocol
        self.transform = protocol.transform(size)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        index, classes = self.entries[place]
        pairs = [read_pair(self.items[index], c) for c in classes]
        prepared = [self.transform(*pair) for pair in pairs]
        masks = [mask.as_subclass(Tensor).to(torch.uint8) for _, mask in prepared]
        truths = [
            self.protocol.truth(before.as_subclass(Tensor).to(torch.uint8), after)
            for (_, before), after in zip(pairs, masks, strict=True)
        ]
        return prepared[0][0].as_subclass(Tensor), torch.stack(masks), truths


def in_portions(episodes: Sequence[Episode], features: int) -> Iterator[list[Episode]]:
    """Split the episodes into portions of at most `features` images and masked supports each.

    Sort episodes by class first: then few images belong to many portions.
    """
    portion: list[Episode] = []
    held: set[tuple[int, ...]] = set()
    for episode in episodes:
        pairs = {(index, episode.novel_class) for index in episode.supports}
        needs = pairs | {(index,) for index in (episode.query, *episode.supports)}
        if portion and len(held | needs) > features:
            yield portion
            portion, held = [], set()
        portion.append(episode)
        held |= needs
    if portion:
        yield portion
