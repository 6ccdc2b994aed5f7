"""What docs/recipes.md leaves to its reader, by heading: a small model of the same call pattern, and a batch."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from hosts import build
from torch import Tensor

from selfcontrast import SelfContrastiveAuxiliary

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "loops"))
# isort: split
from episodes import Episodes
from tiny_pfenet import TinyPFENet

Names = dict[str, Any]


def batch() -> list[Tensor]:
    episodes = Episodes(4)
    return [torch.stack(part) for part in zip(*(episodes[place] for place in range(4)), strict=True)]


def loop() -> Names:
    """The model of the loops, a batch, an optimizer, and a few batches more."""
    torch.manual_seed(0)
    model = TinyPFENet()
    names = dict(zip(("query", "support", "support_mask", "mask"), batch(), strict=True))
    learning = [one for one in model.parameters() if one.requires_grad]
    return names | {
        "SelfContrastiveAuxiliary": SelfContrastiveAuxiliary,
        "model": model,
        "optimizer": torch.optim.SGD(learning, 1e-2),
        "batches": [batch(), batch()],
    }


def attached() -> Names:
    names = loop()
    return names | {"attachment": SelfContrastiveAuxiliary().attach(names["model"], "pfenet")}


def after_a_step() -> Names:
    names = attached()
    _, main_loss, aux_loss = names["model"](*batch())
    names["attachment"].blend(main_loss + aux_loss)
    return names | {"step": 100}


def without_mask() -> Names:
    """A host that returns logits alone, and whose forward takes no mask."""
    small = build("fwb")
    query, support, support_mask = small.arguments
    names = {"query": query, "support": support, "support_mask": support_mask, "mask": small.mask}
    return names | {
        "SelfContrastiveAuxiliary": SelfContrastiveAuxiliary,
        "model": small.model,
        "host": small.host,
        "main_loss": lambda logits, mask: small.main_loss(logits),
    }


def precise() -> Names:
    """In float16, so that the scaler is at work."""
    return attached() | {"device": "cpu", "precision": torch.float16, "accumulate": 2}


class Board(SimpleNamespace):
    """In the place of wandb: keeps what it is given."""

    def __init__(self) -> None:
        self.logged: list[Names] = []

    def init(self, project: str) -> SimpleNamespace:
        return SimpleNamespace(log=self.logged.append)

    def Image(self, picture: Any) -> Any:
        assert picture.dtype == "uint8" and picture.shape[2] == 3
        return picture


def published(name: str) -> Callable[[], Names]:
    """A training script of PFENet's kind: its model, its batch by the names of the diffs, its arguments."""

    def names() -> Names:
        torch.manual_seed(0)
        small = build(name).still()
        given = small.keywords
        episode = {"query": given["x"], "support": given["s_x"], "support_mask": given["s_y"], "mask": small.mask}
        small.model.freeze_modules = lambda model: model.layer4.requires_grad_(False)
        arguments = SimpleNamespace(aux_weight=1.0, aux_weight1=1.0, aux_weight2=1.0)
        also = {"base_mask": given.get("y_b"), "classes": given.get("cat_idx")}
        return episode | also | {"model": small.model, "args": arguments, "small": small}

    return names


DIFFS = {"PFENet": published("pfenet"), "BAM": published("bam"), "HDMNet": published("hdmnet")}
# A heading's first block, its second, and so on; blocks of one heading share what they name.
LOOPS: dict[str, Callable[[], Names]] = {
    "Recipes: the loop that you have": loop,
    "PFENet": loop,
    "The forward does not take the mask": without_mask,
    "A warm-up of the weight": attached,
    "GradScaler and accumulated gradients": precise,
    "Fabric": loop,
    "Accelerate": loop,
    "Lightning": loop,
    "torch.compile": loop,
    "Activation checkpointing": attached,
    "An average of the weights (EMA)": attached,
    "Weights & Biases, TensorBoard": after_a_step,
}
# These run in processes of their own.
ELSEWHERE = {"DistributedDataParallel", "FSDP2", "mmengine"}
