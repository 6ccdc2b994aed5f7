"""The gradients of one step of the loops' model; run as a script, those of two Fabric processes with half a batch each.

python tests/loops/loop_gradients.py FOLDER
"""

import sys
from pathlib import Path

import torch
from lightning.fabric import Fabric
from loop_modules import Episodes, TinyPFENet
from torch import Tensor, nn

from selfcontrast import Attachment, SelfContrastiveAuxiliary


def attached() -> tuple[nn.Module, Attachment]:
    """The same weights each time; one region, so that nothing is drawn."""
    torch.manual_seed(0)
    model = TinyPFENet()
    return model, SelfContrastiveAuxiliary(num_prototypes=1).attach(model, "pfenet")


def whole_batch() -> list[Tensor]:
    """Four episodes, in which every pixel has a label and a prototype."""
    episodes = Episodes(4)
    return [torch.stack(part) for part in zip(*(episodes[place] for place in range(4)), strict=True)]


def half(batch: list[Tensor], place: int) -> list[Tensor]:
    return [part[2 * place : 2 * place + 2] for part in batch]


def blended(model: nn.Module, attachment: Attachment, batch: list[Tensor]) -> Tensor:
    _, main_loss, aux_loss = model(*batch)
    return attachment.blend(main_loss + aux_loss)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


if __name__ == "__main__":
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    model, attachment = attached()
    wrapped = fabric.setup(model)
    fabric.backward(blended(wrapped, attachment, half(whole_batch(), fabric.global_rank)))
    torch.save(gradients(model), Path(sys.argv[1]) / f"{fabric.global_rank}.pt")
