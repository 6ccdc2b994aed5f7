"""Two real processes: each draws its own negatives, both end with the same gradients, and a step repeats."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from selfcontrast import SelfContrastiveAuxiliary


class Host(nn.Module):
    """A backbone and a comparison that blend the task into their loss."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.comparison = nn.Conv2d(8, 2, 1)
        self.auxiliary = SelfContrastiveAuxiliary()
        self.drawn: list[Tensor] = []

    def compare(self, features: Tensor, prototype_map: Tensor) -> Tensor:
        self.drawn.append(prototype_map[:, :, 4, 4].detach().clone())
        return self.comparison(torch.cat([features, prototype_map], 1))

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        features = self.backbone(images)
        logits = self.comparison(torch.cat([features, features.mean((2, 3), keepdim=True).expand_as(features)], 1))
        main_loss = nn.functional.cross_entropy(logits, mask)
        return self.auxiliary(main_loss, features, images, mask, self.compare)


def step(rank: int, folder: str, seeds: tuple[int, int]) -> None:
    """Three steps of one process on the same images: with its seed, with it again, and with the other's."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.manual_seed(0)
    host = Host()
    model = DistributedDataParallel(host)
    images = torch.randn(16, 3, 8, 8)
    mask = torch.zeros(16, 8, 8, dtype=torch.long)
    mask[:, 2:6, 2:6] = 1
    gradients: list[Tensor] = []
    for seed in (seeds[rank], seeds[rank], seeds[1 - rank]):
        torch.manual_seed(seed)
        model.zero_grad()
        model(images, mask).backward()
        gradients.append(torch.cat([parameter.grad.flatten().clone() for parameter in host.parameters()]))
    torch.save({"gradients": gradients, "drawn": host.drawn}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, quickly_spawned: None) -> list[dict[str, list[Tensor]]]:
    folder = tmp_path_factory.mktemp("ddp")
    torch.multiprocessing.spawn(step, (str(folder), (1, 2)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_each_rank_draws_its_own_negatives(ranks: list[dict[str, list[Tensor]]]) -> None:
    assert not torch.equal(ranks[0]["drawn"][0], ranks[1]["drawn"][0])
    # And it is the seed alone that makes them so.
    torch.testing.assert_close(ranks[0]["drawn"][2], ranks[1]["drawn"][0])


def test_gradients_are_the_same_on_both_ranks(ranks: list[dict[str, list[Tensor]]]) -> None:
    for first, second in zip(ranks[0]["gradients"], ranks[1]["gradients"], strict=True):
        assert torch.equal(first, second)
        assert first.isfinite().all() and first.ne(0).any()


def test_a_step_repeats_given_the_same_seeds(ranks: list[dict[str, list[Tensor]]]) -> None:
    for rank in ranks:
        assert torch.equal(rank["drawn"][0], rank["drawn"][1])
        assert torch.equal(rank["gradients"][0], rank["gradients"][1])
        assert not torch.equal(rank["drawn"][0], rank["drawn"][2])
