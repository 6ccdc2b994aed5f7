"""What stands at the back: hills, mountains, trees, bushes, firs, houses, and what hangs on a wall."""

import numpy as np

from data.scenes.canvas import Canvas, Colour, Point, mixed, varied


def draw_hills(canvas: Canvas, foot: float, height: float, colour: Colour, random: np.random.Generator) -> None:
    """A round ridge that reaches down to `foot`."""
    x = np.linspace(0, canvas.width, 24)
    waves = sum(np.sin(x * random.uniform(0.02, 0.09) + random.uniform(0, 6)) / power for power in (1, 1, 3))
    ridge = foot - height * (0.55 + 0.2 * waves)
    canvas.polygon([(0, foot + 1), *zip(x.tolist(), ridge.tolist(), strict=True), (canvas.width, foot + 1)], colour)


def draw_mountains(canvas: Canvas, foot: float, height: float, colour: Colour, random: np.random.Generator) -> None:
    """Peaks with a lit and a dark side, and snow on top."""
    for _ in range(random.integers(3, 6)):
        x, tall = random.uniform(0, canvas.width), height * random.uniform(0.55, 1.0)
        half = tall * random.uniform(0.8, 1.2)
        summit, fold = (x, foot - tall), (x + half * random.uniform(-0.25, 0.25), foot + 1)
        side = varied(colour, random, 6)
        canvas.polygon([(x - half, foot + 1), summit, fold], mixed(side, (255, 255, 255), 0.12))
        canvas.polygon([fold, summit, (x + half, foot + 1)], mixed(side, (20, 26, 50), 0.22))
        teeth = [
            (x + half * at, foot - tall * (1 - down))
            for at, down in zip(
                (0.34, 0.2, 0.1, -0.03, -0.16, -0.34), (0.34, 0.26, 0.38, 0.27, 0.37, 0.34), strict=True
            )
        ]
        canvas.polygon([summit, *teeth], (236, 240, 246))
        canvas.polygon([summit, *teeth[:3], (fold[0] * 0.3 + x * 0.7, foot - tall * 0.72)], (204, 214, 230))


def draw_tree(
    canvas: Canvas, x: float, foot: float, height: float, colour: Colour, random: np.random.Generator
) -> None:
    """A trunk and a crown of leaves that are dark below and light above."""
    canvas.box(x - height * 0.05, foot - height * 0.5, x + height * 0.05, foot, (96, 72, 54))
    _draw_leaves(canvas, x, foot - height * 0.68, height * 0.34, colour, random)


def draw_bush(
    canvas: Canvas, x: float, foot: float, height: float, colour: Colour, random: np.random.Generator
) -> None:
    _draw_leaves(canvas, x, foot - height * 0.42, height * 0.55, colour, random)


def _draw_leaves(
    canvas: Canvas, x: float, y: float, radius: float, colour: Colour, random: np.random.Generator
) -> None:
    for share, spread, size in ((0.3, 0.6, 0.55), (0.0, 0.5, 0.45), (-0.3, 0.45, 0.28)):
        shade = mixed(colour, (16, 34, 16) if share > 0 else (226, 226, 150), abs(share))
        for along, up in random.uniform(-spread, spread, (6, 2)).tolist():
            at = (x + radius * along - share * radius * -0.3, y + radius * (0.7 * up + 0.5 * share))
            canvas.ellipse(*at, radius * size, radius * size * 0.85, shade)


def draw_fir(canvas: Canvas, x: float, foot: float, height: float, colour: Colour, snow: bool) -> None:
    """Three tiers, with snow on them in winter."""
    canvas.box(x - height * 0.04, foot - height * 0.15, x + height * 0.04, foot, (84, 66, 52))
    for bottom, top, half in ((0.1, 0.55, 0.3), (0.34, 0.78, 0.23), (0.58, 1.0, 0.16)):
        lower, tip = foot - height * bottom, (x, foot - height * top)
        canvas.polygon([(x - height * half, lower), tip, (x + height * half, lower)], colour)
        canvas.polygon([(x, lower), tip, (x + height * half, lower)], mixed(colour, (0, 10, 20), 0.3))
        if snow:
            canvas.polygon(
                [(x - height * half, lower), tip, (x - height * half * 0.35, lower - height * 0.05)], (228, 234, 242)
            )


def draw_houses(canvas: Canvas, foot: float, random: np.random.Generator) -> None:
    """A row of houses with roofs, windows and doors."""
    x = -random.uniform(0, 12)
    plasters = ((214, 198, 170), (190, 150, 128), (176, 186, 190), (222, 214, 204), (168, 122, 104), (200, 190, 150))
    while x < canvas.width:
        wide, tall = random.uniform(20, 32), random.uniform(0.5, 0.8) * foot
        wall = varied(plasters[int(random.integers(0, len(plasters)))], random, 6)
        _draw_house(canvas, (x, foot), wide, tall, wall, random)
        x += wide


def _draw_house(
    canvas: Canvas, corner: Point, wide: float, tall: float, wall: Colour, random: np.random.Generator
) -> None:
    left, foot = corner
    top, pitch = foot - tall, random.uniform(4, 11)
    roof = varied((132, 84, 72) if random.random() < 0.6 else (92, 94, 104), random, 8)
    canvas.polygon([(left - 1, top), (left + wide / 2, top - pitch), (left + wide + 1, top)], roof)
    canvas.box(left, top, left + wide, foot, wall)
    canvas.box(left, top, left + wide, top + 1.2, mixed(wall, (40, 30, 30), 0.35))
    canvas.box(left + wide - 0.5, top, left + wide, foot, mixed(wall, (40, 30, 30), 0.3))
    floors, columns = max(1, int(tall // 13)), int(wide // 8)
    step = wide / columns
    door = int(random.integers(0, columns))
    for floor in range(floors):
        for column in range(columns):
            x, y = left + (column + 0.5) * step, top + (floor + 0.25) * tall / floors
            if floor == floors - 1 and column == door:
                canvas.box(x - 2, foot - 9, x + 2, foot, varied((88, 70, 62), random, 12))
            else:
                draw_window(canvas, x, y, 1.9, 6, (92, 108, 126))


def draw_window(canvas: Canvas, x: float, top: float, half: float, height: float, glass: Colour) -> None:
    """A light frame around panes that grow lighter downwards."""
    frame = half * 0.22
    canvas.box(x - half - frame, top - frame, x + half + frame, top + height + frame, (232, 228, 220))
    canvas.box(x - half, top, x + half, top + height, glass)
    canvas.polygon(
        [(x - half, top + height), (x + half, top + height * 0.4), (x + half, top + height)],
        mixed(glass, (255, 255, 255), 0.18),
    )
    canvas.box(x - frame * 0.35, top, x + frame * 0.35, top + height, (232, 228, 220))


def draw_picture_frame(canvas: Canvas, x: float, y: float, half: float, random: np.random.Generator) -> None:
    """A small landscape in a wooden frame."""
    canvas.box(x - half + 0.7, y - half * 0.75 + 0.9, x + half + 0.7, y + half * 0.75 + 0.9, (120, 112, 104))
    canvas.box(x - half, y - half * 0.75, x + half, y + half * 0.75, varied((112, 82, 58), random, 10))
    inner = half * 0.82
    canvas.box(x - inner, y - inner * 0.7, x + inner, y + inner * 0.7, (196, 212, 220))
    canvas.polygon(
        [
            (x - inner, y + inner * 0.7),
            (x - inner, y + 0.3 * inner),
            (x + 0.2 * inner, y - 0.1 * inner),
            (x + inner, y + 0.35 * inner),
            (x + inner, y + inner * 0.7),
        ],
        varied((128, 148, 118), random, 14),
    )
