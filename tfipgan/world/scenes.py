"""The places of the built-in world: a wide panorama for each camera.

A camera whose background never changes would give itself away to a network, so each
image shows another part of the panorama, at another zoom.
"""

import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH, FLOOR = 320, 3200, 190
"""Rows and columns of a panorama, and the row where its floor begins."""

CLAYS = ((150, 80, 60), (180, 148, 106), (128, 124, 122), (96, 62, 60), (204, 198, 190))


def _grey(rng, low, high, spread=8):
    base = rng.uniform(low, high)
    return tuple(
        int(v) for v in np.clip(base + rng.uniform(-spread, spread, 3), 0, 255)
    )


def _colour(rng, low=30, high=225):
    """Draw a random colour, less vivid than clothes are, so that people stand out."""
    colour = rng.integers(low, high, 3)
    return tuple(int(v) for v in 0.55 * colour + 0.45 * colour.mean())


def _spans(rng, low, high):
    """Yield (left, right) of neighbours whose widths are `low` to `high` pixels."""
    left = 0
    while left < WIDTH:
        right = left + int(rng.integers(low, high))
        yield left, right
        left = right


def _ground(draw, rng, colour, step, line):
    """Draw a floor with lines that come closer together towards the horizon."""
    draw.rectangle([0, FLOOR, WIDTH, HEIGHT], fill=colour)
    row, gap = FLOOR, 6.0
    while row < HEIGHT:
        draw.line([0, row, WIDTH, row], fill=line, width=2)
        row, gap = row + gap, gap * 1.5
    for x in range(0, WIDTH, step):
        draw.line(
            [x, FLOOR, x + int(rng.integers(-20, 20)), HEIGHT], fill=line, width=2
        )


def _hall(draw, rng):
    for left, right in _spans(rng, 150, 500):
        draw.rectangle([left, 0, right, FLOOR], fill=_grey(rng, 130, 220, 25))
    _ground(draw, rng, _grey(rng, 120, 180), 60, _grey(rng, 90, 120))
    for left, right in _spans(rng, 70, 170):
        kind = rng.integers(4)
        if kind == 0:
            draw.rectangle([left + 8, 50, right - 8, FLOOR], fill=_colour(rng, 60, 170))
            draw.rectangle([left + 16, 62, right - 16, 120], fill=(196, 214, 222))
        elif kind == 1:
            draw.rectangle([left + 12, 40, right - 12, 130], fill=_colour(rng))
            draw.rectangle([left + 22, 52, right - 30, 86], fill=_colour(rng))
        elif kind == 2:
            draw.rectangle([left, 0, left + 30, FLOOR + 12], fill=_grey(rng, 90, 140))
        draw.ellipse([left + 20, 4, left + 70, 18], fill=(252, 250, 238))


def _pavement(draw, rng):
    for left, right in _spans(rng, 200, 420):
        draw.rectangle([left, 0, right, FLOOR], fill=_grey(rng, 110, 200, 30))
        for x in range(left + 16, right - 40, 62):
            glass = _grey(rng, 40, 130, 16)
            draw.rectangle(
                [x, 10, x + 38, 74], fill=glass, outline=_grey(rng, 170, 230)
            )
            if rng.random() < 0.6:
                draw.rectangle([x, 104, x + 38, FLOOR], fill=_colour(rng, 30, 130))
    _ground(draw, rng, _grey(rng, 130, 165), 90, _grey(rng, 100, 125))
    draw.rectangle([0, 290, WIDTH, HEIGHT], fill=_grey(rng, 60, 85))
    draw.rectangle([0, 282, WIDTH, 290], fill=_grey(rng, 180, 200))


def _lawn(draw, rng):
    draw.rectangle([0, 0, WIDTH, 80], fill=(176, 206, 230))
    draw.rectangle([0, 80, WIDTH, FLOOR], fill=(92, 122, 74))
    draw.rectangle([0, FLOOR, WIDTH, HEIGHT], fill=(104, 144, 68))
    for left, right in _spans(rng, 200, 600):
        if rng.random() < 0.5:
            draw.rectangle([left, 70, right, FLOOR], fill=_grey(rng, 90, 210, 30))
    for _ in range(260):
        x, y, r = rng.integers(WIDTH), rng.integers(50, 150), rng.integers(12, 46)
        green = (int(rng.integers(30, 90)), int(rng.integers(76, 130)), 44)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=green)
    for x in rng.integers(0, WIDTH, 26):
        draw.rectangle([x, 40, x + 14, FLOOR + 10], fill=(84, 62, 46))
    for left, right in _spans(rng, 160, 500):
        if rng.random() < 0.5:
            points = [left, HEIGHT, left + 80, FLOOR, left + 120, FLOOR, right, HEIGHT]
            draw.polygon([int(v) for v in points], fill=(196, 182, 150))
    for _ in range(500):
        x, y = rng.integers(WIDTH), rng.integers(FLOOR, HEIGHT)
        draw.line([x, y, x + 3, y - 8], fill=(70, 110, 48), width=2)


def _brick(draw, rng):
    draw.rectangle([0, 0, WIDTH, FLOOR], fill=(176, 164, 150))
    for left, right in _spans(rng, 180, 600):
        clay = CLAYS[int(rng.integers(len(CLAYS)))]
        for row, y in enumerate(range(0, FLOOR, 12)):
            for x in range(left - (row % 2) * 15, right, 30):
                light = rng.uniform(0.85, 1.15)
                brick = tuple(int(v * light) for v in clay)
                draw.rectangle([x, y, x + 27, y + 9], fill=brick)
    for left, right in _spans(rng, 130, 380):
        if rng.random() < 0.6:
            top = int(rng.integers(10, 90))
            draw.rectangle([left, top, left + 70, FLOOR], fill=_colour(rng, 20, 200))
        if rng.random() < 0.4:
            draw.arc([left, 60, right, 150], 150, 390, fill=_colour(rng), width=9)
    _ground(draw, rng, _grey(rng, 100, 140), 110, _grey(rng, 80, 95))


def _platform(draw, rng):
    for left, right in _spans(rng, 180, 600):
        draw.rectangle([left, 0, right, FLOOR], fill=_grey(rng, 120, 225, 25))
    for x in range(0, WIDTH, 24):
        draw.line([x, 0, x, FLOOR], fill=(178, 184, 182), width=2)
    for y in range(0, FLOOR, 24):
        draw.line([0, y, WIDTH, y], fill=(178, 184, 182), width=2)
    draw.rectangle([0, 60, WIDTH, 84], fill=_colour(rng, 20, 180))
    for left, right in _spans(rng, 100, 320):
        kind = rng.integers(4)
        if kind == 0:
            draw.rectangle([left, 20, right - 30, 150], fill=_colour(rng, 20, 235))
            draw.ellipse([left + 10, 40, left + 80, 120], fill=_colour(rng, 20, 235))
        elif kind == 1:
            draw.rectangle(
                [left, 0, left + 34, FLOOR + 14], fill=_grey(rng, 60, 110, 25)
            )
        elif kind == 2:
            draw.rectangle([left, 20, right, FLOOR], fill=_grey(rng, 170, 205, 20))
            for x in range(left + 10, right - 30, 60):
                draw.rectangle([x, 50, x + 44, 110], fill=(36, 42, 52))
    _ground(draw, rng, _grey(rng, 95, 130), 48, _grey(rng, 75, 90))
    draw.rectangle([0, 262, WIDTH, 276], fill=(222, 188, 44))


def _shop(draw, rng):
    draw.rectangle([0, 0, WIDTH, FLOOR], fill=_grey(rng, 70, 110))
    for left, right in _spans(rng, 120, 300):
        draw.rectangle([left, 0, right, FLOOR], fill=_grey(rng, 50, 190, 25))
        if rng.random() < 0.3:
            draw.rectangle([left, 0, right, FLOOR], fill=_colour(rng, 60, 240))
            continue
        for top in range(6, FLOOR - 20, 44):
            x = left
            while x < right - 14:
                w, h = int(rng.integers(9, 26)), int(rng.integers(18, 38))
                draw.rectangle([x, top + 40 - h, x + w, top + 40], fill=_colour(rng))
                x += w + 3
            draw.rectangle([left, top + 40, right - 6, top + 44], fill=(220, 220, 214))
    _ground(draw, rng, _grey(rng, 185, 222), 70, _grey(rng, 150, 175))


def _car_park(draw, rng):
    draw.rectangle([0, 0, WIDTH, 90], fill=(186, 192, 200))
    for left, right in _spans(rng, 120, 360):
        top = int(rng.integers(0, 70))
        draw.rectangle([left, top, right, 120], fill=_grey(rng, 90, 190, 24))
    draw.rectangle([0, 110, WIDTH, HEIGHT], fill=_grey(rng, 70, 105))
    for left, right in _spans(rng, 170, 260):
        draw.line([left, FLOOR, left - 40, HEIGHT], fill=(226, 226, 220), width=6)
        if rng.random() < 0.75:
            paint = _colour(rng, 20, 235)
            draw.rounded_rectangle([left + 6, 130, right - 10, 196], 18, fill=paint)
            draw.rounded_rectangle([left + 34, 96, right - 40, 150], 18, fill=paint)
            draw.rectangle([left + 46, 106, right - 52, 134], fill=(40, 50, 60))
            for x in (left + 34, right - 66):
                draw.ellipse([x, 174, x + 36, 210], fill=(26, 26, 28))


def _plaza(draw, rng):
    draw.rectangle([0, 0, WIDTH, FLOOR], fill=(110, 140, 156))
    for x in range(0, WIDTH, 54):
        for y in range(0, FLOOR, 64):
            level = int(rng.integers(70, 200))
            glass = (level * 3 // 4, level * 9 // 10, level)
            draw.rectangle([x + 3, y + 3, x + 50, y + 60], fill=glass)
    for left, _ in _spans(rng, 150, 420):
        kind = rng.integers(3)
        if kind == 0:
            draw.rectangle([left, 150, left + 100, FLOOR + 14], fill=(150, 142, 130))
            for _ in range(14):
                x, y = left + rng.integers(100), 140 + rng.integers(-24, 14)
                draw.ellipse([x - 18, y - 18, x + 18, y + 18], fill=(54, 104, 50))
        elif kind == 1:
            draw.rectangle([left, 10, left + 36, 150], fill=_colour(rng))
            draw.rectangle([left + 15, 150, left + 20, FLOOR + 8], fill=(70, 70, 74))
    _ground(draw, rng, _grey(rng, 165, 205, 16), 100, _grey(rng, 130, 150))


PLACES = (_hall, _pavement, _lawn, _brick, _platform, _shop, _car_park, _plaza)


def draw_panorama(rng: np.random.Generator, kind: int) -> Image.Image:
    """Return a place, RGB of HEIGHT x WIDTH; kind: 0, 1, .. of PLACES."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    PLACES[kind](ImageDraw.Draw(image), rng)
    # Light that changes along the place: no colour stands for the whole of it.
    light = rng.uniform(205, 255, (2, 24, 3)) * rng.uniform(0.75, 1, (2, 24, 1))
    light = Image.fromarray(light.astype(np.uint8))
    light = light.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = rng.normal(1 / 205, 0.05 / 205, (HEIGHT, WIDTH, 1)).astype(np.float32)
    pixels = np.asarray(image) * (np.asarray(light) * grain)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def cut_background(
    panorama: Image.Image, rng: np.random.Generator, size: tuple[int, int]
) -> Image.Image:
    """Return another part of a place, RGB of `size` (height, width), at each call."""
    height = float(rng.uniform(0.5, 0.95)) * HEIGHT
    width = height * size[1] / size[0]
    left = float(rng.uniform(0, WIDTH - width))
    top = min(max(FLOOR - height * rng.uniform(0.5, 0.8), 0.0), HEIGHT - height)
    return panorama.resize(
        (size[1], size[0]),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
