"""What the two benchmarks of a training step share: their batch, their command line, their measure of memory."""

import argparse
import multiprocessing
import resource
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from common.measure import use_threads

SEED = 0


class Episodes(NamedTuple):
    """One batch: images, the support's masks, the query's."""

    query: Tensor
    supports: Tensor
    support_masks: Tensor
    y: Tensor


def episodes(batch: int, size: int, device: str = "cpu") -> Episodes:
    """Images of noise, with rectangles as masks."""
    torch.manual_seed(SEED)
    masks = torch.zeros(batch, size, size, dtype=torch.long)
    masks[:, size // 4 : size // 2, size // 4 : size * 3 // 4] = 1
    supports = torch.randn(batch, 1, 3, size, size)
    drawn = Episodes(torch.randn(batch, 3, size, size), supports, masks[:, None].transpose(2, 3), masks)
    return Episodes(*(tensor.to(device) for tensor in drawn))


def sgd(network: nn.Module) -> torch.optim.Optimizer:
    """SGD over the trained parameters, with the paper's momentum and weight decay."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trained, 1e-3, 0.9, weight_decay=1e-4)


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of --batch, --size, --rounds and --threads."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--size", type=int, default=473)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int)
    return options


def peaks(make: Callable[..., Callable[[], object]], arms: Sequence[str], *given: object) -> dict[str, int]:
    """For each arm, the peak bytes of the step `make(arm, *given)` beyond those before it, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as process:
        return {arm: process.apply(_peak, (make, arm, torch.get_num_threads(), given)) for arm in arms}


def _peak(make: Callable[..., Callable[[], object]], arm: str, threads: int, given: Sequence[object]) -> int:
    use_threads(threads)
    step = make(arm, *given)
    on_gpu = torch.cuda.is_available() and torch.cuda.memory_allocated() > 0
    before = torch.cuda.memory_allocated() if on_gpu else _resident()
    step()
    return (torch.cuda.max_memory_allocated() if on_gpu else _resident()) - before


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
