"""How the built-in world's cameras look at people, and how those stand in a box."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tfipgan.world.people import Person

OWN_DIRECTIONS = 0.9
"""The part of the people whom a camera sees from one of its own directions."""


@dataclass(frozen=True, slots=True)
class View:
    """Where a camera hangs.

    Attributes:
        directions: yaws in degrees in which most people pass it, one to three.
        pitch: how much nearer the head is than the feet; 0 is at eye level.
        roll: degrees by which upright people lean in its images.
        room: the part of a box that people leave empty.
    """

    directions: tuple[float, ...]
    pitch: float
    roll: float
    room: float


@dataclass(frozen=True, slots=True)
class Pose:
    """How a person stands in an image.

    Attributes:
        yaw: degrees; 0 faces the camera, 90 walks to the right.
        phase, stride: radians, of the walk.
        x, y, height: x of the body's middle, y of the soles and the body's height, as
            fractions of the image's height.
    """

    yaw: float
    phase: float
    stride: float
    x: float
    y: float
    height: float


def draw_view(rng: np.random.Generator) -> View:
    """Return where a camera hangs: beside a path, at a crossing, above a door."""
    along = float(rng.uniform(0, 360))
    # Down the path, up the path, and out of a side street.
    paths = (along, along + 180, along + 90 + float(rng.uniform(-30, 30)))
    return View(
        directions=tuple(yaw % 360 for yaw in paths[: int(rng.integers(1, 4))]),
        pitch=float(rng.uniform(0.0, 0.24)),
        roll=float(rng.uniform(-5, 5)),
        room=float(rng.uniform(0.1, 0.2)),
    )


def draw_direction(rng: np.random.Generator, view: View) -> float:
    """Return the yaw in which somebody passes a camera: as most do, or any."""
    own = float(view.directions[int(rng.integers(len(view.directions)))])
    return own if rng.random() < OWN_DIRECTIONS else float(rng.uniform(0, 360))


def draw_pose(
    rng: np.random.Generator, person: Person, view: View, direction: float
) -> Pose:
    """Return a pose with the framing error of a person detector's box.

    One box in ten is badly off: feet or head are cut, it holds little more than the
    upper half, or the person stands at its edge.
    """
    height = (1 - view.room) * person.height * float(rng.uniform(0.93, 1.06))
    height *= 1 + 0.3 * view.pitch
    x, y = 0.25 + float(rng.normal(0, 0.018)), 1 - (1 - height) * rng.uniform(0.2, 0.6)
    fault = rng.random()
    if fault < 0.03:  # the feet are cut
        y += rng.uniform(0.08, 0.2)
    elif fault < 0.05:  # the head is cut
        y = height - rng.uniform(0.02, 0.08)
    elif fault < 0.07:  # little more than the upper half
        height *= 1.5
        y = height + rng.uniform(0.0, 0.06)
    elif fault < 0.1:
        x += rng.choice([-1, 1]) * rng.uniform(0.06, 0.13)
    return Pose(
        yaw=direction + float(rng.normal(0, 10)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=float(rng.uniform(0.2, 0.5)),
        x=float(x),
        y=float(y),
        height=height,
    )


def draw_half_pose(rng: np.random.Generator, view: View) -> Pose:
    """Return the pose of a box that holds half of somebody, at its edge."""
    return Pose(
        yaw=float(rng.uniform(0, 360)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=float(rng.uniform(0.2, 0.5)),
        x=0.25 + float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.25)),
        y=float(rng.uniform(1.3, 1.9)),
        height=(1 - view.room) * float(rng.uniform(1.3, 1.9)),
    )


def seen_from_above(layer: Image.Image, view: View) -> Image.Image:
    """Return a layer of people as a camera sees it from its height.

    The upper part is magnified and the lower one drawn together, and everything is
    foreshortened and rolled about the middle.
    """
    width, height = layer.size
    top, bottom = 1 / (1 + view.pitch), 1 / (1 - view.pitch)
    near = top / bottom
    to_middle = np.array([[1, 0, -width / 2], [0, 1, 0], [0, 0, 1]])
    project = np.array([[top, 0, 0], [0, near, 0], [0, (near - 1) / height, 1]])
    c, s = math.cos(math.radians(view.roll)), math.sin(math.radians(view.roll))
    roll = np.array([[c, -s, s * height / 2], [s, c, (1 - c) * height / 2], [0, 0, 1]])
    matrix = np.linalg.inv(to_middle) @ project @ roll @ to_middle
    coefficients = (matrix / matrix[2, 2]).ravel()[:8]
    return layer.transform(
        layer.size,
        Image.Transform.PERSPECTIVE,
        tuple(coefficients),
        Image.Resampling.BILINEAR,
    )
