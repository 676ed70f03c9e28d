"""What stands before the people of the built-in world."""

import numpy as np
from PIL import Image, ImageDraw

from tfipgan.world.figures import paint_person
from tfipgan.world.people import draw_people
from tfipgan.world.views import Pose


def paint_occluder(layer: Image.Image, rng: np.random.Generator) -> None:
    """Draws a post, a bin, a passer-by or a bush that hides a part of an RGBA layer."""
    kinds = (_post, _bin, _passer_by, _bush)
    kinds[int(rng.integers(len(kinds)))](layer, rng)


def _post(layer, rng):
    grey = int(rng.integers(50, 170))
    x = layer.width * rng.uniform(0.25, 0.75)
    half = layer.width * rng.uniform(0.03, 0.07)
    box = [x - half, 0, x + half, layer.height]
    ImageDraw.Draw(layer).rectangle(box, fill=(grey, grey, grey, 255))


def _bin(layer, rng):
    draw = ImageDraw.Draw(layer)
    width, height = layer.size
    grey = int(rng.integers(50, 170))
    x = width * (0.02 + 0.5 * int(rng.integers(2)))
    top = height * rng.uniform(0.62, 0.78)
    fill = (grey // 2, grey, grey * 2 // 3, 255)
    draw.rectangle([x, top, x + width * 0.45, height], fill=fill)
    lid = [x - 2, top - height * 0.02, x + width * 0.47, top + height * 0.02]
    draw.rectangle(lid, fill=(30, 34, 32, 255))


def _passer_by(layer, rng):
    ((other,),) = draw_people(tuple(int(v) for v in rng.integers(0, 2**31, 2)), 1, 1)
    x = (-0.02, 0.52)[int(rng.integers(2))]
    yaw = float(rng.uniform(0, 360))
    paint_person(layer, other, Pose(yaw, 0.0, 0.2, x, 1.2, 1.1))


def _bush(layer, rng):
    draw = ImageDraw.Draw(layer)
    width, height = layer.size
    side = int(rng.integers(2))
    for _ in range(26):
        x = width * (rng.uniform(-0.1, 0.35) + 0.75 * side)
        y = height * rng.uniform(0.62, 1.02)
        r = width * rng.uniform(0.04, 0.11)
        fill = (int(rng.integers(24, 80)), int(rng.integers(70, 130)), 40, 255)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
