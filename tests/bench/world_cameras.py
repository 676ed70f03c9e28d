"""What the cameras of the built-in world do to a picture.

    python tests/bench/world_cameras.py OUT [--seeds 3]

Prints docs/synthetic.md's tables and draws OUT/world_cameras.png and world_effects.png.
The light of a scene is photographed by a neutral camera and by the world's: the same
person, pose and place, so that all that differs is the camera.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from colour_maps import fit_affine, fit_curves, fit_table
from measure import print_machine, print_table
from PIL import Image

from tfipgan.reports.sheets import image_sheet
from tfipgan.world.cameras import Look, photograph
from tfipgan.world.datasets import DATASETS
from tfipgan.world.network import TRAIN, Network, Shot
from tfipgan.world.people import draw_people

SIZE = 128, 64
PEOPLE, CAMERAS = 60, 4
NEUTRAL = Look()
# A look's deviations by what they do.
EFFECTS = {
    "colour and light": (
        "temperature",
        "hue",
        "saturation",
        "exposure",
        "contrast",
        "gamma",
        "haze",
    ),
    "drift": ("drift",),
    "blur": ("blur",),
    "sharpening": ("sharpen",),
    "resolution": ("downscale",),
    "noise": ("noise",),
    "JPEG": ("jpeg_quality_drop",),
}
COLUMNS = [
    "camera",
    "delta E",
    "RMS",
    "left by curves",
    "by a matrix",
    "by a table",
    "sharpness kept",
    "noise",
]


class Scenes:
    """The scenes of one dataset, as light before any camera has seen it."""

    def __init__(self, seed, name):
        number = DATASETS.index(name)
        self.name = name
        self.network = Network(seed, number, CAMERAS, SIZE, strength=1.0)
        # As `synthesize` draws them: the training identities.
        groups = draw_people((seed, len(DATASETS)), 2 * len(DATASETS), PEOPLE)
        self.people = groups[2 * number]

    def light(self, camera, index, person=None):
        """Return the light of a person's image in a camera's place, (128, 64, 3)."""
        shot = Shot(TRAIN, index, camera, 0)
        return self.network.light(person or self.people[index], shot)

    def lights(self, camera):
        return [self.light(camera, index) for index in range(PEOPLE)]


def exposures(lights, look, first=0):
    """Photograph each light; return floats from 0 to 1, (N, 128, 64, 3)."""
    files = (
        photograph(light, look, np.random.default_rng(number))
        for number, light in enumerate(lights, first)
    )
    pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
    return np.stack(pictures).astype(np.float64) / 255


def half_size(images):
    """Return them as the configs of this world train on them, 64x32."""
    count, height, width, _ = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2, 3)
    return blocks.mean(axis=(2, 4))


def colour_difference(one, other):
    """Return the mean CIE Lab distance (1976) of two sRGB images."""
    return np.linalg.norm(_lab(one) - _lab(other), axis=-1).mean()


def _lab(image):
    linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    x, y, z = np.moveaxis(
        np.where(xyz > 216 / 24389, np.cbrt(xyz), (xyz * 24389 / 27 + 16) / 116), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def root_mean_square(one, other):
    """Return the difference in levels of 255."""
    return 255 * np.sqrt(np.square(one - other).mean())


def left_by(fit, given, wanted):
    """Fit a map on every second image; return what it leaves on the others, in RMS."""
    colour_map = fit(given[::2].reshape(-1, 3), wanted[::2].reshape(-1, 3))
    return root_mean_square(colour_map(given[1::2]), wanted[1::2])


def sharpness(given, wanted):
    """Return the gradients' energy after the best matrix, as a share of the wanted."""
    matched = fit_affine(given.reshape(-1, 3), wanted.reshape(-1, 3))(given)

    def energy(images):
        grey = images @ [0.299, 0.587, 0.114]
        return sum(np.square(np.diff(grey, axis=axis)).mean() for axis in (1, 2))

    return energy(matched) / energy(wanted)


def measure_camera(lights, look):
    """Return the numbers of COLUMNS after the camera's name, at 128x64 and at 64x32."""
    neutral = exposures(lights, NEUTRAL)
    seen, again = exposures(lights, look), exposures(lights, look, first=len(lights))
    still = exposures(lights, replace(look, noise=0.0))
    found = []
    for resize in (np.asarray, half_size):
        wanted, given = resize(neutral), resize(seen)
        maps = (fit_curves, fit_affine, fit_table)
        found.append(
            [
                colour_difference(given, wanted),
                root_mean_square(given, wanted),
                *(left_by(fit, given, wanted) for fit in maps),
                sharpness(resize(still), wanted),
                root_mean_square(given, resize(again)) / np.sqrt(2),
            ]
        )
    return np.array(found)


def measure_effects(scenes):
    """Return, for each effect alone, what it does: means over the cameras."""
    found = {name: [] for name in EFFECTS}
    for camera, look in enumerate(scenes.network.looks):
        lights = scenes.lights(camera)
        neutral = exposures(lights, NEUTRAL)
        for name, parts in EFFECTS.items():
            alone = replace(NEUTRAL, **{part: getattr(look, part) for part in parts})
            seen = exposures(lights, alone)
            numbers = []
            for resize in (np.asarray, half_size):
                given, wanted = resize(seen), resize(neutral)
                numbers.append(root_mean_square(given, wanted))
                numbers.append(left_by(fit_table, given, wanted))
            found[name].append(numbers)
    return {name: np.mean(numbers, axis=0) for name, numbers in found.items()}


def print_cameras(seeds):
    """Measure and print what the cameras do: each of seed 0, then means by seed."""
    measured = {}
    for seed in range(seeds):
        for name in DATASETS:
            scenes = Scenes(seed, name)
            measured[seed, name] = [
                measure_camera(scenes.lights(camera), look)
                for camera, look in enumerate(scenes.network.looks)
            ]
    looks = {name: Scenes(0, name).network.looks for name in DATASETS}
    print("The looks of seed 0:\n")
    print_looks(looks)
    for size, place in (("128x64", 0), ("64x32", 1)):
        print(f"At {size}, seed 0, {PEOPLE} images a camera:\n")
        rows = [
            _row(f"{name} {camera}", numbers[place])
            for name in DATASETS
            for camera, numbers in enumerate(measured[0, name], 1)
        ]
        print_table(COLUMNS, rows)
    print("Means over the cameras, at 64x32:\n")
    rows = [
        _row(f"{name}, seed {seed}", np.mean(cameras, axis=0)[1])
        for (seed, name), cameras in sorted(measured.items(), key=lambda item: item[0])
    ]
    print_table(COLUMNS, rows)
    print("The target's cameras of seed 0, one effect at a time, means:\n")
    effects = measure_effects(Scenes(0, "target"))
    columns = ["effect", "RMS at 128x64", "left", "RMS at 64x32", "left"]
    rows = [
        [name, *(f"{number:.1f}" for number in numbers)]
        for name, numbers in effects.items()
    ]
    print_table(columns, rows)


def print_looks(looks):
    """Print the cameras' settings."""
    columns = ["camera", "light, stops", "red, green, blue", "saturation", "contrast"]
    columns += ["haze", "blur, pixels", "resolution", "noise", "JPEG quality"]
    columns += ["sharpening", "drift"]
    rows = []
    for name, cameras in looks.items():
        for number, look in enumerate(cameras, 1):
            gains = ", ".join(f"{gain:.2f}" for gain in np.exp(look.temperature))
            rows.append([f"{name} {number}", f"{look.exposure:+.2f}", gains])
            values = np.exp([look.saturation, look.contrast])
            rows[-1] += [f"{value:.2f}" for value in values]
            values = look.haze, look.blur, 1 / (1 + look.downscale)
            rows[-1] += [f"{value:.2f}" for value in values]
            rows[-1].append(f"{255 * look.noise:.1f}")
            rows[-1].append(f"{max(25, round(95 - look.jpeg_quality_drop))}")
            rows[-1] += [f"{look.sharpen:.2f}", f"{look.drift:.2f}"]
    print_table(columns, rows)


def _row(name, numbers):
    *levels, kept, noise = numbers
    return [name, *(f"{level:.1f}" for level in levels), f"{kept:.2f}", f"{noise:.1f}"]


def draw_sheets(folder, seed=0, people=2):
    """Draw people as each camera sees them, and one scene with and without its look.

    Into world_cameras.png and world_effects.png of the folder.
    """
    seen_people = [[] for _ in range(people)]
    effects = [[], [], []]
    columns = []
    someone = Scenes(seed, "source").people[people]
    for name in DATASETS:
        scenes = Scenes(seed, name)
        for camera, look in enumerate(scenes.network.looks):
            columns.append(f"{name},\ncamera {camera + 1}")
            lights = scenes.lights(camera)
            neutral, seen = exposures(lights, NEUTRAL), exposures(lights, look)
            # Without the scene that is drawn.
            others = (np.delete(images, people, axis=0) for images in (seen, neutral))
            undo = fit_table(*(images.reshape(-1, 3) for images in others))
            light = [scenes.light(camera, people, someone)]
            pair = [exposures(light, NEUTRAL)[0], exposures(light, look)[0]]
            for row, picture in zip(seen_people, seen, strict=False):
                row.append(_coarse(picture))
            for row, picture in zip(effects, [*pair, undo(pair[1])], strict=True):
                row.append(_coarse(picture))
    titles = ["one of\nthe source,\none of\nthe target"]
    titles += ["two others"] * (people - 1)
    image_sheet(seen_people, columns, titles, folder / "world_cameras.png")
    titles = [
        "a neutral\ncamera",
        "this camera",
        "undone by\nthe best\ntable of\ncolours",
    ]
    image_sheet(effects, columns, titles, folder / "world_effects.png")


def _coarse(picture):
    """Return it in steps of 5 levels: no eye sees them, and the PNG is much smaller."""
    steps = np.round(picture * 255 / 5) * 5
    return np.clip(steps, 0, 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print_machine("numpy", "pillow")
    print_cameras(options.seeds)
    draw_sheets(options.out)


if __name__ == "__main__":
    main()
