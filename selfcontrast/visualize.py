"""Regions, masks, prototype maps and logits as pictures (3, H, W) uint8, which TensorBoard and W&B take.

The colours are Okabe and Ito's, which readers with a colour vision deficiency tell apart, in an order that keeps the
first ones furthest apart. The first is the foreground's in every picture. Region k has the colour k + 1.

    writer.add_image("contrast", show_contrast(image, mask, attachment.contrast), step)               # TensorBoard
    run.log({"contrast": wandb.Image(show_contrast(image, mask, attachment.contrast).permute(1, 2, 0).numpy())})
"""

from math import isfinite
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import check_mask, check_tensors, require, shown, values_are_free, values_of
from selfcontrast.loss import resize_logits
from selfcontrast.prototypes import foreground_cells, resize_nearest

Picture = UInt8[Tensor, "3 H W"]

COLOUR_NAMES = ("vermilion", "blue", "yellow", "pink", "sky blue", "green")
COLOURS = ((213, 94, 0), (0, 114, 178), (240, 228, 66), (204, 121, 167), (86, 180, 233), (0, 158, 115))
# Where a map holds no prototype, and the two stripes that stand for "not labelled".
NO_PROTOTYPE = (120, 120, 120)
STRIPES = ((205, 205, 205), (110, 110, 110))
# Matplotlib's viridis at 17 even steps: equal steps of the value look equally large.
RAMP = (
    *((68, 1, 84), (72, 24, 106), (71, 45, 123), (66, 64, 134), (59, 82, 139), (51, 99, 141)),
    *((44, 114, 142), (38, 130, 142), (33, 145, 140), (31, 160, 136), (40, 174, 128), (63, 188, 115)),
    *((94, 201, 98), (132, 212, 75), (173, 220, 48), (216, 226, 25), (253, 231, 37)),
)
# A prototype counts as held where it differs by less than this share of its length, as rounding to bfloat16 does.
SAME = 1 / 64


def overlay_labels(image: Tensor, labels: Tensor, opacity: float = 0.55) -> Picture:
    """Colour an image by its labels.

    Args:
        image: (3, H, W) uint8.
        labels: integers on any grid; a negative label leaves the image as it is, k takes the k-th of six colours,
            beginning again after the last.
        opacity: of the colour, 0..1.

    Raises:
        InputError: on another shape or dtype, or an opacity out of range.

    >>> import torch
    >>> overlay_labels(torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[-1, 0]]), opacity=1.0)[:, 0].T
    tensor([[  0,   0,   0],
            [213,  94,   0]], dtype=torch.uint8)
    """
    _check_image(image)
    _check_grid(labels, "labels", "pass one image's labels")
    _check_opacity(opacity)
    resized = resize_nearest(labels, (image.shape[1], image.shape[2]))
    colours = _colours(COLOURS, image)[resized.clamp(min=0).long() % len(COLOURS)].movedim(2, 0)
    return _blend(image, colours, resized >= 0, opacity)


def overlay_mask(image: Tensor, mask: Tensor, opacity: float = 0.55, ignore_index: int = 255) -> Picture:
    """Colour the foreground of a mask, and draw grey stripes where it is unlabelled.

    Args:
        image: (3, H, W) uint8.
        mask: 0 background, 1 foreground and `ignore_index` unlabelled, on any grid; bool serves too.
        opacity: of the colour, 0..1; the stripes are opaque.
        ignore_index: the mask's value for unlabelled pixels.

    Raises:
        InputError: on another shape or dtype, an opacity out of range and, on a CPU, on other values in the mask.

    >>> import torch
    >>> overlay_mask(torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[0, 1]]), opacity=1.0)[:, 0].T
    tensor([[  0,   0,   0],
            [213,  94,   0]], dtype=torch.uint8)
    """
    _check_grid(mask, "mask", "pass one image's mask")
    mask = mask.long()
    check_mask(mask[None], 1, ignore_index)
    return _striped(overlay_labels(image, torch.where(mask == 1, 0, -1), opacity), mask == ignore_index)


def outline_mask(image: Tensor, mask: Tensor, width: int | None = None) -> Picture:
    """Draw a white line with dark edges around a mask, which can be seen on any colour.

    Args:
        image: (3, H, W) uint8.
        mask: on any grid; the line runs around the pixels that are 1.
        width: of the white line, in pixels; by default 1/160 of the image's longer side.

    Raises:
        InputError: on another shape or dtype, or a width below 1.
    """
    _check_image(image)
    _check_grid(mask, "mask", "pass one image's mask")
    width = max(1, round(max(image.shape[1:]) / 160)) if width is None else width
    require(width >= 1, "width", "at least 1 pixel", width, "leave it out")
    inside = resize_nearest(mask == 1, (image.shape[1], image.shape[2])).float()[None, None]
    # The dark edge lies outside the white line and inside it; both lie on the mask's side of its rim.
    dark, white = (_rim(inside, reach) for reach in (width + max(1, width // 2), width))
    return torch.where(white, 255, torch.where(dark, 0, image)).to(torch.uint8)


def heat_map(values: Tensor, size: tuple[int, int] | None = None) -> Picture:
    """Show values of 0..1, dark for 0 and bright for 1, on a ramp whose equal steps look equal (viridis).

    Two-class logits (2, h, w) are shown as `heat_map(logits.softmax(0)[1])`.

    Args:
        values: (h, w), floating-point.
        size: (H, W) of the picture, by default (h, w); each value fills a rectangle.

    Raises:
        InputError: on another shape or dtype and, on a CPU, on values that are not within 0..1.

    >>> import torch
    >>> heat_map(torch.tensor([[0.0, 1.0]]))[:, 0].T
    tensor([[ 68,   1,  84],
            [253, 231,  37]], dtype=torch.uint8)
    """
    check_tensors(values=values)
    require(
        values.dim() == 2 and values.is_floating_point() and values.numel() > 0,
        "values",
        "floating-point values of shape (h, w)",
        f"{values.dtype} of shape {tuple(values.shape)}",
        "show one image's values, for instance logits.softmax(0)[1]",
    )
    if values_are_free(values):
        low, high = values_of(torch.stack([values.detach().min(), values.detach().max()]))
        # A softmax may exceed 1 by its rounding.
        inside = isfinite(low) and isfinite(high) and low >= -SAME and high <= 1 + SAME
        require(inside, "values", "0 to 1", f"{low:.3g} to {high:.3g}", "scale them, or take a softmax of logits")
    if size is not None:
        _check_size(size)
    resized = resize_nearest(values.detach().float(), size or (values.shape[0], values.shape[1]))
    steps = resized.nan_to_num().clamp(0, 1) * (len(RAMP) - 1)
    ramp, below = _colours(RAMP, values), steps.floor().long().clamp(max=len(RAMP) - 2)
    share = (steps - below)[..., None]
    return ((1 - share) * ramp[below] + share * ramp[below + 1]).round().to(torch.uint8).movedim(2, 0)


def show_prototype_map(
    prototype_map: Tensor, prototypes: Tensor, size: tuple[int, int], foreground: Tensor | None = None
) -> Picture:
    """Colour each cell of a prototype map by the region whose prototype it holds; a cell that holds none is grey.

    Args:
        prototype_map: (C, h, w), one image's, as `expand_prototypes` gives it (Eq. 7).
        prototypes: (K, C), one image's, as `masked_average_pool` gives them (Eq. 6).
        size: (H, W) of the picture.
        foreground: on any grid, the pixels that are 1: white dots say that the prototype there was drawn at random.

    Raises:
        InputError: on another rank, or on shapes that do not fit.

    >>> import torch
    >>> show_prototype_map(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[1.0]]), (1, 2))[:, 0].T
    tensor([[  0, 114, 178],
            [120, 120, 120]], dtype=torch.uint8)
    """
    check_tensors(prototype_map=prototype_map, prototypes=prototypes)
    _check_size(size)
    require(
        prototype_map.dim() == 3, "prototype_map", "the shape (C, h, w)", tuple(prototype_map.shape), "pass one image's"
    )
    require(
        prototypes.dim() == 2 and prototypes.shape[1] == prototype_map.shape[0],
        "prototypes",
        f"the shape (K, {prototype_map.shape[0]})",
        tuple(prototypes.shape),
        "pass one image's",
    )
    held = resize_nearest(_held(prototype_map.detach(), prototypes.detach()), size)
    none = _colours((NO_PROTOTYPE,), held).view(3, 1, 1).expand(3, *size).to(torch.uint8)
    picture = overlay_labels(none, _region_colour(held), opacity=1.0)
    if foreground is None:
        return picture
    _check_grid(foreground, "foreground", "pass one image's")
    marked = resize_nearest(foreground == 1, size)
    return torch.where(marked & _dots(size, held), 255, outline_mask(picture, marked)).to(torch.uint8)


def show_contrast(
    image: Tensor, mask: Tensor, contrast: SelfContrast, index: int = 0, ignore_index: int = 255
) -> Picture:
    """Show one query's pass of the task as a row of six pictures.

    From left to right: the query and its mask; its regions (Eq. 4); what is left of them as background, with everything
    else white (Eq. 5); the prototype map, with white dots where the prototype was drawn at random (Eq. 7); where the
    comparison sees a match, bright (Eq. 8); its target, 1 − M (Eq. 9). Grey stripes are pixels that do not count. Where
    the comparison gives several logits, the first are shown.

    Args:
        image: (3, H, W) uint8, the query as the model saw it, without normalisation.
        mask: (H', W'), its mask, as the task was given it.
        contrast: `attachment.contrast`, or what `auxiliary.contrast(...)` returned.
        index: the query's place in the batch.
        ignore_index: the mask's value for unlabelled pixels.

    Returns:
        (3, H, 6 W + gaps).

    Raises:
        InputError: on another shape or dtype, on a place outside the batch and, on a CPU, on the mask of another query.
    """
    _check_image(image)
    _check_pass(mask, contrast, index, ignore_index)
    size = (image.shape[1], image.shape[2])
    logits = contrast.logits if isinstance(contrast.logits, Tensor) else contrast.logits[0]
    target, labels, regions = (part[index] for part in (contrast.target, contrast.labels, contrast.regions))
    foreground = foreground_cells(mask[None], (labels.shape[0], labels.shape[1]))[0]
    background = torch.where(regions.any(0), _region_colour(regions.byte().argmax(0)), -1)
    white = torch.where(resize_nearest(background >= 0, size), image, 255).to(torch.uint8)
    match = resize_logits(logits[index : index + 1].detach().float(), image[None, 0]).softmax(1)[0, 1]
    unlabelled, unjudged = mask == ignore_index, target == ignore_index
    return _row(
        [
            outline_mask(_striped(image, unlabelled), mask),
            _striped(overlay_labels(image, _region_colour(labels)), unlabelled),
            outline_mask(_striped(overlay_labels(white, background), unlabelled), mask),
            show_prototype_map(contrast.prototype_map[index], contrast.prototypes[index], size, foreground),
            heat_map(match),
            _striped(heat_map((target == 1).float(), size), unjudged),
        ]
    )


def _held(prototype_map: Tensor, prototypes: Tensor) -> Tensor:
    """The place of the prototype (K, C) that each cell of the map (C, h, w) holds, −1 where it holds none."""
    cells, candidates = prototype_map.flatten(1).T.float(), prototypes.float()
    # With a matrix product the distance of equal vectors would not be 0.
    distances = torch.cdist(cells, candidates, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.min(1)
    lengths = candidates.square().sum(1).sqrt()[nearest.indices]
    # An empty region's prototype is zeros, as is a cell that holds none.
    known = (nearest.values <= SAME * lengths) & (lengths > 0)
    return torch.where(known, nearest.indices, -1).view(prototype_map.shape[1:])


def _region_colour(regions: Tensor) -> Tensor:
    """The colour's place for each region; the foreground's own is left out."""
    return torch.where(regions >= 0, 1 + regions % (len(COLOURS) - 1), -1)


def _colours(colours: tuple[tuple[int, int, int], ...], beside: Tensor) -> Tensor:
    return torch.tensor(colours, device=beside.device, dtype=torch.float32)


def _blend(image: Tensor, colours: Tensor, where: Tensor, opacity: float) -> Tensor:
    return torch.where(where, opacity * colours + (1 - opacity) * image, image.float()).round().to(torch.uint8)


def _striped(image: Tensor, where: Tensor) -> Tensor:
    """Diagonal grey stripes, which no colour of a label can be mistaken for."""
    size = (image.shape[1], image.shape[2])
    rows, columns = _places(size, image)
    stripes = _colours(STRIPES, image)[(rows + columns) // max(2, max(size) // 64) % 2].movedim(2, 0)
    return _blend(image, stripes, resize_nearest(where, size), 1.0)


def _dots(size: tuple[int, int], beside: Tensor) -> Tensor:
    """White discs on a square lattice: (H, W) bool."""
    pitch = max(4, max(size) // 20)
    rows, columns = (place % pitch - (pitch - 1) / 2 for place in _places(size, beside))
    return rows**2 + columns**2 <= (pitch / 5) ** 2 + 0.5


def _places(size: tuple[int, int], beside: Tensor) -> tuple[Tensor, Tensor]:
    return torch.arange(size[0], device=beside.device)[:, None], torch.arange(size[1], device=beside.device)


def _rim(inside: Tensor, reach: int) -> Tensor:
    """The mask's pixels (1, 1, H, W) within `reach` of its outside; the picture's edge is none."""
    smallest = -F.max_pool2d(F.pad(-inside, [reach] * 4, mode="replicate"), 2 * reach + 1, 1)
    return (inside > smallest)[0, 0]


def _row(pictures: list[Tensor]) -> Tensor:
    height, width = pictures[0].shape[1:]
    gap = pictures[0].new_full((3, height, max(2, width // 32)), 255)
    return torch.cat([part for picture in pictures for part in (picture, gap)][:-1], 2)


def _check_image(image: Tensor) -> None:
    check_tensors(image=image)
    normalised = image.is_floating_point()
    require(
        image.dim() == 3 and image.shape[0] == 3 and image.dtype == torch.uint8 and image.numel() > 0,
        "image",
        "uint8 of shape (3, H, W)",
        f"{image.dtype} of shape {tuple(image.shape)}",
        "undo the normalisation, as in (255 * image).byte()"
        if normalised
        else "pass one image, with its colours first",
    )


def _check_size(size: Any) -> None:
    pair = len(size) == 2 if isinstance(size, (tuple, list)) else False  # pyright: ignore
    whole = pair and all(isinstance(number, int) for number in size)  # pyright: ignore
    require(whole, "size", "(H, W) in pixels", str(size), "pass the picture's, as in image.shape[1:]")  # pyright: ignore


def _check_grid(grid: Tensor, argument: str, fix: str) -> None:
    check_tensors(**{argument: grid})
    if grid.is_floating_point():
        fix = f"{fix} as integers, for instance with .long()"
    require(
        grid.dim() == 2 and not grid.is_floating_point() and grid.numel() > 0,
        argument,
        "integers of shape (h, w)",
        f"{grid.dtype} of shape {tuple(grid.shape)}",
        fix,
    )


def _check_opacity(opacity: float) -> None:
    require(0 <= opacity <= 1, "opacity", "0 to 1", opacity, "use 0.55")


def _check_pass(mask: Tensor, contrast: SelfContrast, index: int, ignore_index: int) -> None:
    if not isinstance(contrast, SelfContrast):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "after a training forward pass attachment.contrast, or what auxiliary.contrast(...) returned"
        require(False, "contrast", "a pass of the task", shown(contrast), fix)
    _check_grid(mask, "mask", "pass one image's mask")
    check_mask(mask[None], 1, ignore_index)
    batch = contrast.target.shape[0]
    require(0 <= index < batch, "index", f"0 to {batch - 1}", index, "name a query of the batch")
    target = contrast.target[index]
    require(
        mask.shape == target.shape,
        "mask",
        f"the shape {tuple(target.shape)} of the target",
        tuple(mask.shape),
        "pass the mask that the task was given",
    )
    if values_are_free(mask) and values_are_free(target):
        (strangers,) = values_of(((target != ignore_index) & (target != 1 - mask)).sum())
        require(
            strangers == 0,
            "mask",
            "the mask of this query",
            f"one that differs at {strangers} pixels",
            "pass the mask and the place in the batch of the same query",
        )
