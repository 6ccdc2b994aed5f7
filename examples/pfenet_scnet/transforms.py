"""Image and mask together, by torchvision's v2 transforms; padding is the mean colour, unlabelled in the mask.

A transformed pair is an image (3, H, W) float32, normalised, and a mask (H, W) int64 of 0, 1 and 255.
"""

import torch
from episodes import Episode, ImageList, Item
from masks import UNLABELLED, read_mask
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN_COLOUR = tuple(round(255 * value) for value in MEAN)
_FILL = {tv_tensors.Image: _MEAN_COLOUR, tv_tensors.Mask: 255}
AUGMENTATION = "scale, rotation, blur, mirroring and random crop, as PFENet's"

Pair = tuple[tv_tensors.Image, tv_tensors.Mask]


def read_pair(item: Item, novel_class: int) -> Pair:
    """The decoded image and the episode's mask: 1 where `novel_class` is, 255 where unlabelled, else 0."""
    with Image.open(item.image) as picture:
        image = v2.functional.pil_to_tensor(picture.convert("RGB"))
    labels = torch.from_numpy(read_mask(item.mask).copy())
    if image.shape[1:] != labels.shape:
        raise ValueError(
            f"{item.mask}: expected the image's size {tuple(image.shape[1:])}, got {tuple(labels.shape)}; "
            "the mask belongs to another picture"
        )
    mask = (labels == novel_class).long().masked_fill(labels == UNLABELLED, UNLABELLED)
    return tv_tensors.Image(image), tv_tensors.Mask(mask)


def training_transform(size: int) -> v2.Transform:
    """PFENet's augmentation: scale 0.9..1.1, rotation ±10°, blur and mirror half of the time, a random crop."""
    return v2.Compose(
        [
            v2.RandomAffine(10, scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR, fill=_FILL),
            v2.RandomApply([v2.GaussianBlur(5)], 0.5),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomCrop(size, pad_if_needed=True, fill=_FILL),
            *finish(),
        ]
    )


def evaluation_transform(size: int) -> v2.Transform:
    """The longer side to `size`, then padding below and on the right to a square."""
    return v2.Compose([v2.Resize(None, max_size=size, antialias=True), _PadToSquare(size), *finish()])


def finish() -> list[v2.Transform]:
    """The last steps of every transform: to float32 in 0..1, then normalised as ImageNet."""
    return [v2.ToDtype(torch.float32, scale=True), _NormaliseImage()]


class _PadToSquare(v2.Transform):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        height, width = inpt.shape[-2:]
        fill = 255 if isinstance(inpt, tv_tensors.Mask) else list(_MEAN_COLOUR)
        return v2.functional.pad(inpt, [0, 0, self.size - width, self.size - height], fill=fill)


class _NormaliseImage(v2.Transform):
    def transform(self, inpt: Tensor, params: dict[str, object]) -> Tensor:
        return inpt if isinstance(inpt, tv_tensors.Mask) else v2.functional.normalize(inpt, list(MEAN), list(STD))


def square_truth(mask: Tensor) -> Tensor:
    """The mask at its original size, padded with 255 to a square, as the evaluation's images are."""
    side = max(mask.shape)
    padded = mask.new_full((side, side), UNLABELLED)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    return padded


class EpisodeDataset(Dataset[dict[str, Tensor]]):
    """Episodes as tensors: query (3, H, W), mask (H, W), supports (S, 3, H, W), support_masks (S, H, W), class, index.

    The augmentation of an episode depends on (seed, its place in the list) alone: neither on the number of workers, nor
    on where a run was resumed.
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
            torch.manual_seed(self.seed * 1_000_003 + index)
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
    """A normalised image (3, H, W) back to uint8."""
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return ((image * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
