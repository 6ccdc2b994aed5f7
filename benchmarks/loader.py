"""How many training images a second the loader gives, and which decoder is the fastest.

SELFCONTRAST_VOC=DIR python benchmarks/loader.py     # a minute

An episode is two images with their masks, each decoded and augmented. Rounds go through the numbers of workers in turn;
the result is the median. CPU time is that of the process itself, which other work on the machine disturbs less than the
time on the clock. Decoders get the same JPEG bytes and give RGB.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pfenet_scnet"))

from common.measure import command, machine, publish, spread, use_threads  # noqa: E402
from data.augmentation import training_transform  # noqa: E402
from data.transforms import EpisodeDataset  # noqa: E402
from recipe import Recipe  # noqa: E402

WARM_UP, STEPS, ROUNDS, FILES = 4, 40, 5, 300
WORKERS = (0, 1, 2)
RGB = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
DECODERS: dict[str, Callable[[bytes], object]] = {
    "simplejpeg": lambda data: simplejpeg.decode_jpeg(data, "RGB", strict=True),
    "opencv": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), RGB),
    "pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
    "torchvision": lambda data: torchvision.io.decode_jpeg(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB
    ),
}


def images_a_second(dataset: EpisodeDataset, batch: int, workers: int) -> tuple[float, float]:
    """Images a second by the clock, and by this process's CPU time, which is useful only without workers."""
    loader = iter(DataLoader(dataset, batch, num_workers=workers))
    for _ in range(WARM_UP):
        next(loader)
    started, used = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        next(loader)
    images = 2 * batch * STEPS
    return images / (time.perf_counter() - started), images / (time.process_time() - used)


def decoded_a_second(files: list[bytes]) -> dict[str, list[float]]:
    """JPEGs a CPU second, by decoder and round."""
    rounds: dict[str, list[float]] = {name: [] for name in DECODERS}
    for _ in range(ROUNDS):
        for name, decode in DECODERS.items():
            used = time.process_time()
            for data in files:
                decode(data)
            rounds[name].append(len(files) / (time.process_time() - used))
    return rounds


def main() -> None:
    use_threads(1)
    recipe = Recipe(size=473, batch=4, steps=WARM_UP + STEPS).resolve()
    images = recipe.training_images()
    dataset = EpisodeDataset(images, recipe.training_episodes(images), training_transform(recipe.size), recipe.seed)
    rounds = [{workers: images_a_second(dataset, recipe.batch, workers) for workers in WORKERS} for _ in range(ROUNDS)]
    decoded = decoded_a_second([item.image.read_bytes() for item in images.items[:FILES]])
    measured = [(f"{w} workers", "images a second", [one[w][0] for one in rounds]) for w in WORKERS]
    measured += [("0 workers", "images a CPU second", [one[0][1] for one in rounds])]
    measured += [(decoder, "JPEGs decoded a CPU second", values) for decoder, values in decoded.items()]
    report = {
        "question": "How many training images a second does the loader give, and which decoder is the fastest?",
        "command": command(),
        "seed": recipe.seed,
        "settings": {"size": recipe.size, "batch": recipe.batch},
        "units": {measure: "1/s" for _, measure, _ in measured},
        "rows": [{"arm": arm, "measure": measure, **spread(values)} for arm, measure, values in measured],
        "environment": machine(("simplejpeg", "opencv-python-headless", "pillow")),
    }
    publish("loader", report, ("arm", "measure", "median", "min", "max", "rounds"))


if __name__ == "__main__":
    main()
