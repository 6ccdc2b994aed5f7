"""Fabric on two processes: attach to your own model, before `fabric.setup` wraps it.

- The wrapped model is what you call. Its forward runs your model's, whose hooks act there.
- Two processes with half a batch each have the gradients of one with the whole batch where both halves have as many
  judged pixels, up to the draws: each process draws its own negative prototypes.
- `attachment.log()` tells of this process's own half.

python examples/loops/fabric_processes.py
"""

import tempfile
from pathlib import Path

import torch
from episodes import Episodes, evaluate, say_how_it_fell
from lightning.fabric import Fabric
from tiny_pfenet import TinyPFENet
from torch.utils.data import DataLoader

from selfcontrast import SelfContrastiveAuxiliary

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", precision="bf16-mixed")
fabric.launch()
# The same weights in both processes come from DDP; other draws in each from another seed.
fabric.seed_everything(fabric.global_rank, verbose=False)
plain_model = TinyPFENet()
attachment = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5).attach(plain_model, "pfenet")
optimizer = torch.optim.Adam((one for one in plain_model.parameters() if one.requires_grad), 2e-2)
model, optimizer = fabric.setup(plain_model, optimizer)
loader = fabric.setup_dataloaders(DataLoader(Episodes(480), batch_size=4))
losses = []

for step, (query, support, support_mask, mask) in enumerate(loader, start=1):
    _, main_loss, aux_loss = model(query, support, support_mask, mask)
    loss = attachment.blend(main_loss + aux_loss)
    optimizer.zero_grad()
    fabric.backward(loss)
    optimizer.step()
    losses.append(loss.detach())
    if step % 20 == 0:
        fabric.print(f"step {step}:", ", ".join(f"{name} {value:.2f}" for name, value in attachment.log().items()))

if fabric.is_global_zero:
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), Path(folder) / "model.pt")
        saved = TinyPFENet()
        saved.load_state_dict(torch.load(Path(folder) / "model.pt", weights_only=True))
    print(f"IoU {evaluate(plain_model):.3f}; of the saved weights in a model without the task {evaluate(saved):.3f}")
    say_how_it_fell(losses)
