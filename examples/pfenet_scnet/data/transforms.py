"""Image and mask together, by torchvision's v2 transforms; padding is the mean colour, unlabelled in the mask.

A pair for evaluation is an image (3, H, W) float32, normalised, and a mask (H, W) of 0, 1 and 255. Training images stay
bytes, which cost a quarter on their way between processes, and are normalised where the model is.
"""

import cv2
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from data.episodes import Episode
from data.image_list import ImageList, Item
from data.masks import UNLABELLED, read_mask
from data.pictures import read_image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MEAN_COLOUR = tuple(round(255 * value) for value in MEAN)

# Loader processes already run in parallel; OpenCV's own threads in each would only compete.
cv2.setNumThreads(0)

Pair = tuple[tv_tensors.Image, tv_tensors.Mask]


def read_pair(item: Item, novel_class: int) -> Pair:
    """The decoded image and the episode's mask: 1 where `novel_class` is, 255 where unlabelled, else 0."""
    image, labels = read_labelled(item)
    return image, tv_tensors.Mask(mask_of(labels.as_subclass(Tensor), novel_class).long())


def mask_of(labels: Tensor, novel_class: int) -> Tensor:
    """An episode's mask, uint8, from class indices of any shape: 1 where the class is, 255 where unlabelled, else 0.

    >>> mask_of(torch.tensor([0, 3, 7, 255]), 7)
    tensor([  0,   0,   1, 255], dtype=torch.uint8)
    """
    return (labels == novel_class).to(torch.uint8).masked_fill(labels == UNLABELLED, UNLABELLED)


def read_labelled(item: Item) -> Pair:
    """The decoded image and its class indices, (H, W) uint8.

    Raises:
        ValueError: the mask has another size than the image.
    """
    image = read_image(item.image)
    labels = torch.from_numpy(read_mask(item.mask).copy())
    if image.shape[1:] != labels.shape:
        raise ValueError(
            f"{item.mask}: expected the image's size {tuple(image.shape[1:])}, got {tuple(labels.shape)}; "
            "the mask belongs to another picture"
        )
    return tv_tensors.Image(image), tv_tensors.Mask(labels)


def evaluation_transform(size: int) -> v2.Transform:
    """Resize the longer side to `size`, then pad below and on the right to a square."""
    return v2.Compose([v2.Resize(None, max_size=size, antialias=True), _PadToSquare(size), *finish()])


def finish() -> list[v2.Transform]:
    """The last step of evaluation: bytes to float32, normalised by ImageNet's mean and deviation; masks stay."""
    return [_NormaliseImage()]


def normalise(images: Tensor) -> Tensor:
    """Bytes (..., 3, H, W) to float32, normalised by ImageNet's mean and deviation."""
    if images.dtype != torch.uint8:
        raise TypeError(f"images: expected bytes, got {images.dtype}; normalise once only")
    scaled = v2.functional.to_dtype(images, torch.float32, scale=True)
    return v2.functional.normalize(scaled, list(MEAN), list(STD))


class _PadToSquare(v2.Transform):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        height, width = inpt.shape[-2:]
        fill = 255 if isinstance(inpt, tv_tensors.Mask) else list(MEAN_COLOUR)
        return v2.functional.pad(inpt, [0, 0, self.size - width, self.size - height], fill=fill)


class _NormaliseImage(v2.Transform):
    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        # Decoders leave the channels last, where the next steps take twice as long.
        return inpt if isinstance(inpt, tv_tensors.Mask) else normalise(inpt.contiguous())


def square_truth(mask: Tensor) -> Tensor:
    """The mask at its original size, padded with 255 to a square, as the evaluation's images are."""
    side = max(mask.shape)
    padded = mask.new_full((side, side), UNLABELLED)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    return padded


def read_square_truth(item: Item) -> Tensor:
    """Class indices of an image at its original size, padded with 255 to a square: (s, s) uint8."""
    return square_truth(torch.from_numpy(read_mask(item.mask).copy()))


class EpisodeDataset(Dataset[dict[str, Tensor]]):
    """Episodes as tensors: query (3, H, W), mask (H, W), supports (S, 3, H, W), support_masks (S, H, W), class, index.

    The augmentation of an episode depends only on the seed and the episode's place in the list, not on the number of
    workers or on where a run was resumed.
    """

    def __init__(self, images: ImageList, episodes: list[Episode], transform: v2.Transform, seed: int = 0) -> None:
        self.images = images
        self.episodes = episodes
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        episode = self.episodes[index]
        query = read_pair(self.images.items[episode.query], episode.novel_class)
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would also note a traceback for every GPU, at each call.
            torch.default_generator.manual_seed(self.seed * 1_000_003 + index)
            image, mask = self.transform(*query)
            shots = [self.transform(*read_pair(self.images.items[s], episode.novel_class)) for s in episode.supports]
        return {
            "query": image.as_subclass(Tensor),
            "mask": mask.as_subclass(Tensor),
            "supports": torch.stack([image.as_subclass(Tensor) for image, _ in shots]),
            "support_masks": torch.stack([mask.as_subclass(Tensor) for _, mask in shots]),
            "class": torch.tensor(episode.novel_class),
            "index": torch.tensor(index),
        }


def displayable(image: Tensor) -> Tensor:
    """Turn a normalised image (3, H, W) back into uint8."""
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return ((image * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
