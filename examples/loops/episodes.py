"""Drawn episodes, a square of one colour on noise in query and support, and what each loop says at its end."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

PIXELS, SIDE = 32, 12


def scene(colour: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """An image (3, H, W) with a square of the colour, and the square's mask (H, W)."""
    image, mask = 0.3 * torch.rand(3, PIXELS, PIXELS, generator=generator), torch.zeros(PIXELS, PIXELS).long()
    top, left = torch.randint(PIXELS - SIDE, (2,), generator=generator).tolist()
    image[:, top : top + SIDE, left : left + SIDE] += colour[:, None, None]
    mask[top : top + SIDE, left : left + SIDE] = 1
    return image, mask


class Episodes(Dataset[tuple[Tensor, ...]]):
    """Query (3, H, W), support (1, 3, H, W), its mask (1, H, W), the query's mask (H, W); each visit gives the same."""

    def __init__(self, count: int, first: int = 0) -> None:
        self.seeds = range(first, first + count)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, place: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(self.seeds[place])
        colour = 0.7 * torch.rand(3, generator=generator).softmax(0)
        (query, mask), (support, support_mask) = scene(colour, generator), scene(colour, generator)
        return query, support[None], support_mask[None], mask


@torch.no_grad()
def evaluate(model: nn.Module) -> float:
    """Foreground IoU on 64 episodes that no training sees."""
    device = next(model.parameters()).device
    model.eval()
    shared = either = 0
    for batch in DataLoader(Episodes(64, first=1_000_000), batch_size=16):
        query, support, support_mask, mask = (part.to(device) for part in batch)
        found = model(query, support, support_mask).argmax(1)
        shared, either = shared + (found & mask).sum().item(), either + (found | mask).sum().item()
    return shared / either


def say_how_it_fell(losses: list[Tensor]) -> None:
    """Print the mean loss of the first and of the last five steps, and fail if it did not fall."""
    first, last = (torch.stack(part).mean().item() for part in (losses[:5], losses[-5:]))
    assert last < first, f"the loss did not fall: {first:.3f}, then {last:.3f}"
    print(f"the loss fell from {first:.3f} to {last:.3f}")
