"""The light of the built-in world's places: it falls unevenly, and casts shadows."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True, slots=True)
class Lighting:
    """The light of a camera's place.

    Attributes:
        slope: how much brighter one side of a picture is than the other, at most (log).
        pools, shadows, leaves: the part of its images with a pool of light, the edge of
            a large shadow, or light through leaves.
        depth: how dark shadows are (log).
        cool: how much more the red light fades than the blue in the shade.
        sun: x and y of the end of a person's own shadow, in body lengths.
    """

    slope: float
    pools: float
    shadows: float
    leaves: float
    depth: float
    cool: float
    sun: tuple[float, float]


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """Return the light of a place: lamps in a hall, a window, the sun in a street."""
    return Lighting(
        slope=float(rng.uniform(0.1, 0.5)),
        pools=float(rng.uniform(0, 0.6)),
        shadows=float(rng.uniform(0, 0.5)),
        leaves=float(rng.choice([0, 0, 0.4])),
        depth=float(rng.uniform(0.2, 0.6)),
        cool=float(rng.uniform(-0.2, 0.3)),
        sun=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.15, 0.5))),
    )


def light_field(
    rng: np.random.Generator, lighting: Lighting, size: tuple[int, int]
) -> np.ndarray:
    """Return the light's factors over a picture, float32 (height, width, 3)."""
    height, width = size
    x = ((np.arange(width, dtype=np.float32) + 0.5) / height)[None, :] - 0.25
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None] - 0.5

    def across():
        angle = rng.uniform(0, 2 * math.pi)
        return x * math.cos(angle) + y * math.sin(angle)

    light = across() * np.float32(rng.uniform(0, lighting.slope) * 2) - 0.1
    if rng.random() < lighting.pools:
        left, top = rng.uniform(-0.3, 0.3), rng.uniform(-0.6, 0.5)
        far = ((x - left) ** 2 + (y - top) ** 2) / rng.uniform(0.15, 0.45) ** 2
        light = light + np.float32(rng.uniform(0.1, 0.4)) * np.exp(-far)
    if rng.random() < lighting.shadows:
        beyond = (across() - rng.uniform(-0.3, 0.3)) / rng.uniform(0.008, 0.06)
        light = light - np.float32(lighting.depth) * _smooth_step(beyond)
    if rng.random() < lighting.leaves:
        spots = rng.uniform(-1, 1, (12, 6)).astype(np.float32)
        spots = Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC)
        light = light - np.float32(lighting.depth) * _smooth_step(8 * np.asarray(spots))
    cool = np.array([lighting.cool, 0.0, -lighting.cool], dtype=np.float32)
    return np.exp(light[..., None] * (1 + cool)).astype(np.float32)


def _smooth_step(x):
    """Return the logistic function, without an overflow."""
    return 0.5 + 0.5 * np.tanh(x / 2)


def floor_shadow(cover: Image.Image, feet: float, lighting: Lighting) -> np.ndarray:
    """Return the shadow that a figure casts behind it, float32 (height, width).

    0 is no shadow, 1 a black one.

    Args:
        cover: mode L, where the figure is.
        feet: the row of its soles, in pixels.
    """
    aside, length = lighting.sun
    # Where the shadow's points come from: it is the figure, laid on the floor.
    laid = (1.0, aside / length, -feet * aside / length)
    laid += (0.0, 1 / length, feet - feet / length)
    shadow = cover.transform(
        cover.size, Image.Transform.AFFINE, laid, Image.Resampling.BILINEAR
    ).filter(ImageFilter.GaussianBlur(cover.height / 100))
    dark = 0.7 * (1 - math.exp(-lighting.depth))
    return np.asarray(shadow, dtype=np.float32) * np.float32(dark / 255)
