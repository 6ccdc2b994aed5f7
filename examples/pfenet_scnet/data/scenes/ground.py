"""What lies below the horizon: grass, sand, sea, snow, paving, boards. Marks on it are larger the nearer they are."""

from itertools import pairwise

import numpy as np

from data.scenes.canvas import Canvas, Colour, mixed, varied


def draw_ground(canvas: Canvas, top: float, far: Colour, near: Colour) -> None:
    canvas.gradient(top, 100, [far, mixed(far, near, 0.6), near])


def nearness(canvas: Canvas, top: float, count: int, random: np.random.Generator) -> np.ndarray:
    """Places (x, y, depth) on the ground, denser where it is far; depth is 0 at the horizon and 1 at the lower edge."""
    depth = random.random(count) ** 1.6
    return np.stack([random.uniform(0, canvas.width, count), top + (100 - top) * depth, depth], 1)


def draw_grass(canvas: Canvas, top: float, colour: Colour, random: np.random.Generator) -> None:
    """A meadow with patches, blades and a few flowers."""
    draw_ground(canvas, top, mixed(colour, (206, 214, 160), 0.35), mixed(colour, (30, 60, 20), 0.3))
    for x, y, depth in nearness(canvas, top + 1, 12, random).tolist():
        patch = mixed(colour, ((220, 214, 120), (30, 70, 30))[int(random.integers(0, 2))], 0.5)
        canvas.soft([(x, y, 6 + 14 * depth, 0.7 + 3 * depth)], patch, 0.5)
    places, leans = nearness(canvas, top + 1, 260, random).tolist(), random.normal(0, 0.35, 260).tolist()
    shades = [varied(mixed(colour, (20, 50, 10), share), random, 8) for share in (0.0, 0.15, 0.3, 0.45)]
    shades.append(mixed(colour, (230, 226, 140), 0.45))
    for number, ((x, y, depth), lean) in enumerate(zip(places, leans, strict=True)):
        tall = 0.6 + 3.2 * depth
        canvas.line([(x, y), (x + lean * tall, y - tall)], shades[number % 5], 0.15 + 0.3 * depth)
    flower = ((244, 240, 232), (236, 206, 92), (206, 130, 150))[int(random.integers(0, 3))]
    for x, y, depth in nearness(canvas, top + 3, int(random.integers(0, 26)), random).tolist():
        canvas.ellipse(x, y, 0.25 + 0.55 * depth, 0.2 + 0.45 * depth, flower)


def draw_sand(canvas: Canvas, top: float, random: np.random.Generator) -> None:
    """A beach with ripples, pebbles and shells."""
    draw_ground(canvas, top, (222, 204, 164), varied((204, 176, 128), random, 5))
    for x, y, depth in nearness(canvas, top + 2, 46, random).tolist():
        long = 3 + 12 * depth
        line = [(x - long, y), (x - long / 3, y - 0.5 * depth - 0.2), (x + long / 3, y + 0.3 * depth), (x + long, y)]
        canvas.line(line, ((186, 160, 116), (232, 216, 180))[int(depth * 997) % 2], 0.2 + 0.4 * depth)
    for x, y, depth in nearness(canvas, top + 3, 50, random).tolist():
        size = (0.15 + 0.75 * depth) * random.uniform(0.5, 1.2)
        canvas.ellipse(x, y, 1.4 * size, size, varied((150, 132, 110), random, 26))


def draw_sea(canvas: Canvas, top: float, bottom: float, zenith: Colour, random: np.random.Generator) -> None:
    """Water with streaks of light and a line of foam where it ends."""
    deep, shallow = mixed((28, 84, 120), zenith, 0.35), mixed((104, 176, 178), zenith, 0.2)
    canvas.gradient(top, bottom, [deep, deep, shallow])
    for _ in range(70):
        depth = random.random() ** 1.4
        y, x = top + 0.6 + (bottom - top - 1) * depth, random.uniform(0, canvas.width)
        long = (1 + 7 * depth) * random.uniform(0.5, 1.5)
        colour = mixed(deep, ((255, 255, 255), (10, 40, 70))[int(random.integers(0, 2))], 0.3)
        canvas.line([(x - long, y), (x + long, y)], colour, 0.2 + 0.3 * depth)
    across = np.linspace(0, canvas.width, 14)
    shore = (
        bottom + random.uniform(0.3, 1.2) * np.sin(across * random.uniform(0.08, 0.2) + random.uniform(0, 6))
    ).tolist()
    foam = list(zip(across.tolist(), shore, strict=True))
    canvas.polygon([*foam, (canvas.width, bottom - 1.6), (0, bottom - 1.6)], shallow)
    canvas.line(foam, (244, 246, 242), 1.1)
    canvas.line([(x, y - 2.2) for x, y in foam], mixed(shallow, (255, 255, 255), 0.5), 0.5)


def draw_snow(canvas: Canvas, top: float, random: np.random.Generator) -> None:
    """Snow with blue hollows, tracks and tufts."""
    draw_ground(canvas, top, (214, 222, 232), (240, 243, 247))
    for x, y, depth in nearness(canvas, top + 1, 16, random).tolist():
        canvas.soft([(x, y, 8 + 16 * depth, 0.6 + 2.6 * depth)], (178, 194, 218), 0.5)
    for x, y, depth in nearness(canvas, top + 2, 24, random).tolist():
        for lean in random.normal(0, 0.5, 3).tolist():
            tall = 0.6 + 3 * depth
            canvas.line([(x, y), (x + lean * tall, y - tall)], (128, 118, 96), 0.15 + 0.25 * depth)


def draw_paving(canvas: Canvas, top: float, random: np.random.Generator) -> None:
    """A pavement of slabs before a road with a broken line, seen along the houses."""
    kerb = top + random.uniform(7, 12)
    canvas.box(0, top, canvas.width, kerb, (170, 164, 154))
    for x in np.arange(random.uniform(0, 8), canvas.width, 8).tolist():
        canvas.line([(x, top), (x - 3, kerb)], (146, 140, 132), 0.3)
    canvas.gradient(kerb, 100, [(104, 106, 112), (126, 126, 130)])
    canvas.box(0, kerb, canvas.width, kerb + 1.3, (198, 194, 186))
    middle, phase = kerb + 0.42 * (100 - kerb), random.uniform(0, 26)
    for x in np.arange(-phase, canvas.width + 26, 26).tolist():
        canvas.polygon([(x, middle), (x + 14, middle), (x + 12, middle + 2.4), (x - 3, middle + 2.4)], (214, 212, 202))
    for x, y, depth in nearness(canvas, kerb + 2, 90, random).tolist():
        size = 0.15 + 0.35 * depth
        canvas.ellipse(x, y, 2 * size, size, varied((112, 112, 116), random, 16))
    for x, y, depth in nearness(canvas, kerb + 4, 4, random).tolist():
        canvas.soft([(x, y, 8 + 10 * depth, 1 + 2 * depth)], (84, 86, 92), 0.5)


def draw_boards(canvas: Canvas, top: float, colour: Colour, random: np.random.Generator) -> None:
    """A wooden floor whose boards run towards the wall."""
    draw_ground(canvas, top, mixed(colour, (40, 26, 18), 0.25), mixed(colour, (255, 236, 206), 0.12))
    centre = canvas.width * random.uniform(0.35, 0.65)
    edges = np.arange(-2.2 * canvas.width, 3.2 * canvas.width, 15).tolist()
    for left, right in pairwise(edges):
        far = [centre + 0.42 * (x - centre) for x in (left, right)]
        shade = varied(colour, random, 8)
        canvas.polygon([(far[0], top), (far[1], top), (right, 100), (left, 100)], shade)
        canvas.line([(far[0], top), (left, 100)], mixed(shade, (30, 18, 10), 0.45), 0.35)
        joint = random.random()
        x0, x1 = (far[0] + (left - far[0]) * joint, far[1] + (right - far[1]) * joint)
        y = top + (100 - top) * joint
        canvas.line([(x0, y), (x1, y)], mixed(shade, (30, 18, 10), 0.45), 0.35)
    for x, y, depth in nearness(canvas, top + 1, 40, random).tolist():
        slope = (x - centre) / (100 - top + 72)
        long = 2 + 8 * depth
        canvas.line([(x, y), (x + slope * long, y + long)], mixed(colour, (40, 24, 14), 0.25), 0.2)
