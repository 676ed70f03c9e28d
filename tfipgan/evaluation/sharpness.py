"""How sharp images are, and how much of that is a grid or grain: without a network."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.data.pipelines import inference_batches

# Cycles a pixel, along either axis, from which a frequency is one of the highest: 0.5
# is the pattern of every other pixel that a generator's upsampling may leave.
HIGHEST = 3 / 8
_LUMA = np.array([0.299, 0.587, 0.114])


def gradient_energy(images: np.ndarray) -> np.ndarray:
    """Return the mean squared step in brightness from a pixel to its neighbours.

    Args:
        images: (n, height, width, 3), RGB; both sides at least 2.

    Returns:
        float64 (n), the mean over the steps to the right plus that over those down.
    """
    luma = images @ _LUMA
    right, down = np.diff(luma, axis=2), np.diff(luma, axis=1)
    return (right**2).mean(axis=(1, 2)) + (down**2).mean(axis=(1, 2))


def fine_energy(images: np.ndarray) -> np.ndarray:
    """Return the energy of brightness at the highest frequencies (`HIGHEST`).

    Args:
        images: (n, height, width, 3), RGB.

    Returns:
        float64 (n), of the periodogram with a Hann window, which hides the borders.
    """
    luma = images @ _LUMA
    height, width = luma.shape[1:]
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    luma = luma - luma.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(luma * window)) ** 2 / (window**2).sum()
    high = np.abs(np.fft.fftfreq(height))[:, None] >= HIGHEST
    high = high | (np.abs(np.fft.fftfreq(width)) >= HIGHEST)
    return power[:, high].sum(axis=1) / (height * width)


def image_energies(
    samples: Sequence[Sample], image_size: tuple[int, int], batch_size: int = 64
) -> np.ndarray:
    """Return both energies of images resized to one size.

    Args:
        samples: images.
        image_size: (height, width) in pixels.
        batch_size: images that are decoded at a time.

    Returns:
        float64 (images, 2): `gradient_energy` and `fine_energy`.
    """
    found = [
        np.stack([gradient_energy(images), fine_energy(images)], axis=1)
        for images in inference_batches(
            samples, image_size, batch_size
        ).as_numpy_iterator()
    ]
    return np.concatenate(found) if found else np.zeros((0, 2))


def energies_at_one_size(
    made: Sequence[Sample], real: Sequence[Sample], batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Return `image_energies` of translated and of real images, at the former's size.

    In a smaller one a grid would be gone, and in a larger one real detail.
    """
    with Image.open(made[0].path) as image:
        width, height = image.size
    first, second = (
        image_energies(samples, (height, width), batch_size) for samples in (made, real)
    )
    return first, second
