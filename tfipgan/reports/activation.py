"""An image, and beside it the same with a map of the network's activation over it."""

import numpy as np
from PIL import Image

_GAP = 2
# The image's share where nothing and where most happens: what is there stays seen.
_SHOWN = 0.75, 0.35


def with_activation(picture: Image.Image, activation: np.ndarray) -> Image.Image:
    """Return a picture with itself under its map to the right.

    Args:
        picture: any RGB image.
        activation: float32 (rows, columns) in [0, 1], of `activation_maps`; smoothed to
            the picture's size. Low is blue, high red, over the picture in grey.
    """
    from matplotlib import colormaps

    heat = Image.fromarray(np.asarray(activation, np.float32))
    heat = np.asarray(heat.resize(picture.size, Image.Resampling.BICUBIC)).clip(0, 1)
    colours = 255 * colormaps["turbo"](heat)[..., :3]
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    share = (_SHOWN[0] + (_SHOWN[1] - _SHOWN[0]) * heat)[..., None]
    mixed = (share * grey + (1 - share) * colours).round().astype(np.uint8)
    both = Image.new("RGB", (2 * picture.width + _GAP, picture.height), "white")
    both.paste(picture, (0, 0))
    both.paste(Image.fromarray(mixed), (picture.width + _GAP, 0))
    return both
