"""Blocks of docs/recipes.md that need processes of their own: two for data parallel, one that can import mmengine."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from recipe_stand_ins import Episodes, TinyPFENet, batch, loop
from torch import Tensor
from torch.utils.data import DataLoader

from selfcontrast import SelfContrastiveAuxiliary

# One region: nothing is drawn, so that processes can be compared.
DRAWING_NOTHING = partial(SelfContrastiveAuxiliary, num_prototypes=1)


def gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    """Whole ones, where each process holds a part."""
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return {name: one.full_tensor() if hasattr(one, "full_tensor") else one for name, one in found.items()}


def of_one_process() -> dict[str, Tensor]:
    model = loop()["model"]
    attachment = DRAWING_NOTHING().attach(model, "pfenet")
    _, main_loss, aux_loss = model(*batch())
    attachment.blend(main_loss + aux_loss).backward()
    return gradients(model)


def half_a_batch(rank: int, folder: str, blocks: dict[str, str]) -> None:
    """Run each block with this process's half of the batch, and keep its gradients."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    for heading, code in blocks.items():
        names: dict[str, Any] = loop() | {"torch": torch, "SelfContrastiveAuxiliary": DRAWING_NOTHING}
        for name in ("query", "support", "support_mask", "mask"):
            names[name] = names[name][2 * rank : 2 * rank + 2]
        exec(compile(code, heading, "exec"), names)
        torch.save(gradients(names["model"]), Path(folder) / f"{heading}-{rank}.pt")
    dist.destroy_process_group()


def run_mmengine(block: str) -> None:
    """The block's class under mmengine's Runner: one epoch, and what it logs."""
    names: dict[str, Any] = {"SelfContrastiveAuxiliary": SelfContrastiveAuxiliary}
    exec(compile(block, "mmengine", "exec"), names)
    from mmengine.runner import Runner  # pyright: ignore

    torch.manual_seed(0)
    segmentor = names["FewShotSegmentor"](TinyPFENet())
    before = {name: one.clone() for name, one in segmentor.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        Runner(
            segmentor,
            folder,
            train_dataloader=DataLoader(Episodes(160), batch_size=8),
            train_cfg={"by_epoch": True, "max_epochs": 1},
            optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "Adam", "lr": 2e-2}},
            experiment_name="recipe",
        ).train()
    assert any(not torch.equal(one, before[name]) for name, one in segmentor.state_dict().items())
    # What it trained with is the blended loss alone.
    hub = names["MessageHub"].get_current_instance()
    assert hub.get_scalar("train/loss").data[0][-1] == hub.get_scalar("train/task_blended_loss").data[0][-1]
    query, support, support_mask, mask = batch()
    assert segmentor.eval()(query, support, support_mask).shape == (4, 2, *mask.shape[1:])
    print("trained")


if __name__ == "__main__":
    run_mmengine(sys.stdin.read())
