"""Pictures with captions, as HTML that holds them: what the demo page shows."""

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
import torch
from data.masks import UNLABELLED
from recipe import Recipe
from torch import Tensor
from torchvision.transforms import v2

from prediction.page.side_by_side import Answer, Task
from prediction.segment import Support
from selfcontrast import overlay_labels
from selfcontrast.prototypes import resize_nearest
from selfcontrast.visualize import COLOUR_NAMES, COLOURS

# The longer side of a picture on the page.
SIDE = 720
STYLE = """
.html-container { padding: 0 !important; }
.notes p { margin: 0.3rem 0; }
.notes pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.mistake { padding: 0.6rem 0.8rem; border-left: 4px solid #c62828; }
.results h2 { margin: 0.5rem 0 1rem; font-size: 1.4rem; font-weight: 600; }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr)); }
.figures + .figures { margin-top: 2rem; }
.figures figure { margin: 0; }
.figures img { display: block; width: 100%; max-height: 26rem; object-fit: contain; object-position: left top; }
.figures figcaption { margin-top: 0.4rem; line-height: 1.4; overflow-wrap: anywhere; }
.figures b { display: block; }
.figures i { display: inline-block; width: 0.9em; height: 0.9em; margin-right: 0.4em; border-radius: 2px; }
.figures ul { list-style: none; margin: 0.4rem 0; padding: 0; }
"""


def on_screen(picture: Tensor) -> Tensor:
    """A picture (3, h, w) uint8, made smaller where its longer side exceeds `SIDE`."""
    longer = max(picture.shape[1:])
    if longer <= SIDE:
        return picture
    size = [max(1, round(side * SIDE / longer)) for side in picture.shape[1:]]
    return v2.functional.resize(picture, size, antialias=True)


def answer_figures(name: str, answer: Answer, recipe: Recipe) -> str:
    """A query called `name`: the prediction of each model, the regions and the prototype map, side by side."""
    picture = on_screen(answer.picture)
    height, width = answer.picture.shape[1:]
    figures = [_figure("Query", picture, f"The query {name}", f"{escape(name)}, {width} x {height} pixels")]
    for model, foreground in answer.foregrounds.items():
        share = f"Foreground: {_percent(foreground)} of the picture"
        figures.append(_figure(model, _marked(picture, foreground), f"Prediction of {model} for {name}", share))
    if answer.task:
        figures += _task_figures(name, picture, answer.task, recipe)
    return _row(figures)


def support_figures(supports: Sequence[Support], name: str) -> str:
    """Marked pictures of a class called `name`, the object in the first colour."""
    figures = []
    for place, (image, mask) in enumerate(supports, 1):
        marked = _marked(on_screen(image), torch.as_tensor(mask) == 1)
        unlabelled = ", and some pixels unlabelled" if (torch.as_tensor(mask) == UNLABELLED).any() else ""
        share = f"{escape(name)}: {_percent(torch.as_tensor(mask) == 1)} of the picture{unlabelled}"
        figures.append(_figure(f"Support {place}", marked, f"Support {place}, its {name} marked", share))
    return _row(figures)


def query_figure(picture: Tensor, name: str) -> str:
    """A query before any prediction."""
    return _row([_figure("Query", on_screen(picture), f"The query {name}", escape(name))])


def _task_figures(name: str, picture: Tensor, task: Task, recipe: Recipe) -> list[str]:
    size = picture.shape[1:]
    regions, held, foreground = (_over_picture(labels, size) for labels in task)
    divided = "k-means on its features" if recipe.partition == "kmeans" else "a grid of equal cells"
    legend = "".join(_legend(region, regions == region) for region in range(recipe.num_prototypes))
    stands_in = "as cells inside the white line" if foreground.any() else "which finds no foreground"
    region_caption = (
        f"SCNet's task divides the query's background into regions, here by {divided}.<ul>{legend}"
        f"<li>In none: {_percent(regions < 0)}, the foreground and cells that reach beyond the picture</li></ul>"
        "In training the task knows the query's mask. Here SCNet's own prediction stands in for it, "
        f"{stands_in}."
    )
    map_caption = (
        f"Each pixel has the colour of the region whose prototype it is compared with. {_drawn(held, foreground)}"
    )
    # The first colour is the foreground's everywhere, so the first region takes the next colour.
    region_picture = _outlined(overlay_labels(picture, torch.where(regions < 0, regions, regions + 1)), foreground)
    map_picture = _outlined(overlay_labels(picture, torch.where(held < 0, held, held + 1)), foreground)
    return [
        _figure("Regions", region_picture, f"Regions of {name}", region_caption),
        _figure("Prototype map", map_picture, f"Prototype map of {name}", map_caption),
    ]


def _over_picture(cells: Tensor, size: tuple[int, ...]) -> Tensor:
    """The model's grid over the picture alone, without the padding."""
    side = max(size)
    return resize_nearest(cells, (side, side))[: size[0], : size[1]]


def _drawn(held: Tensor, foreground: Tensor) -> str:
    """What the foreground is compared with."""
    if not foreground.any():
        return "SCNet finds no foreground, so every pixel is compared with its own region's."
    drawn = held[foreground].mode().values.item()
    if drawn < 0:
        return "SCNet takes every pixel for foreground, so there is no region and no prototype."
    return (
        "A pixel of the background gets its own region's; all of the foreground, inside the white line, gets one drawn "
        f"at random: here that of region {drawn + 1} ({_colour_name(drawn)})."
    )


def _legend(region: int, mask: Tensor) -> str:
    colour = ", ".join(map(str, COLOURS[(region + 1) % len(COLOURS)]))
    words = f"Region {region + 1} ({_colour_name(region)}): {_percent(mask)}"
    return f'<li><i style="background: rgb({colour})"></i>{words}</li>'


def _colour_name(region: int) -> str:
    return COLOUR_NAMES[(region + 1) % len(COLOUR_NAMES)]


def _marked(picture: Tensor, foreground: Tensor) -> Tensor:
    """The picture with its foreground in the first colour."""
    return overlay_labels(picture, foreground.long() - 1)


def _outlined(picture: Tensor, mask: Tensor) -> Tensor:
    """A white line with dark edges around a mask, to be seen on any colour."""
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    outlines, _ = cv2.findContours(mask.byte().numpy(), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    unit = max(1, round(max(mask.shape) / 360))
    for colour, width in (((0, 0, 0), 3 * unit), ((255, 255, 255), unit)):
        cv2.drawContours(pixels, outlines, -1, colour, width)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _percent(mask: Tensor) -> str:
    return f"{100 * mask.float().mean().item():.1f} %"


def _figure(title: str, picture: Tensor, description: str, caption: str) -> str:
    """The caption is HTML; title and description are text."""
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy()[..., ::-1])
    data = base64.b64encode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()).decode()
    image = f'<img src="data:image/jpeg;base64,{data}" alt="{escape(description)}">'
    return f"<figure>{image}<figcaption><b>{escape(title)}</b>{caption}</figcaption></figure>"


def _row(figures: Sequence[str]) -> str:
    return f'<div class="figures">{"".join(figures)}</div>'
