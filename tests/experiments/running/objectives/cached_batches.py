"""Batches of cached features from a tiny model, and masks of every kind that a crop can leave."""

import torch
from torch import nn

SIDE = 48


def cached_batch(model, masks, support_masks=None):
    """A batch as `CachedEpisodes` gives it, of random pictures; masks (B, 48, 48)."""
    pictures = torch.rand(2, len(masks), 3, SIDE, SIDE)
    support_masks = masks.flip(0) if support_masks is None else support_masks
    extracted = model.extract(pictures[0], pictures[1][:, None], support_masks[:, None])
    maps = {name: value.movedim(-3, -1) for name, value in extracted._asdict().items() if name != "support_masks"}
    return maps | {"support_masks": support_masks[:, None].to(torch.uint8), "mask": masks}


def without_dropout(model):
    """The model, all of whose passes see the same features; in eval mode the task would do nothing."""
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return model


def usual_masks():
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.long)
    masks[0, 8:30, 8:30] = 1
    masks[1, 20:40, 4:44] = 1
    masks[2, :24, :24] = 1
    masks[2, 40:] = 255
    return masks


def degenerate_masks():
    """By name, two images each."""
    empty = torch.zeros(2, SIDE, SIDE, dtype=torch.long)
    mixed = empty.clone()
    mixed[0], mixed[1] = 255, 1
    edge = torch.full_like(empty, 255)
    edge[0, 0, 0], edge[1, :, 0] = 1, 0
    return {
        "no foreground": empty,
        "no background": empty + 1,
        "unlabelled only": empty + 255,
        "one unlabelled, one foreground": mixed,
        "a pixel too few for a cell": edge,
    }
