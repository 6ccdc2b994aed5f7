"""Plain PyTorch, mixed precision and accumulated gradients: blend each micro-batch, then scale and go backward.

- Call `blend` once for each forward, before the next one: the attachment holds the last pass alone. A mask, a forward,
  a blend and a backward belong together.
- Divide by the number of micro-batches after blending. Where all have as many judged pixels, the sum of their gradients
  is that of the one big batch, up to the draws of the task; else it is the mean of means, as with any masked loss.
- The forward and `blend` lie inside `autocast`. Losses are computed in float32 there, and outside too.
- GradScaler sees one scalar, the blended loss. It needs nothing else.

python examples/loops/amp_accumulation.py
"""

import tempfile
from pathlib import Path

import torch
from episodes import Episodes, evaluate, say_how_it_fell
from tiny_pfenet import TinyPFENet
from torch.utils.data import DataLoader

from selfcontrast import SelfContrastiveAuxiliary

MICRO_BATCHES = 2

torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# A CPU has no float16 worth the name; bfloat16 needs no scaler, and a disabled one passes everything on.
precision = torch.float16 if device.type == "cuda" else torch.bfloat16
model = TinyPFENet().to(device)
attachment = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5).attach(model, "pfenet")
optimizer = torch.optim.Adam((one for one in model.parameters() if one.requires_grad), 2e-2)
scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
losses = []

for step, batch in enumerate(DataLoader(Episodes(480), batch_size=8), start=1):
    query, support, support_mask, mask = (part.to(device) for part in batch)
    with torch.autocast(device.type, precision):
        _, main_loss, aux_loss = model(query, support, support_mask, mask)
        loss = attachment.blend(main_loss + aux_loss)
    scaler.scale(loss / MICRO_BATCHES).backward()
    losses.append(loss.detach())
    if step % MICRO_BATCHES == 0:
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    if step % 20 == 0:
        print(f"step {step}:", ", ".join(f"{name} {value:.2f}" for name, value in attachment.log().items()))

with tempfile.TemporaryDirectory() as folder:
    torch.save(model.state_dict(), Path(folder) / "model.pt")
    plain = TinyPFENet().to(device)
    plain.load_state_dict(torch.load(Path(folder) / "model.pt", weights_only=True))
print(f"IoU {evaluate(model):.3f}; of the saved weights in a model without the task {evaluate(plain):.3f}")
say_how_it_fell(losses)
