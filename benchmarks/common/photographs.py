"""Feature maps as a network leaves them: photographs of SELFCONTRAST_VOC, or drawn scenes, through a backbone."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples" / "pfenet_scnet")]

from data.pictures import read_image  # noqa: E402
from data.synthetic import DRAWING, make_scenes  # noqa: E402
from data.transforms import normalise  # noqa: E402
from model.backbones import build_backbone  # noqa: E402
from torchvision.transforms import v2  # noqa: E402


def high_level_features(name: str, count: int, side: int, batch: int = 4, seed: int = 0) -> Tensor:
    """The last layer's maps (count, C, h, w) of `count` images, squashed to `side` pixels.

    Args:
        name: a name of `build_backbone`; EfficientNet-Lite0 has its ImageNet weights, any other random ones and, since
            random layers need them, the statistics of its batch.
        count: images.
        side: the side of the square that each image is resized to.
        batch: images a forward pass.
        seed: seeds the random weights.
    """
    trained = name == "efficientnet_lite0"
    torch.manual_seed(seed)
    network = torch.nn.Sequential(*build_backbone(name, "imagenet" if trained else None).layers).train(not trained)
    with torch.no_grad():
        return torch.cat([network(images) for images in _batches(count, side, batch)])


def _batches(count: int, side: int, batch: int) -> Iterator[Tensor]:
    files = image_files(count)
    for start in range(0, count, batch):
        images = [v2.functional.resize(read_image(path), [side, side]) for path in files[start : start + batch]]
        yield normalise(torch.stack(images))


def image_files(count: int) -> list[Path]:
    """Images at even distances in the training list; benchmarks must not use the images that models are scored on."""
    root = Path(os.environ.get("SELFCONTRAST_VOC") or make_scenes(ROOT / "runs" / f"scenes-{DRAWING}-hidden0.25"))
    lines = (root / "ImageSets" / "Segmentation" / "train.txt").read_text().splitlines()
    names = [Path(line.split()[0]).stem for line in lines if line.strip()]
    if len(names) < count:
        raise ValueError(f"SELFCONTRAST_VOC: expected {count} images in {root}, got {len(names)}; name a larger folder")
    return [root / "JPEGImages" / f"{names[i * len(names) // count]}.jpg" for i in range(count)]
