"""A world of two re-identification datasets, drawn from a seed, so that every stage can
run where no dataset can be had."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tfipgan.errors import InputError
from tfipgan.world.cameras import Look, draw_look, photograph
from tfipgan.world.figures import paint_person
from tfipgan.world.people import Person, Pose, draw_people, draw_pose
from tfipgan.world.scenes import cut_background, draw_panorama

DATASETS = ("source", "target")
DISTRACTORS_PER_CAMERA = 2
JUNK_PER_CAMERA = 1
OCCLUDED = 0.15
"""The part of the images in which something stands before the person."""

# Each stream of random numbers is keyed by (seed, dataset, stream, ..), so that no draw
# depends on how many others there are.
_PEOPLE, _STRANGERS, _LOOKS, _SCENES, _IMAGES, _STRANGER_IMAGES, _JUNK_IMAGES = range(7)


def synthesize(
    out: Path,
    *,
    seed: int = 0,
    identities: int = 60,
    test_identities: int = 30,
    cameras: int = 4,
    images_per_camera: int = 4,
    image_size: tuple[int, int] = (128, 64),
    strength: float = 1.0,
) -> dict[str, dict[str, int]]:
    """Writes two datasets in Market-1501's form, `out`/source and `out`/target.

    Both have cameras 1..cameras, training identities 1..identities and, after them,
    test identities, each with `images_per_camera` images in each camera (of a test
    identity one is a query, the others are gallery images); the gallery also has
    distractors (0) and junk (-1). No person is in both, though the numbers are.
    image_size: (height, width) in pixels. strength: how far the cameras are from
    neutral, 0 to 3. The same arguments give the same bytes. Returns the number of
    images by dataset and folder.

    Raises:
        InputError: an argument out of range, or a dataset that is already there.
    """
    out = Path(out)
    _check(
        seed,
        identities,
        test_identities,
        cameras,
        images_per_camera,
        image_size,
        strength,
    )
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: choose a folder to write the datasets to")
    for name in DATASETS:
        folder = out / name
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(
                f"{folder} already exists and isn't an empty folder: "
                "remove it or choose another folder to write to"
            )
    # One draw for both, so that no two look alike across the datasets either.
    total = identities + test_identities
    people = draw_people((seed, len(DATASETS), _PEOPLE), total * len(DATASETS))
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".synthesize-", dir=out))
    counts = {}
    try:
        for number, name in enumerate(DATASETS):
            world = _World(seed, number, cameras, image_size, strength)
            counts[name] = world.write(
                aside / name,
                people[number :: len(DATASETS)],
                identities,
                images_per_camera,
            )
        for name in DATASETS:
            os.replace(aside / name, out / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if new and not any(out.iterdir()):
            out.rmdir()
    return counts


def _check(seed, identities, test_identities, cameras, images, size, strength):
    if seed < 0:
        raise InputError(f"seed is {seed}, expected 0 or more")
    for name, value in (
        ("identities", identities),
        ("test_identities", test_identities),
        ("cameras", cameras),
        ("images_per_camera", images),
    ):
        if value < 2:
            raise InputError(f"{name} is {value}, expected 2 or more")
    height, width = size
    if height % 16 or width % 16 or height < 32 or width < 16:
        raise InputError(
            f"image size is {height}x{width}, expected height x width in multiples of "
            "16, at least 32x16"
        )
    if not 0 <= strength <= 3:
        raise InputError(f"strength is {strength}, expected 0 to 3")


class _World:
    """One of the two datasets, with its people and cameras."""

    def __init__(self, seed, number, cameras, image_size, strength):
        self.key = (seed, number)
        self.size = image_size
        # Small images get more samples a pixel, so that the figures are the same.
        self.samples = max(2, round(256 / image_size[0]))
        target = DATASETS[number] == "target"
        self.looks: list[Look] = [
            draw_look(self.rng(_LOOKS, c), c, target=target, strength=strength)
            for c in range(cameras)
        ]
        self.panoramas = [
            draw_panorama(self.rng(_SCENES, c), c, target=target)
            for c in range(cameras)
        ]

    def rng(self, stream: int, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([*self.key, stream, *numbers])

    def write(self, folder, people, identities, images_per_camera):
        train, query, gallery = (
            folder / name
            for name in ("bounding_box_train", "query", "bounding_box_test")
        )
        for split in (train, query, gallery):
            split.mkdir(parents=True)
        for camera in range(len(self.looks)):
            for index, person in enumerate(people):
                for image in range(images_per_camera):
                    rng = self.rng(_IMAGES, index, camera, image)
                    split = (
                        train if index < identities else query if not image else gallery
                    )
                    name = _name(index + 1, camera, index * 100 + image, image)
                    pose = draw_pose(rng, person)
                    data = self.image(person, pose, camera, rng)
                    (split / name).write_bytes(data)
            self._write_others(gallery, camera, people[identities:])
        return {
            split.name: sum(1 for _ in split.iterdir())
            for split in (train, query, gallery)
        }

    def _write_others(self, gallery, camera, people):
        """Writes the people of no identity, and the boxes that hold no whole person."""
        strangers = draw_people((*self.key, _STRANGERS, camera), DISTRACTORS_PER_CAMERA)
        for image, person in enumerate(strangers):
            rng = self.rng(_STRANGER_IMAGES, camera, image)
            data = self.image(person, draw_pose(rng, person), camera, rng)
            (gallery / _name(0, camera, image, image)).write_bytes(data)
        for image in range(JUNK_PER_CAMERA):
            rng = self.rng(_JUNK_IMAGES, camera, image)
            person = people[int(rng.integers(len(people)))]
            pose = draw_pose(rng, person)
            pose = Pose(
                pose.yaw,
                pose.phase,
                pose.stride,
                x=0.25 + float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.25)),
                y=float(rng.uniform(1.3, 1.9)),
                height=pose.height * float(rng.uniform(1.3, 1.9)),
            )
            data = self.image(person, pose, camera, rng)
            (gallery / _name(-1, camera, image, image)).write_bytes(data)

    def image(self, person: Person, pose: Pose, camera: int, rng) -> bytes:
        """Returns the JPEG file of a person seen by a camera."""
        height, width = self.size
        layer = Image.new("RGBA", (width * self.samples, height * self.samples))
        paint_person(layer, person, pose)
        if rng.random() < OCCLUDED:
            _paint_occluder(layer, rng)
        layer = np.asarray(layer.reduce(self.samples), dtype=np.float32)
        back = cut_background(self.panoramas[camera], rng, self.size)
        back = np.asarray(back, dtype=np.float32)
        x = (np.arange(width, dtype=np.float32) + 0.5) / height
        y = (np.arange(height, dtype=np.float32) + 0.5) / height
        # The person's shadow on the floor, and light that comes from one side.
        shadow = np.exp(-(((y - pose.y) / 0.018) ** 2))[:, None]
        shadow = shadow * np.exp(-(((x - pose.x) / 0.1) ** 2))
        back = back * (1 - 0.55 * shadow)[..., None]
        side = 1 + float(rng.uniform(-0.9, 0.9)) * np.clip(x - pose.x, -0.15, 0.15)
        folds = rng.uniform(0.9, 1.1, (16, 8)).astype(np.float32)
        folds = Image.fromarray(folds).resize((width, height), Image.Resampling.BICUBIC)
        figure = layer[..., :3] * (side * np.asarray(folds))[..., None]
        cover = layer[..., 3:] / 255
        light = (back + cover * (figure - back)) / 255
        light = light * rng.uniform(0.97, 1.03, 3).astype(np.float32)
        light = light * np.float32(rng.uniform(0.9, 1.1))
        return photograph(light.astype(np.float32), self.looks[camera], rng)


def _name(person: int, camera: int, frame: int, index: int) -> str:
    number = "-1" if person < 0 else f"{person:04d}"
    return f"{number}_c{camera + 1}s1_{frame % 1_000_000:06d}_{index:02d}.jpg"


def _paint_occluder(layer: Image.Image, rng) -> None:
    """Draws something that hides a part of the person, on an RGBA layer."""
    draw = ImageDraw.Draw(layer)
    width, height = layer.size
    grey = int(rng.integers(50, 170))
    side = int(rng.integers(2))
    kind = int(rng.integers(4))
    if kind == 0:
        x = width * rng.uniform(0.25, 0.75)
        half = width * rng.uniform(0.03, 0.07)
        draw.rectangle([x - half, 0, x + half, height], fill=(grey, grey, grey, 255))
    elif kind == 1:
        x = width * (0.02 + 0.5 * side)
        top = height * rng.uniform(0.68, 0.78)
        fill = (grey // 2, grey, grey * 2 // 3, 255)
        draw.rectangle([x, top, x + width * 0.45, height], fill=fill)
        lid = [x - 2, top - height * 0.02, x + width * 0.47, top + height * 0.02]
        draw.rectangle(lid, fill=(30, 34, 32, 255))
    elif kind == 2:
        (other,) = draw_people(tuple(int(v) for v in rng.integers(0, 2**31, 2)), 1)
        pose = draw_pose(rng, other)
        x = (-0.02, 0.52)[side]
        paint_person(layer, other, Pose(pose.yaw, 0.0, 0.2, x, 1.2, 1.1))
    else:
        for _ in range(26):
            x = width * (rng.uniform(-0.1, 0.35) + 0.75 * side)
            y = height * rng.uniform(0.62, 1.02)
            r = width * rng.uniform(0.04, 0.11)
            fill = (int(rng.integers(24, 80)), int(rng.integers(70, 130)), 40, 255)
            draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
