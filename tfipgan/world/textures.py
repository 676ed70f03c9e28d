"""The texture and the wear of the clothes of the built-in world's people."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image

from tfipgan.world.people import HEMS, Person
from tfipgan.world.views import Pose

ROWS, COLUMNS = 96, 64
"""Of a texture: crown to soles, and once around the body."""
CHEST = 14
ENDS = {"trousers": 1.0, "shorts": 0.74, "skirt": 0.72, "long skirt": 0.9}
"""How far down the lower clothes go."""


def _fabric(rng, kind, rows):
    """Return a fabric's brightness, (rows, COLUMNS) about 0."""
    if kind == "knit":
        return 0.08 * rng.standard_normal((rows, 1)) * np.ones((1, COLUMNS))
    if kind == "twill":
        across = rng.standard_normal((1, COLUMNS))
        return 0.07 * across + 0.04 * rng.standard_normal((rows, COLUMNS))
    if kind == "wool":
        return 0.12 * rng.standard_normal((rows, COLUMNS))
    return np.zeros((rows, COLUMNS))


@lru_cache(maxsize=64)
def cloth_texture(person: Person) -> np.ndarray:
    """Return the factors of a person's colours, float32 (ROWS, COLUMNS).

    Wrapped around the body: column 0 is its front, the middle one its back. Fades,
    stains and folds are larger than the weave; the head and bare legs have none of it.
    """
    rng = np.random.default_rng(person.weave)
    texture = np.zeros((ROWS, COLUMNS))
    hem, end = (round(ROWS * y) for y in (HEMS[person.hem], ENDS[person.lower_kind]))
    texture[CHEST:hem] = _fabric(rng, person.fabric, hem - CHEST)
    texture[hem:end] = _fabric(rng, person.lower_fabric, end - hem)
    patches = rng.standard_normal((14, 6)).astype(np.float32)
    patches[:, -1] = patches[:, 0]  # it closes around the body
    patches = Image.fromarray(patches)
    patches = patches.resize((COLUMNS, ROWS), Image.Resampling.BICUBIC)
    texture += (0.04 + 0.08 * person.worn) * np.asarray(patches)
    texture[:CHEST] = texture[end:] = 0
    return np.exp(np.clip(texture, -0.5, 0.5)).astype(np.float32)


def texture_in_image(person: Person, pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Return the factors of a figure's colours in an image, float32 (height, width).

    What turns away from the camera is drawn together, as on a cylinder.
    """
    height, width = size
    x = (np.arange(width) + 0.5) / height - pose.x
    y = 1 + ((np.arange(height) + 0.5) / height - pose.y) / pose.height
    radius = 0.16 * pose.height
    around = np.arcsin(np.clip(x / radius, -0.98, 0.98)) / (2 * math.pi)
    columns = np.floor((around + pose.yaw / 360) * COLUMNS).astype(int) % COLUMNS
    rows = np.clip(np.floor(y * ROWS).astype(int), 0, ROWS - 1)
    return cloth_texture(person)[rows[:, None], columns[None, :]]
