"""A few marked pictures in, the foreground of any others out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from data.masks import UNLABELLED
from data.transforms import evaluation_transform
from model.pfenet import Extracted, PFENet, upsample
from runtime.say import some
from torch import Tensor
from torchvision import tv_tensors

from prediction.margins import at_size, margins

SMALLEST = 32
Support = tuple[Tensor, Tensor | np.ndarray]
# Of all supports, each with a leading axis of 1: mid-level, masked high-level, masks.
Features = tuple[Tensor, Tensor, Tensor]


class UnseenSupport(ValueError):
    """A support's foreground is too small for the model's grid."""

    def __init__(self, place: int, text: str) -> None:
        super().__init__(f"supports[{place}]: {text}")
        self.place = place
        self.text = text


def segment(
    model: PFENet, supports: Sequence[Support], queries: Iterable[Tensor], size: int = 224, batch: int = 8
) -> Iterator[Tensor]:
    """The probability (h, w), float32, that a pixel is foreground, for each query in turn, at the query's own size.

    Args:
        model: on any device, in any mode; it is left as it was.
        supports: marked pictures: an image (3, H, W) uint8, and its mask (H, W), 1 foreground, 255 unlabelled, else 0.
        queries: images (3, h, w) uint8 of any sizes; a batch of them is read at a time.
        size: side in pixels of the square that the model sees; best the one it was trained on.
        batch: queries that pass through the model together.

    Raises:
        ValueError: at once where a support, the size or the batch is not as above; at its turn where a query is not.
        UnseenSupport: a support's object is too small to be seen at this size.

    ```python
    from pathlib import Path
    from data.mask_formats import foreground_mask
    from data.pictures import read_image
    from prediction.segment import segment
    from recipe import load_recipe
    from run_folder.weights import load_model
    recipe = load_recipe("runs/mine")
    model = load_model(Path("runs/mine"), recipe)
    image, query = (read_image(Path(name), upright=True) for name in ("marked.jpg", "other.jpg"))
    mask = foreground_mask(Path("marked.png"), image.shape[1:], upright=True)
    (probability,) = segment(model, [(image, mask)], [query], recipe.size)
    ```
    """
    if size < SMALLEST:
        raise ValueError(f"size: expected at least {SMALLEST}, got {size}; take the size of the training")
    if batch < 1:
        raise ValueError(f"batch: expected at least 1, got {batch}; take 1 where memory is short")
    if not supports:
        raise ValueError("supports: expected at least one marked picture, got none; give (image, mask) pairs")
    marked = [_prepared(*support, size, f"supports[{place}]") for place, support in enumerate(supports)]
    with _evaluating(model):
        features = _support_features(model, marked)
    return _probabilities(model, features, queries, size, batch)


def check_image(image: Tensor, size: int, name: str) -> None:
    """Refuse what is no picture of bytes, or is too narrow for a square of side `size`.

    Raises:
        ValueError: begins with `name`.
    """
    if not isinstance(image, Tensor) or image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
        got = f"{image.dtype} of shape {tuple(image.shape)}" if hasattr(image, "dtype") else type(image).__name__
        raise ValueError(
            f"{name}: expected a tensor of bytes (uint8) of shape (3, H, W), got {got}; data.pictures.read_image reads "
            "any picture so"
        )
    shorter, longer = sorted(image.shape[1:])
    if shorter * size < longer or not shorter:
        raise ValueError(
            f"{name}: expected sides of which one is at most {size} times the other, got {tuple(image.shape[1:])}; cut "
            "the picture into parts"
        )


def _prepared(image: Tensor, mask: Tensor | np.ndarray, size: int, name: str) -> tuple[Tensor, Tensor]:
    """A support as the model takes it: (3, size, size) and (size, size)."""
    check_image(image, size, name)
    mask = torch.as_tensor(mask).cpu()
    if mask.is_floating_point() or mask.shape != image.shape[1:]:
        raise ValueError(
            f"{name}: expected a mask of whole numbers and of shape {tuple(image.shape[1:])}, as its image, got "
            f"{mask.dtype} of shape {tuple(mask.shape)}; make it with data.mask_formats.foreground_mask"
        )
    foreground, labelled = mask == 1, mask != UNLABELLED
    if not foreground.any() or (labelled & ~foreground & (mask != 0)).any():
        held = mask.long().unique().tolist()
        raise ValueError(
            f"{name}: expected a mask of 0, 1 and 255 with foreground 1, got {some(held)}; set the object to 1"
        )
    shown = evaluation_transform(size)(tv_tensors.Image(image.cpu()), tv_tensors.Mask(mask.long()))
    picture, mask = (part.as_subclass(Tensor) for part in shown)
    return picture, mask


def _probabilities(
    model: PFENet, supports: Features, queries: Iterable[Tensor], size: int, batch: int
) -> Iterator[Tensor]:
    left = enumerate(queries)
    prepare = evaluation_transform(size)
    while numbered := list(islice(left, batch)):
        for place, query in numbered:
            check_image(query, size, f"queries[{place}]")
        shown = torch.stack([prepare(tv_tensors.Image(query.cpu())).as_subclass(Tensor) for _, query in numbered])
        with _evaluating(model):
            found = margins(model, _with_supports(model, shown, supports), size)
        for margin, (_, query) in zip(found, numbered, strict=True):
            yield _probability(margin, query.shape[1:])


def _support_features(model: PFENet, marked: list[tuple[Tensor, Tensor]]) -> Features:
    """The supports' part of an episode, computed once, one picture at a time."""
    device = next(model.parameters()).device
    mids, high_levels, masks = [], [], []
    for place, (picture, mask) in enumerate(marked):
        mask = mask.to(device)[None]
        mid, layer3 = model.mid_level(picture.to(device)[None])
        if not upsample((mask == 1).float()[None], mid.shape[2:]).any():
            raise UnseenSupport(
                place,
                f"expected a foreground that is seen at size {mask.shape[1]}, got one that falls between the points of "
                f"the model's grid of {mid.shape[2]} x {mid.shape[3]}; raise size, or cut the picture to the object",
            )
        mids.append(mid)
        high_levels.append(model.masked_high_level(layer3, mask))
        masks.append(mask)
    mid, high_level, mask = (torch.cat(parts)[None] for parts in (mids, high_levels, masks))
    return mid, high_level, mask


def _with_supports(model: PFENet, queries: Tensor, supports: Features) -> Extracted:
    mid, layer3 = model.mid_level(queries.to(next(model.parameters()).device))
    return Extracted(mid, model.layer4(layer3), *supports)


def _probability(margin: Tensor, size: tuple[int, ...]) -> Tensor:
    """At the query's size (h, w): the square it was padded to, without the padding."""
    side = max(size)
    with torch.no_grad():
        return at_size(margin, (side, side))[: size[0], : size[1]].sigmoid().cpu()


@contextmanager
def _evaluating(model: PFENet) -> Iterator[None]:
    """No gradient, and evaluation mode, for a batch only: between two the caller may use the model as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
