"""A LightningModule that trains with the task: attach in `setup`, blend in `training_step`, log with `log_dict`.

- `setup` runs in the process that trains. A module that is pickled on its way there (`strategy="ddp_spawn"`) arrives
  without what `__init__` attached, and `blend` refuses the first step.
- Lightning wraps this module, not `self.model`. So no strategy changes anything, and no `model.module` is needed.
- Lightning writes down what was logged last. So log in the very step that it writes, else the figures are stale.

python examples/loops/lightning_module.py
"""

import tempfile
from pathlib import Path

import lightning
import torch
from episodes import Episodes, evaluate, say_how_it_fell
from lightning.pytorch.loggers import CSVLogger
from tiny_pfenet import TinyPFENet
from torch import Tensor
from torch.utils.data import DataLoader

from selfcontrast import SelfContrastiveAuxiliary


class FewShotSegmentation(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = TinyPFENet()
        self.attachment, self.losses = None, []

    def setup(self, stage: str) -> None:
        if self.attachment is None:
            self.attachment = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5).attach(self.model, "pfenet")

    def training_step(self, batch: list[Tensor], place: int) -> Tensor:
        _, main_loss, aux_loss = self.model(*batch)
        loss = self.attachment.blend(main_loss + aux_loss)
        self.losses.append(loss.detach())
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:
            self.log_dict(self.attachment.log())
        return loss

    def validation_step(self, batch: list[Tensor], place: int) -> None:
        self.log("accuracy", (self.model(*batch[:3]).argmax(1) == batch[3]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam((one for one in self.parameters() if one.requires_grad), 2e-2)


if __name__ == "__main__":
    lightning.seed_everything(0)
    module = FewShotSegmentation()
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(max_epochs=1, logger=CSVLogger(folder), log_every_n_steps=20)
        trainer.fit(module, DataLoader(Episodes(480), batch_size=8), DataLoader(Episodes(32, first=2_000_000), 8))
        print((Path(trainer.log_dir) / "metrics.csv").read_text())
        saved = FewShotSegmentation.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
    print(f"IoU {evaluate(module.model):.3f}; of the checkpoint without the task {evaluate(saved.model):.3f}")
    say_how_it_fell(module.losses)
