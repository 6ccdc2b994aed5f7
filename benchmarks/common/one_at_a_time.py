"""Evaluation as published code does it: every episode through the whole model, with nothing shared."""

import torch
import torch.nn.functional as F
from data.episodes import Episode
from data.image_list import ImageList
from data.transforms import read_pair
from evaluation.evaluator import episodes_of
from evaluation.metrics import FoldMeter, FoldScores
from evaluation.protocols import PROTOCOLS
from model.pfenet import PFENet
from recipe import Recipe
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm


class OneAtATime:
    """An episode's images, masks and truth, prepared anew whenever it comes."""

    def __init__(self, recipe: Recipe, images: ImageList, episodes: list[Episode]) -> None:
        self.images = images
        self.episodes = episodes
        self.protocol = PROTOCOLS[recipe.protocol]
        self.transform = self.protocol.transform(recipe.size)

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        episode = self.episodes[index]
        query, *supports = (
            read_pair(self.images.items[i], episode.novel_class) for i in (episode.query, *episode.supports)
        )
        prepared, mask = (part.as_subclass(Tensor) for part in self.transform(*query))
        shots = [self.transform(*support) for support in supports]
        pictures, masks = (torch.stack([shot[part].as_subclass(Tensor) for shot in shots]) for part in (0, 1))
        return prepared, pictures, masks, self.protocol.truth(query[1].as_subclass(Tensor), mask), episode.novel_class


@torch.no_grad()
def evaluate_one_at_a_time(model: PFENet, recipe: Recipe, images: ImageList) -> FoldScores:
    """The same scores as `evaluate`, as published code computes them: every episode through the whole model."""
    model.eval()
    meter = FoldMeter(recipe.held_out_classes())
    episodes = OneAtATime(recipe, images, episodes_of(recipe, images))
    for query, supports, masks, truth, novel_class in tqdm(DataLoader(episodes, 1, num_workers=recipe.workers)):
        logits = F.interpolate(model(query, supports, masks), truth.shape[1:], mode="bilinear", align_corners=True)
        meter.update(logits.argmax(1), truth, int(novel_class))
    return meter.scores()
