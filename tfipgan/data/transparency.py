"""What is seen of a transparent image: it is pasted on white.

A file has colours where it is transparent too, which nobody sees and a network would.
White is what browsers, paper and this project's reports have behind an image.
`tfipgan.data.images` does the same to the bit in TensorFlow's graph.
"""

import numpy as np
from PIL import Image


def alpha_channel(
    image: Image.Image, grey_key: int | None = None
) -> Image.Image | None:
    """Return how much is seen of each pixel, as mode L; None if there is no alpha.

    Args:
        image: of any mode that Pillow reads.
        grey_key: the value that is transparent in a grey image, as stored in its
            pixels. Not taken from Pillow, which compares the stored bits with scaled
            pixels.
    """
    if grey_key is not None:
        seen = np.asarray(image) != grey_key
        return Image.fromarray(seen.astype(np.uint8) * 255)
    if not image.has_transparency_data:
        return None
    return image.convert("RGBA").getchannel("A")


def pasted_on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """Return an image of mode RGB: the colours, straight, over white by their alpha."""
    white = Image.new("RGB", image.size, "white")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # without it Pillow warns of transparency
    white.paste(image.convert("RGB"), mask=alpha)
    return white
