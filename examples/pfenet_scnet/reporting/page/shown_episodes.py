"""The best, the median and the worst episodes, and where runs differ most, as pictures that the page holds."""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from data.episodes import Episode
from data.image_list import ImageList
from evaluation.metrics import Evaluation, foreground_iou
from model.pfenet import PFENet
from runtime.say import shown
from torch import Tensor

from reporting.episode_pictures import episode_pictures
from reporting.page.runs import Run

JPEG_QUALITY = 82
HEADINGS = ("Best", "Median", "Worst", "Where the runs differ most")
RULE = (
    "Episodes are ranked by {what}. Best and worst are the ends of that list, median is its middle; of equal ones the "
    "earlier in the evaluation stands first. Each query is shown once. Episodes with nothing to find and nothing found "
    "have no rank."
)
APART = " Where the runs differ most are the episodes with the largest span between two runs' IoU."


class Picture(NamedTuple):
    """A picture as a data URI, with its width and height in pixels, and what it shows."""

    uri: str
    width: int
    height: int
    alt: str
    title: str
    caption: str


class ShownEpisode(NamedTuple):
    """One episode: what is looked for, and its pictures."""

    class_name: str
    query: str
    pictures: list[Picture]


class Group(NamedTuple):
    """Episodes under a heading."""

    title: str
    episodes: list[ShownEpisode]


def rule(runs: int) -> str:
    """How the episodes were chosen, to stand on the page."""
    return RULE.format(what="the run's IoU" if runs == 1 else "the mean of the runs' IoU") + (APART if runs > 1 else "")


def choose(evaluations: Sequence[Evaluation], count: int) -> dict[str, list[Episode]]:
    """Heading → episodes, no query twice.

    Args:
        evaluations: one for each run, on the same episodes.
        count: episodes of each heading, or fewer where the evaluation is short.
    """
    rows = [
        (rows[0].episode, ious)
        for rows in zip(*(one.by_episode for one in evaluations), strict=True)
        if None not in (ious := [foreground_iou(row.pixels) for row in rows])
    ]
    ranked, from_below = (sorted(rows, key=lambda row: sign * sum(row[1])) for sign in (-1, 1))
    from_the_middle = sorted(range(len(rows)), key=lambda place: abs(place - (len(rows) - 1) / 2))
    # The ends come first, so that an evaluation of two episodes has no median.
    orders = {"Best": ranked, "Worst": from_below, "Median": [ranked[place] for place in from_the_middle]}
    if len(evaluations) > 1:
        orders[HEADINGS[-1]] = sorted(rows, key=lambda row: min(row[1]) - max(row[1]))
    taken: set[int] = set()
    chosen = {title: _first(rows, min(count, -(-len(ranked) // 3)), taken) for title, rows in orders.items()}
    return {title: chosen[title] for title in HEADINGS if chosen.get(title)}


def _first(rows: Sequence[tuple[Episode, list[float]]], count: int, taken: set[int]) -> list[Episode]:
    """The first episodes whose queries are not taken, which then are."""
    found: list[Episode] = []
    for episode, _ in rows:
        if len(found) < count and episode.query not in taken:
            found.append(episode)
            taken.add(episode.query)
    return found


def shown_groups(
    chosen: Mapping[str, Sequence[Episode]], runs: Sequence[Run], models: Sequence[PFENet], images: ImageList
) -> list[Group]:
    """The chosen episodes in pictures, each run's prediction as its own recipe prepares pictures."""
    episodes = [episode for found in chosen.values() for episode in found]
    by_run = [
        episode_pictures({run.label: model}, run.recipe, images, episodes)
        for run, model in zip(runs, models, strict=True)
    ]
    ready = iter(
        _shown(episode, [pictures[place] for pictures in by_run], runs, images)
        for place, episode in enumerate(episodes)
    )
    return [Group(title, [next(ready) for _ in found]) for title, found in chosen.items()]


def _shown(episode: Episode, found: Sequence, runs: Sequence[Run], images: ImageList) -> ShownEpisode:
    first, query = found[0], shown(images.items[episode.query].image.name)
    support = shown(images.items[episode.supports[0]].image.name)
    more = f", the first of {first.shots}" if first.shots > 1 else ""
    pictures = [
        _picture(first.support, f"Support {support}, its {first.class_name} marked", "Support", support + more),
        _picture(first.query, f"Query {query}", "Query", query),
        _picture(first.truth, f"Truth of {query}: where the {first.class_name} is", "Truth", first.class_name),
    ]
    for run, one in zip(runs, found, strict=True):
        iou = one.iou[run.label]
        words = "nothing to find" if iou is None else f"IoU {iou:.0f} %"
        alt = f"Prediction of {run.label} for {query}, {words}"
        pictures.append(_picture(one.predictions[run.label], alt, run.label, words))
    return ShownEpisode(first.class_name, query, pictures)


def _picture(picture: Tensor, alt: str, title: str, caption: str) -> Picture:
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy()[..., ::-1])
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    uri = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return Picture(uri, pixels.shape[1], pixels.shape[0], alt, title, caption)
