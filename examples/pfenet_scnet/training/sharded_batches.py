"""Split a batch into forward passes that processes share."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch.utils.data import Sampler


@dataclass(frozen=True)
class ShardedBatch:
    """A batch that `processes` share: each takes `part` episodes in a row, `micro_batch` of them a forward pass."""

    batch: int
    micro_batch: int
    processes: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.micro_batch) < 1 or self.batch % (self.processes * self.micro_batch):
            raise ValueError(
                f"batch: expected a multiple of processes x micro_batch = {self.processes} x {self.micro_batch}, got "
                f"{self.batch}; the batch is that of all processes together"
            )

    @classmethod
    def of(cls, batch: int, micro_batch: int | None, processes: int, rank: int) -> "ShardedBatch":
        """Where no `micro_batch` is given, a process's part of the batch is one forward pass."""
        return cls(batch, micro_batch or max(batch // processes, 1), processes, rank)

    @property
    def part(self) -> int:
        return self.batch // self.processes

    def first_pass(self, step: int) -> int:
        """The place of this process's first pass of a step among all passes of a run."""
        return (step * self.batch + self.rank * self.part) // self.micro_batch


class ShardedSampler(Sampler[int]):
    """Yields the places in the schedule of the episodes that one process trains on, step after step."""

    def __init__(self, sharding: ShardedBatch, steps: range) -> None:
        self.sharding = sharding
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps) * self.sharding.part

    def __iter__(self) -> Iterator[int]:
        for step in self.steps:
            first = step * self.sharding.batch + self.sharding.rank * self.sharding.part
            yield from range(first, first + self.sharding.part)
