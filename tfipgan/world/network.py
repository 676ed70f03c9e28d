"""The cameras of one dataset of the built-in world, and what they see of somebody."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from tfipgan.world.cameras import Look, draw_look, photograph
from tfipgan.world.figures import paint_person
from tfipgan.world.lighting import Lighting, draw_lighting, floor_shadow, light_field
from tfipgan.world.occluders import paint_occluder
from tfipgan.world.people import Person
from tfipgan.world.scenes import PLACES, cut_background, draw_panorama
from tfipgan.world.textures import texture_in_image
from tfipgan.world.views import (
    Pose,
    View,
    draw_direction,
    draw_half_pose,
    draw_pose,
    draw_view,
    seen_from_above,
)
from tfipgan.world.visits import draw_shares, draw_visits, share_images

OCCLUDED = 0.15
"""The part of the images in which something stands before the person."""

# Each stream of random numbers is keyed by (seed, dataset, stream, ..), so that no draw
# depends on how many others there are.
_LOOKS, _PLACES, _KINDS, _SHARES, _VISITS, _PASSAGES, _SCENES, _FILM = range(8)
TRAIN, TEST, STRANGERS, JUNK_BOXES = range(4)
"""What an image is of; part of the key of its random numbers."""


class Place(NamedTuple):
    """What a camera looks at, and from where.

    Attributes:
        shutter: how far a walker moves in an exposure at most, in body heights.
    """

    panorama: Image.Image
    view: View
    lighting: Lighting
    shutter: float


class Shot(NamedTuple):
    """One image to be taken.

    Attributes:
        role, number: of whom: TRAIN and the person's place in that split, and so on.
        camera, image: 0, 1, ..; the latter counts the person's images in that camera.
    """

    role: int
    number: int
    camera: int
    image: int


class Network:
    """The cameras of one dataset.

    Args:
        seed: of the world.
        dataset: 0, the source, or 1, the target. Both are drawn by the same rules.
        cameras: how many.
        image_size: (height, width) in pixels.
        strength: how far the looks are from neutral.
    """

    def __init__(
        self,
        seed: int,
        dataset: int,
        cameras: int,
        image_size: tuple[int, int],
        strength: float,
    ):
        self._key = (seed, dataset)
        self.size = image_size
        # Small images get more samples a pixel, so that the figures are the same.
        self._samples = max(2, round(256 / image_size[0]))
        self.looks: list[Look] = [
            draw_look(self._rng(_LOOKS, c), self._rng(_LOOKS), strength=strength)
            for c in range(cameras)
        ]
        # Every kind of place once before one comes again.
        kinds = self._rng(_KINDS).permutation(len(PLACES))
        self.places = [
            self._place(c, int(kinds[c % len(PLACES)])) for c in range(cameras)
        ]
        self._shares = draw_shares(self._rng(_SHARES), cameras)

    def _rng(self, stream: int, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([*self._key, stream, *numbers])

    def _place(self, camera, kind):
        rng = self._rng(_PLACES, camera)
        view, lighting = draw_view(rng), draw_lighting(rng)
        shutter = float(rng.uniform(0, 0.035))
        return Place(draw_panorama(rng, kind), view, lighting, shutter)

    def train_shots(self, number: int, images_per_camera: int) -> Iterator[Shot]:
        """Yield the images of training person 0, 1, .. in the cameras that see them.

        As many as if all cameras saw them `images_per_camera` times.
        """
        cameras = self.visits(TRAIN, number)
        rng = self._rng(_VISITS, TRAIN, number, 1)
        total = images_per_camera * len(self.places)
        counts = share_images(rng, total, len(cameras))
        for camera, count in zip(cameras, counts, strict=True):
            yield from (Shot(TRAIN, number, camera, image) for image in range(count))

    def test_shots(self, number: int, images_per_camera: int) -> Iterator[Shot]:
        """Yield the images of test person 0, 1, ..

        There are `images_per_camera` in each camera that sees them.
        """
        for camera in self.visits(TEST, number):
            for image in range(images_per_camera):
                yield Shot(TEST, number, camera, image)

    def visits(self, role: int, number: int) -> tuple[int, ...]:
        """Return the cameras (0, 1, ..) that see a person of a split."""
        return draw_visits(self._rng(_VISITS, role, number), number, self._shares)

    def light(self, person: Person, shot: Shot) -> np.ndarray:
        """Return what a neutral camera would see, float32 (height, width, 3)."""
        place = self.places[shot.camera]
        passage = self._rng(_PASSAGES, shot.role, shot.number, shot.camera)
        direction = draw_direction(passage, place.view)
        rng = self._rng(_SCENES, *shot)
        if shot.role == JUNK_BOXES:
            pose = draw_half_pose(rng, place.view)
        else:
            pose = draw_pose(rng, person, place.view, direction)
        return self._compose(person, pose, place, rng)

    def photograph(self, light: np.ndarray, shot: Shot, look: Look) -> bytes:
        """Return the JPEG file that a camera of a look makes of a shot's light."""
        return photograph(light, look, self._rng(_FILM, *shot))

    def _compose(self, person, pose: Pose, place: Place, rng) -> np.ndarray:
        height, width = self.size
        layer = Image.new("RGBA", (width * self._samples, height * self._samples))
        paint_person(layer, person, pose)
        if rng.random() < OCCLUDED:
            paint_occluder(layer, rng)
        layer = layer.convert("RGBa").reduce(self._samples)
        layer = seen_from_above(layer, place.view)
        moved = place.shutter * rng.uniform(0, 1) * pose.height * height
        layer = layer.filter(ImageFilter.BoxBlur((moved / 2, 0)))
        back = cut_background(place.panorama, rng, self.size)
        back = np.asarray(back, dtype=np.float32)
        shadow = floor_shadow(layer.getchannel("a"), pose.y * height, place.lighting)
        back = back * (1 - shadow)[..., None]
        layer = np.asarray(layer, dtype=np.float32)
        figure = layer[..., :3] * self._shading(person, pose, rng)[..., None]
        scene = figure + back * (1 - layer[..., 3:] / 255)
        light = scene * light_field(rng, place.lighting, self.size) / 255
        # Cameras expose by the scene: this evens out half of what it is off.
        return (light * np.sqrt(0.4 / light.mean())).astype(np.float32)

    def _shading(self, person, pose, rng):
        """Return the figure's factors: the cloth, its folds, light from one side."""
        height, width = self.size
        x = (np.arange(width, dtype=np.float32) + 0.5) / height - np.float32(pose.x)
        side = 1 + float(rng.uniform(-1.2, 1.2)) * np.clip(x, -0.15, 0.15)
        # A body is round: its edges turn away from the light.
        side = side * (1 - 0.3 * np.clip(x / 0.13, -1, 1) ** 2)
        folds = rng.uniform(0.86, 1.14, (20, 9)).astype(np.float32)
        folds = Image.fromarray(folds).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(folds) * side * texture_in_image(person, pose, self.size)
