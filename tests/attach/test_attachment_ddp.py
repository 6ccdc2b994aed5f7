"""Two real processes with an attached model each: their gradients are one process's on the joined batch."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hosts import Small, build
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

NAMES = ("hpa", "rpmms", "mlc")


def joined(name: str) -> Small:
    """Two episodes, in which both masks have as many labelled pixels: so the mean of means is the mean of all."""
    torch.manual_seed(0)
    small = build(name).still()
    small.model.eval().train()
    for module in small.model.modules():
        # Frozen: statistics of half a batch are not those of the whole one.
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return small


def halved(small: Small, rank: int) -> Small:
    """One rank's share of the batch."""

    def share(tree: object) -> object:
        return torch.utils._pytree.tree_map_only(Tensor, lambda tensor: tensor[rank : rank + 1], tree)

    if small.name == "rpmms":
        small.model.batch = 1
    small.arguments, small.keywords = share(small.arguments), share(small.keywords)
    small.mask = small.mask[rank : rank + 1]
    return small


def judged(small: Small, output: object, mask: Tensor) -> Tensor:
    from host_models.canet_family import three_rounds
    from host_models.parts import judged as cross_entropy

    if small.name == "hpa":
        return small.main_loss(output)
    return three_rounds(output[1:], mask) if small.name == "rpmms" else cross_entropy(output, mask)


def gradients(name: str, rank: int | None) -> list[Tensor]:
    small = joined(name)
    small = small if rank is None else halved(small, rank)
    # One prototype a query, so that no draw of a negative differs; RPMMs' own mixture draws once for all rows.
    attachment = small.attach(num_prototypes=1)
    model = (
        small.model if rank is None else DistributedDataParallel(small.model, find_unused_parameters=name == "rpmms")
    )
    plain, small.model = small.model, model
    torch.manual_seed(7)
    for _ in range(2):
        plain.zero_grad()
        torch.manual_seed(7)
        loss = attachment.blend(judged(small, small.step(attachment), small.mask))
        loss.backward()
    small.model = plain
    return [one.grad for one in plain.parameters() if one.grad is not None]


def rank_step(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save({name: gradients(name, rank) for name in NAMES}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, quickly_spawned: None) -> list[dict[str, list[Tensor]]]:
    folder = tmp_path_factory.mktemp("ddp")
    torch.multiprocessing.spawn(rank_step, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_one_process_on_the_joined_batch(
    name: str, ranks: list[dict[str, list[Tensor]]]
) -> None:
    expected = gradients(name, None)
    assert len(expected) >= 2 and any(one.ne(0).any() for one in expected)
    for rank in ranks:
        for one, other in zip(rank[name], expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
