"""The cameras of the built-in world: what a camera does to the light it gets."""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

LOOK_AT_STRENGTH_1 = 0.6
"""The scale of the looks at strength 1. docs/synthetic.md has the tries by which it was
set: a re-ID network trained on one dataset keeps some 40 % of its mAP on the other."""


@dataclass(frozen=True, slots=True)
class Look:
    """A camera's deviations from neutral; all zero is a neutral camera.

    Attributes:
        temperature: log gains of red, green, blue.
        hue: radians about the grey axis.
        saturation, contrast, gamma: logs of the factors.
        exposure: stops.
        haze: light added to black (0 to 1).
        blur: sigma in pixels of an image of 128 rows.
        noise: deviation (0 to 1).
        downscale: resolution lost; 1 halves it.
        jpeg_quality_drop: JPEG quality below 95.
        sharpen: the camera's own sharpening; 1 doubles the edges.
        drift: how much the look changes from image to image.
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
    downscale: float = 0.0
    jpeg_quality_drop: float = 0.0
    sharpen: float = 0.0
    drift: float = 0.0

    def matrix(self) -> np.ndarray:
        """Return the colour matrix, float32 (3, 3), that acts on a column of RGB."""
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


UNIT = Look(
    temperature=(0.5, 0.25, 0.5),
    hue=0.3,
    saturation=0.5,
    exposure=0.6,
    contrast=0.35,
    gamma=0.4,
    haze=0.1,
    blur=0.8,
    noise=0.03,
    downscale=0.7,
    jpeg_quality_drop=45,
    sharpen=1.6,
    drift=0.6,
)
"""How far a deviation goes at most in a camera, before it is scaled."""
ONE_SIDED = (
    "haze",
    "blur",
    "noise",
    "downscale",
    "jpeg_quality_drop",
    "sharpen",
    "drift",
)
INSTALLATION = 0.5
"""How much of a camera's look all cameras of a dataset have in common: they were bought
and set up together. The rest is the camera's own."""
DRIFT = Look(temperature=(0.12, 0.05, 0.12), exposure=0.35, contrast=0.12, blur=0.5)
"""What changes from image to image of a camera that drifts by 1; deviations, but for
blur at most."""


def draw_look(
    rng: np.random.Generator, installation: np.random.Generator, *, strength: float
) -> Look:
    """Return the look of one camera, drawn in the same way for every camera.

    Args:
        installation: in the same state for each camera of a dataset.
        strength: scales the distance from neutral; at 0 all cameras are neutral.
    """

    def draw(unit, low=-1.0):
        shared = INSTALLATION * installation.uniform(low, 1)
        own = (1 - INSTALLATION) * rng.uniform(low, 1)
        return float(unit * (shared + own))

    values: dict = {}
    for name in Look.__slots__:
        if name == "temperature":
            # Warm or cold, and a tint of green or magenta.
            warm, green, _ = UNIT.temperature
            step, tint = draw(warm), draw(green)
            values[name] = (step, tint, -step)
        else:
            low = 0.0 if name in ONE_SIDED else -1.0
            values[name] = draw(getattr(UNIT, name), low)
    return _scale(Look(**values), strength * LOOK_AT_STRENGTH_1)


def _scale(look: Look, factor: float) -> Look:
    return Look(
        tuple(v * factor for v in look.temperature),
        *(getattr(look, name) * factor for name in Look.__slots__[1:]),
    )


def drifted(look: Look, rng: np.random.Generator) -> Look:
    """Return a camera's look in one of its images: it is never quite the same."""
    steps = rng.standard_normal(5) * look.drift
    warm, green, _ = DRIFT.temperature
    shift = (warm * steps[0], green * steps[1], -warm * steps[0])
    return replace(
        look,
        temperature=tuple(
            float(v + s) for v, s in zip(look.temperature, shift, strict=True)
        ),
        exposure=look.exposure + DRIFT.exposure * float(steps[2]),
        contrast=look.contrast + DRIFT.contrast * float(steps[3]),
        blur=look.blur + DRIFT.blur * look.drift * float(rng.uniform(0, 1)),
    )


def photograph(light: np.ndarray, look: Look, rng: np.random.Generator) -> bytes:
    """Return the JPEG file of a scene seen by a camera.

    Args:
        light: float32 (height, width, 3), 0 to 1, what a neutral camera would see.
        rng: of the drift and the noise.
    """
    look = drifted(look, rng)
    height, width, _ = light.shape
    pixels = light @ look.matrix().T
    factor = math.exp(look.contrast)
    pixels = 0.42 + factor * (pixels - 0.42)
    # Smooth shoulders instead of clipping: two colours that differ go on differing.
    pixels = np.where(
        pixels < 0.1, 0.1 * np.exp(np.minimum(pixels, 0.1) * 10 - 1), pixels
    )
    pixels = np.where(
        pixels > 0.85, 0.85 + 0.15 * np.tanh((pixels - 0.85) / 0.15), pixels
    )
    if look.gamma:
        pixels = pixels ** np.float32(math.exp(look.gamma))
    pixels = look.haze + (1 - look.haze) * pixels
    image = _image(pixels)
    if look.blur * height / 128 > 0.05:
        image = image.filter(ImageFilter.GaussianBlur(look.blur * height / 128))
    if look.downscale > 0.02:
        small = (
            max(8, round(width / (1 + look.downscale))),
            max(16, round(height / (1 + look.downscale))),
        )
        image = image.resize(small, Image.Resampling.BILINEAR)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    if look.noise:
        grain = rng.standard_normal((height, width, 3), dtype=np.float32)
        grain += rng.standard_normal((height, width, 1), dtype=np.float32)
        image = _image(np.asarray(image) / np.float32(255) + look.noise * 0.7 * grain)
    if look.sharpen > 0.02:
        edges = ImageFilter.UnsharpMask(height / 100, round(100 * look.sharpen), 0)
        image = image.filter(edges)
    file = io.BytesIO()
    quality = max(25, round(95 - look.jpeg_quality_drop))
    image.save(file, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
    return file.getvalue()


def _image(pixels):
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
