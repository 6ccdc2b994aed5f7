"""Every device that torch has here, and one training step of a small attached model on it."""

from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from selfcontrast.attach.hooks import count_hooks
from selfcontrast.attach.host import Entry, Exit, Host
from selfcontrast.auxiliary import SelfContrastiveAuxiliary


class Checkup(NamedTuple):
    """How a device did: `error` is None where all is well."""

    device: str
    description: str
    error: str | None


class Small(nn.Module):
    """The smallest host: a prototype beside the features, and a head that compares them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(16, 2, 1)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        logits = self.head(torch.cat([features, prototype.expand_as(features)], 1))
        return nn.functional.cross_entropy(nn.functional.interpolate(logits, mask.shape[1:]), mask)


def devices() -> list[torch.device]:
    """The processor, and every accelerator.

    >>> devices()[0]
    device(type='cpu')
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return [torch.device("cpu")]
    others = [torch.device(accelerator.type, index) for index in range(torch.accelerator.device_count())]
    return [torch.device("cpu"), *others]


def describe(device: torch.device) -> str:
    """What a device is called, or how many threads the processor works with."""
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"{threads} thread{'' if threads == 1 else 's'}"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"torch's {device.type} backend"


def examine(device: torch.device) -> Checkup:
    """A device's check; whatever goes wrong on it is told, not raised."""
    try:
        description, start = describe(device), perf_counter()
        failed = [claim for claim, holds in train_once(device).items() if not holds]
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return Checkup(str(device), "", f"{type(error).__name__}: {first}")
    seconds = perf_counter() - start
    return Checkup(str(device), f"{description}, {seconds:.2f} s", ", ".join(failed) or None)


def train_once(device: torch.device) -> dict[str, bool]:
    """What must hold of one attached training step, and whether it does."""
    generator = torch.Generator().manual_seed(0)
    model = Small().to(device)
    query, support = (torch.rand(2, 3, 32, 32, generator=generator).to(device) for _ in range(2))
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 8:20, 8:20] = 1
    mask = mask.to(device)
    host = Host("encoder", "encoder", entries=(Entry("head", "C:2C"),), exits=(Exit("head"),), mask="mask")
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    loss = attachment.blend(model(query, support, mask))
    loss.backward()  # pyright: ignore[reportUnknownMemberType]
    log = attachment.log()
    attachment.detach()
    halves = log["main_loss"] / 2 + log["contrast_loss"] / 2
    learned = [parameter.grad for parameter in model.parameters()]
    return {
        "the blended loss is (1 − λ) L1 + λ L2": abs(log["blended_loss"] - halves) < 1e-3,
        "the gradient reaches every parameter": all(one is not None and bool(one.abs().sum() > 0) for one in learned),
        "detach leaves no hook": count_hooks(model) == 0,
    }
