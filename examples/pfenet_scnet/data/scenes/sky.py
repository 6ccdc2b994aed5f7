"""Daylight, and a sky with clouds."""

from dataclasses import dataclass

import numpy as np

from data.scenes.canvas import Canvas, Colour, mixed


@dataclass(frozen=True)
class Daylight:
    """
    Attributes:
        zenith: the colour of the sky at the top.
        haze: its colour at the horizon, and of what is far away.
        tint: what the light does to red, green and blue.
        contrast: how dark shadows are, 0 to 1.
    """

    zenith: Colour
    haze: Colour
    tint: Colour
    contrast: float


DAYLIGHTS = (
    Daylight((78, 140, 212), (198, 222, 238), (1.0, 1.0, 1.0), 0.5),
    Daylight((120, 168, 206), (246, 228, 206), (1.02, 0.98, 0.93), 0.45),
    Daylight((86, 96, 160), (248, 190, 138), (1.0, 0.88, 0.78), 0.5),
    Daylight((142, 154, 168), (208, 212, 216), (0.93, 0.95, 0.98), 0.25),
)


def draw_sky(canvas: Canvas, daylight: Daylight, horizon: float, random: np.random.Generator) -> None:
    """A sky down to the horizon, with up to four clouds, and at times a sun."""
    canvas.gradient(0, horizon + 1, [daylight.zenith, mixed(daylight.zenith, daylight.haze, 0.6), daylight.haze])
    if daylight.contrast > 0.4 and random.random() < 0.4:
        x, y = random.uniform(0.1, 0.9) * canvas.width, random.uniform(0.15, 0.6) * horizon
        canvas.soft([(x, y, 9, 9)], (255, 246, 220), 0.4)
        canvas.ellipse(x, y, 4, 4, (255, 248, 226))
    for _ in range(random.integers(0, 5)):
        _draw_cloud(canvas, daylight, horizon, random)


def _draw_cloud(canvas: Canvas, daylight: Daylight, horizon: float, random: np.random.Generator) -> None:
    """Puffs on a flat base, white above and grey below; the nearer the horizon, the smaller."""
    y = random.uniform(0.08, 0.8) * horizon
    length = random.uniform(8, 20) * (1.2 - y / horizon)
    x = random.uniform(0, canvas.width)
    puffs = [
        (x + length * along, y - length * rise, length * size, length * size * 0.62)
        for along, rise, size in zip(
            np.linspace(-0.8, 0.8, 5).tolist(),
            (0.26 * random.uniform(0.2, 1.0, 5)).tolist(),
            random.uniform(0.26, 0.46, 5).tolist(),
            strict=True,
        )
    ]
    base = [(x, y, length, length * 0.2)]
    canvas.soft([*puffs, *base], mixed((252, 252, 252), daylight.haze, 0.25), 0.92)
    canvas.soft(
        [(x, y + length * 0.12, length * 0.85, length * 0.12)], mixed(daylight.zenith, (190, 190, 196), 0.7), 0.4
    )
