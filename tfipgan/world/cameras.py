"""The cameras of the built-in world: what a camera does to the light it gets."""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

LOOK_AT_STRENGTH_1 = 0.39
"""How far a camera's look is from neutral at strength 1, as a fraction of the looks
below. Chosen so that a re-ID network trained on the source loses much, and not all, of
its accuracy on the target."""


@dataclass(frozen=True, slots=True)
class Look:
    """A camera's deviations from neutral; all zero is a neutral camera.

    temperature: log gains of red, green, blue. hue: radians about the grey axis.
    saturation, contrast, gamma: logs of the factors. exposure: stops. haze: light added
    to black (0 to 1). blur: sigma in pixels of an image of 128 rows. noise: deviation
    (0 to 1). shrink: resolution lost, 1 halves it. coarse: JPEG quality below 95.
    """

    temperature: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hue: float = 0.0
    saturation: float = 0.0
    exposure: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    haze: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    shrink: float = 0.0
    coarse: float = 0.0

    def matrix(self) -> np.ndarray:
        """Returns the colour matrix, float32 (3, 3), that acts on a column of RGB."""
        grey = np.full((3, 3), 1 / 3)
        r = math.sqrt(1 / 3)
        cross = np.array([[0, -r, r], [r, 0, -r], [-r, r, 0]])
        turn = (
            math.cos(self.hue) * np.eye(3)
            + math.sin(self.hue) * cross
            + (1 - math.cos(self.hue)) * grey
        )
        luma = np.tile([0.299, 0.587, 0.114], (3, 1))
        vivid = luma + math.exp(self.saturation) * (np.eye(3) - luma)
        gains = np.exp(np.array(self.temperature)) * 2**self.exposure
        return (gains[:, None] * (vivid @ turn)).astype(np.float32)


TARGET_LOOKS = (
    # cold and dark
    Look((-0.40, -0.05, 0.35), 0.15, -0.1, -1.0, 0.1, 0.1, 0.0, 0.7, 0.025, 0.3, 25),
    # warm and washed out
    Look((0.30, 0.05, -0.45), -0.1, -0.2, 0.35, -0.5, -0.1, 0.16, 0.3, 0.01, 0.2, 15),
    # greenish, low contrast
    Look((-0.25, 0.25, -0.30), 0.1, -0.2, -0.2, -0.7, 0.0, 0.02, 1.0, 0.015, 0.6, 40),
    # pale, bright and bluish
    Look((-0.25, 0.00, 0.25), -0.2, -0.9, 0.5, 0.0, -0.3, 0.05, 0.2, 0.04, 0.0, 30),
    # orange dusk
    Look((0.40, -0.15, -0.70), 0.0, -0.1, -0.5, 0.1, 0.2, 0.04, 0.5, 0.03, 0.4, 35),
    # magenta, hard
    Look((0.25, -0.40, 0.25), 0.25, 0.1, 0.1, 0.35, 0.1, 0.0, 0.2, 0.02, 0.2, 20),
    # night, nearly grey
    Look((-0.10, 0.05, -0.05), 0.0, -1.2, -1.2, -0.1, -0.2, 0.04, 0.8, 0.05, 0.5, 45),
    # cyan fog
    Look((-0.50, 0.10, 0.15), -0.25, -0.3, 0.2, -0.6, 0.1, 0.12, 1.2, 0.01, 0.3, 20),
)
# A unit of each deviation for the source's cameras, and for telling a second round of
# target cameras from the first.
MILD = Look((0.1, 0.06, 0.1), 0.06, 0.15, 0.3, 0.15, 0.1, 0.03, 0.4, 0.012, 0.25, 12)


def _vary(rng: np.random.Generator, base: Look, spread: float) -> Look:
    """Returns `base` with random steps of up to `spread` units."""

    def step(value, unit):
        return float(value + spread * unit * rng.uniform(-1, 1))

    values = {}
    for name in Look.__slots__:
        value, unit = getattr(base, name), getattr(MILD, name)
        if name == "temperature":
            values[name] = tuple(step(v, u) for v, u in zip(value, unit, strict=True))
        else:
            values[name] = step(value, unit)
    for name in ("haze", "blur", "noise", "shrink", "coarse"):
        values[name] = abs(values[name])
    return Look(**values)


def _scale(look: Look, factor: float) -> Look:
    return Look(
        tuple(v * factor for v in look.temperature),
        *(getattr(look, name) * factor for name in Look.__slots__[1:]),
    )


def draw_look(
    rng: np.random.Generator, camera: int, *, target: bool, strength: float
) -> Look:
    """Returns the look of camera 0, 1, .. of the source or of the target.

    The source's are mild and near one another; the target's are far from neutral and
    from one another. `strength` scales the distance from neutral; at 0 all are neutral.
    """
    if target:
        round_, kind = divmod(camera, len(TARGET_LOOKS))
        look = _vary(rng, TARGET_LOOKS[kind], 0.4 + round_)
    else:
        look = _vary(rng, Look(), 1.0)
    return _scale(look, strength * LOOK_AT_STRENGTH_1)


def photograph(light: np.ndarray, look: Look, rng: np.random.Generator) -> bytes:
    """Returns the JPEG file of a scene seen by a camera.

    light: float32 (height, width, 3), 0 to 1, what a neutral camera would see.
    """
    height, width, _ = light.shape
    pixels = np.einsum("hwc,dc->hwd", light, look.matrix())
    factor = math.exp(look.contrast)
    pixels = 0.42 + factor * (pixels - 0.42)
    # Smooth shoulders instead of clipping: two colours that differ go on differing.
    pixels = np.where(
        pixels < 0.1, 0.1 * np.exp(np.minimum(pixels, 0.1) * 10 - 1), pixels
    )
    pixels = np.where(
        pixels > 0.85, 0.85 + 0.15 * np.tanh((pixels - 0.85) / 0.15), pixels
    )
    pixels = pixels ** math.exp(look.gamma)
    pixels = look.haze + (1 - look.haze) * pixels
    image = _image(pixels)
    if look.blur * height / 128 > 0.05:
        image = image.filter(ImageFilter.GaussianBlur(look.blur * height / 128))
    if look.shrink > 0.02:
        small = (
            max(8, round(width / (1 + look.shrink))),
            max(16, round(height / (1 + look.shrink))),
        )
        image = image.resize(small, Image.Resampling.BILINEAR)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if look.noise:
        grain = rng.standard_normal((height, width, 3), dtype=np.float32)
        grain += rng.standard_normal((height, width, 1), dtype=np.float32)
        image = _image(np.asarray(image) / np.float32(255) + look.noise * 0.7 * grain)
    file = io.BytesIO()
    quality = max(25, round(95 - look.coarse))
    image.save(file, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
    return file.getvalue()


def _image(pixels):
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
