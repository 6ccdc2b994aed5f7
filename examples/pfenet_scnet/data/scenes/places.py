"""The places in which things stand: a meadow, a coast, mountains in winter, a street, a room."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.scenes.canvas import Canvas, mixed, varied
from data.scenes.ground import draw_boards, draw_grass, draw_paving, draw_sand, draw_sea, draw_snow
from data.scenes.scenery import (
    draw_bush,
    draw_fir,
    draw_hills,
    draw_houses,
    draw_mountains,
    draw_picture_frame,
    draw_tree,
    draw_window,
)
from data.scenes.sky import DAYLIGHTS, Daylight, draw_sky

GREENS = ((112, 148, 70), (134, 152, 76), (92, 134, 74), (150, 156, 92))
LEAVES = ((74, 112, 58), (96, 120, 52), (62, 100, 70), (128, 112, 56))


@dataclass(frozen=True)
class Place:
    """
    Attributes:
        picture: (H, W, 3), float32 from 0 to 255, in neutral light.
        horizon: where the ground begins, in percent of the height.
        daylight: see sky.py.
        sun: the side that light comes from, -1 for the left and 1 for the right.
        wall: whether a wall stands behind the ground, on which things hang; otherwise there is a sky.
    """

    picture: np.ndarray
    horizon: float
    daylight: Daylight
    sun: int
    wall: bool


def draw_place(random: np.random.Generator, size: tuple[int, int]) -> Place:
    """One of the five places, without anything in it."""
    canvas = Canvas(size)
    daylight = DAYLIGHTS[int(random.choice(len(DAYLIGHTS), p=(0.4, 0.2, 0.2, 0.2)))]
    draw = PLACES[int(random.integers(0, len(PLACES)))]
    horizon = draw(canvas, daylight, random)
    return Place(canvas.finished(), horizon, daylight, int(random.choice((-1, 1))), draw is _draw_room)


def _draw_meadow(canvas: Canvas, daylight: Daylight, random: np.random.Generator) -> float:
    horizon = random.uniform(36, 52)
    draw_sky(canvas, daylight, horizon, random)
    green, leaf = (varied(some[int(random.integers(0, len(some)))], random, 6) for some in (GREENS, LEAVES))
    for distance, height in ((0.65, 17), (0.4, 10)):
        draw_hills(canvas, horizon, height, mixed(mixed(leaf, (70, 100, 120), 0.3), daylight.haze, distance), random)
    draw_grass(canvas, horizon, green, random)
    for _ in range(random.integers(2, 8)):
        draw_bush(canvas, random.uniform(0, canvas.width), horizon + 1.5, random.uniform(4, 8), leaf, random)
    for x in random.uniform(0, canvas.width, random.integers(0, 4)).tolist():
        draw_tree(canvas, x, horizon + random.uniform(1, 5), random.uniform(14, 32), leaf, random)
    return horizon


def _draw_coast(canvas: Canvas, daylight: Daylight, random: np.random.Generator) -> float:
    horizon = random.uniform(30, 42)
    draw_sky(canvas, daylight, horizon, random)
    if random.random() < 0.6:
        draw_hills(canvas, horizon, random.uniform(4, 9), mixed((92, 112, 116), daylight.haze, 0.5), random)
    shore = horizon + random.uniform(8, 16)
    draw_sand(canvas, shore, random)
    draw_sea(canvas, horizon, shore, daylight.zenith, random)
    for _ in range(random.integers(0, 4)):
        at = random.choice((0.06, 0.94)) * canvas.width + random.normal(0, 4)
        draw_bush(canvas, at, shore + random.uniform(5, 9), random.uniform(6, 10), (136, 146, 92), random)
    return shore


def _draw_mountains(canvas: Canvas, daylight: Daylight, random: np.random.Generator) -> float:
    horizon = random.uniform(40, 54)
    draw_sky(canvas, daylight, horizon, random)
    draw_mountains(canvas, horizon, random.uniform(24, 36), mixed((106, 116, 136), daylight.haze, 0.3), random)
    winter = random.random() < 0.6
    if winter:
        draw_snow(canvas, horizon, random)
    else:
        draw_grass(canvas, horizon, varied(GREENS[int(random.integers(0, 4))], random, 6), random)
    feet = np.sort(random.uniform(horizon + 0.5, horizon + 7, random.integers(5, 14))).tolist()
    for foot in feet:
        tall = random.uniform(8, 14) * (1 + 0.12 * (foot - horizon))
        colour = varied((58, 88, 74), random, 8)
        draw_fir(canvas, random.uniform(0, canvas.width), foot, tall, colour, winter)
    return horizon + 2


def _draw_street(canvas: Canvas, daylight: Daylight, random: np.random.Generator) -> float:
    horizon = random.uniform(42, 54)
    draw_sky(canvas, daylight, horizon, random)
    draw_houses(canvas, horizon, random)
    draw_paving(canvas, horizon, random)
    for x in random.uniform(0, canvas.width, random.integers(0, 4)).tolist():
        draw_tree(canvas, x, horizon + 5, random.uniform(20, 30), LEAVES[int(random.integers(0, 4))], random)
    return horizon + 4


def _draw_room(canvas: Canvas, daylight: Daylight, random: np.random.Generator) -> float:
    horizon = random.uniform(48, 60)
    walls = ((206, 200, 186), (178, 190, 186), (206, 184, 168), (176, 180, 198), (214, 206, 160))
    wall = varied(walls[int(random.integers(0, len(walls)))], random, 6)
    canvas.gradient(0, horizon + 1, [mixed(wall, (60, 56, 60), 0.16), wall])
    slots = random.permutation(np.linspace(0.16, 0.84, 4) * canvas.width).tolist()
    if random.random() < 0.75:
        draw_window(canvas, slots[0], 9, 9.5, 0.5 * horizon, mixed(daylight.zenith, daylight.haze, 0.4))
    for x in slots[1 : 1 + int(random.integers(0, 3))]:
        draw_picture_frame(canvas, x, random.uniform(0.28, 0.5) * horizon, random.uniform(5, 8), random)
    woods = ((166, 122, 84), (134, 96, 70), (188, 154, 112), (120, 104, 94))
    draw_boards(canvas, horizon, varied(woods[int(random.integers(0, 4))], random, 5), random)
    canvas.box(0, horizon - 3, canvas.width, horizon + 0.3, mixed(wall, (255, 255, 255), 0.55))
    canvas.box(0, horizon + 0.1, canvas.width, horizon + 0.8, (84, 66, 54))
    if random.random() < 0.5:
        rug = varied(((132, 92, 92), (92, 108, 124), (122, 124, 96))[int(random.integers(0, 3))], random, 8)
        x, y = random.uniform(0.35, 0.65) * canvas.width, random.uniform(76, 86)
        for size, colour in ((1.0, mixed(rug, (240, 230, 210), 0.45)), (0.93, rug)):
            canvas.ellipse(x, y, 34 * size, 11 * size, colour)
    return horizon + 2


PLACES: tuple[Callable[[Canvas, Daylight, np.random.Generator], float], ...] = (
    _draw_meadow,
    _draw_coast,
    _draw_mountains,
    _draw_street,
    _draw_room,
)
