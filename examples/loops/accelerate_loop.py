"""Accelerate with mixed precision and accumulation: attach before `accelerator.prepare`, blend before `backward`.

- `prepare` may wrap the model (DDP, FSDP, compile) and replace its forward. Hooks that were set before still act.
- `accelerator.backward` divides by the accumulation steps itself. So blend first, and do not divide.
- `unwrap_model` gives your model back, and with `keep_fp32_wrapper=False` its own forward too. Save that one's weights:
  their keys are those of a model without the task.

python examples/loops/accelerate_loop.py
torchrun --nproc-per-node 2 examples/loops/accelerate_loop.py
"""

import tempfile
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from episodes import Episodes, evaluate, say_how_it_fell
from tiny_pfenet import TinyPFENet
from torch.utils.data import DataLoader

from selfcontrast import SelfContrastiveAuxiliary

# Without `cpu=True` several processes on a machine without an accelerator would not know of each other.
accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="bf16", gradient_accumulation_steps=2)
# Each process draws its own negative prototypes.
set_seed(0, device_specific=True)
model = TinyPFENet()
attachment = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5).attach(model, "pfenet")
optimizer = torch.optim.Adam((one for one in model.parameters() if one.requires_grad), 2e-2)
model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(Episodes(480), batch_size=4))
losses = []

for step, (query, support, support_mask, mask) in enumerate(loader, start=1):
    with accelerator.accumulate(model):
        _, main_loss, aux_loss = model(query, support, support_mask, mask)
        loss = attachment.blend(main_loss + aux_loss)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    losses.append(loss.detach())
    if step % 20 == 0:
        figures = ", ".join(f"{name} {value:.2f}" for name, value in attachment.log().items())
        accelerator.print(f"step {step}: {figures}")

if accelerator.is_main_process:
    trained, saved = accelerator.unwrap_model(model, keep_fp32_wrapper=False), TinyPFENet().to(accelerator.device)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(trained.state_dict(), Path(folder) / "model.pt")
        saved.load_state_dict(torch.load(Path(folder) / "model.pt", weights_only=True))
    print(f"IoU {evaluate(trained):.3f}; of the saved weights in a model without the task {evaluate(saved):.3f}")
    say_how_it_fell(losses)
accelerator.end_training()
