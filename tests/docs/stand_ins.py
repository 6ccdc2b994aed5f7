"""What a page leaves to its reader: a model, a batch, a loss. Its blocks find them under the page's own names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from hosts import build
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, interpolate

Names = dict[str, Any]


@dataclass(frozen=True)
class StandIn:
    """The reader's part of a page.

    Attributes:
        names: builds what the page's blocks use and do not make.
        before: code that runs before a line which begins so: a step that the page only mentions.
        after: looks at what the blocks left behind.
    """

    names: Callable[[], Names] = dict
    before: dict[str, str] = field(default_factory=dict)
    after: Callable[[Names], None] = lambda names: None


class Own(nn.Module):
    """A model with a comparison of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(16, 2, 1)

    def compare(self, features: Tensor, prototype_map: Tensor) -> Tensor:
        return self.head(torch.cat([features, prototype_map], 1))


class Matcher(nn.Module):
    """The model of docs/attach-by-hand.md, for the pages that only call it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, stride=4)
        self.deep = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.reduce = nn.Sequential(nn.Conv2d(16, 8, 1), nn.LeakyReLU(), nn.Dropout2d())
        self.mix = nn.Sequential(nn.Conv2d(8 + 8 + 1, 8, 3, padding=1), nn.ReLU())
        self.head, self.side = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> tuple[Tensor, Tensor]:
        inside = interpolate(support_mask[:, None].float(), scale_factor=0.25)
        matched = self.reduce(self.stem(support))
        prototype = (matched * inside).sum((2, 3), keepdim=True) / inside.sum((2, 3), keepdim=True)
        low = self.stem(query)
        _, features = self.deep(low), self.reduce(low)
        prior = cosine_similarity(features, prototype, dim=1)[:, None].clamp(min=0)
        merged = self.mix(torch.cat([prototype.expand_as(features), features, prior], 1))
        return self.head(merged), self.side(merged)


def square(batch: int = 2, pixels: int = 32) -> Tensor:
    mask = torch.zeros(batch, pixels, pixels, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    return mask


def main_loss(logits: Tensor, mask: Tensor) -> Tensor:
    return cross_entropy(interpolate(logits, mask.shape[1:], mode="bilinear", align_corners=True), mask)


def episodes() -> Names:
    """A batch of episodes, and a loss, as a training script has them."""
    images = {"query": torch.rand(2, 3, 32, 32), "support": torch.rand(2, 3, 32, 32)}
    return images | {"support_mask": square(), "mask": square(), "main_loss": main_loss}


def hosts() -> Names:
    """A small PFENet with its batch, and a model without a preset with its own."""
    small = build("pfenet")
    batch = tuple(small.keywords[name] for name in ("x", "s_x", "s_y", "y"))
    return episodes() | {"model": small.model, "batch": batch, "strange_model": Matcher(), "small": small}


def readme() -> Names:
    """Both models of the README: one that is attached to, and, from its section on, one's own."""
    own = {
        "features": torch.rand(2, 8, 8, 8, requires_grad=True),
        "high_level": torch.rand(2, 16, 4, 4),
        "mask": square(),
        "own": Own(),
    }
    return hosts() | own


def both_ways_learnt(names: Names) -> None:
    """The attached model got its blended loss, and lost every hook; one's own got a gradient, the parts shapes."""
    assert names["blended"] != names["plain"]
    assert not names["small"].model._forward_hooks
    names["loss"].backward()
    assert names["own"].head.weight.grad is not None and names["loss"] != 1
    assert names["prototype_map"].shape == (2, 8, 8, 8)


BLEND = "loss = attachment.blend(loss)"
STAND_INS = {
    "README.md": StandIn(
        readme,
        {
            BLEND: "loss = plain = small.main_loss(model(*batch))",
            "attachment.detach()": "attachment.blend(small.main_loss(model(*batch)))",
            "auxiliary = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5)": (
                "blended, model, main_loss = loss, own, torch.tensor(1.0)"
            ),
        },
        both_ways_learnt,
    ),
    "docs/index.md": StandIn(hosts, {BLEND: "loss = small.main_loss(model(*batch))"}),
    "docs/attach.md": StandIn(hosts, {BLEND: "loss = small.main_loss(model(*batch))"}),
    "docs/attach-by-hand.md": StandIn(episodes),
    "docs/attach-cosine.md": StandIn(episodes),
    "docs/attach-unusual.md": StandIn(episodes),
    "docs/support-reliance.md": StandIn(),
}
# Pages whose blocks need a work folder and minutes of training have a test of their own, which runs them all.
OWN_TESTS = {
    "docs/own-data.md": "tests/pfenet_scnet/test_own_data.py",
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
    "docs/recipes.md": "tests/docs/test_recipes.py",
}
