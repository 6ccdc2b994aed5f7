"""Your own model, three lines: name its comparison, and add SCNet's task to its loss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selfcontrast import SelfContrastiveAuxiliary


class TinyModel(nn.Module):
    """A few-shot segmentation model of the usual kind: features, a support prototype, a comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.mid = nn.Sequential(nn.Conv2d(3, 32, 4, stride=4), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(32, 64, 2, stride=2), nn.ReLU())
        self.head = nn.Sequential(nn.Conv2d(64, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1))

    def compare(self, features: Tensor, prototype_map: Tensor) -> Tensor:
        return self.head(torch.cat([features, prototype_map], 1))

    def prototype(self, support: Tensor, mask: Tensor) -> Tensor:
        features = self.mid(support)
        weight = F.interpolate(mask[:, None].float(), features.shape[2:])
        return (features * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1)


def squares(count: int) -> tuple[Tensor, Tensor]:
    """Noise with a bright square, and the square's mask."""
    images, masks = 0.3 * torch.rand(count, 3, 64, 64), torch.zeros(count, 64, 64, dtype=torch.long)
    for image, mask, (x, y) in zip(images, masks, torch.randint(0, 40, (count, 2)).tolist(), strict=True):
        image[:, y : y + 24, x : x + 24] += 0.5
        mask[y : y + 24, x : x + 24] = 1
    return images, masks


# %%
torch.manual_seed(0)
model = TinyModel()
auxiliary = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5)
optimizer = torch.optim.Adam(model.parameters(), 3e-3)
for step in range(30):
    (support, support_mask), (query, mask) = squares(4), squares(4)
    features = model.mid(query)
    prototype_map = model.prototype(support, support_mask).expand_as(features)
    logits = F.interpolate(model.compare(features, prototype_map), mask.shape[1:], mode="bilinear", align_corners=True)
    main_loss = F.cross_entropy(logits, mask)
    loss = auxiliary(main_loss, features, model.high(features), mask, compare=model.compare)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 9:
        print(f"step {step + 1}: L1 {main_loss.item():.3f}, blended {loss.item():.3f}")

# %% tags=["active-ipynb"]
# from PIL import Image
# from selfcontrast import show_contrast  # query, regions, background, prototype map, logits, target
# contrast = auxiliary.contrast(features, model.high(features), mask, model.compare)
# Image.fromarray(show_contrast((255 * query[0]).byte(), mask[0], contrast).movedim(0, 2).numpy()).resize((788, 128), 0)
