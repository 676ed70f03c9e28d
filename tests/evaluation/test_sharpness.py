"""Sharpness without a network: by hand, and what blur and a grid do to it."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tfipgan.data.filenames import Sample
from tfipgan.evaluation.sharpness import (
    energies_at_one_size,
    fine_energy,
    gradient_energy,
    image_energies,
)


def grey(values):
    """Images of these levels in all channels."""
    return np.repeat(np.asarray(values, np.float32)[..., None], 3, axis=-1)


def test_gradient_energy_by_hand():
    images = grey([[[0, 3], [4, 1]], [[7, 7], [7, 7]]])
    # Right: 3 and -3; down: 4 and -2.
    np.testing.assert_allclose(gradient_energy(images), [9 + (16 + 4) / 2, 0])
    # Red counts 0.299 of its value.
    red = np.zeros((1, 2, 2, 3))
    red[0, :, 1, 0] = 10
    np.testing.assert_allclose(gradient_energy(red), [2.99**2])


def wave(frequency, size=(32, 16), axis=1):
    places = np.arange(size[axis])
    values = np.cos(2 * np.pi * frequency * places)
    values = values[:, None] if axis == 0 else values[None, :]
    return grey(np.broadcast_to(values, size)[None])


@pytest.mark.parametrize("axis", [0, 1])
def test_only_the_highest_frequencies_are_fine(axis):
    # A wave's energy is half its squared amplitude, and all of it is found: the window
    # spreads it to the next frequencies only. Every other pixel has no such half.
    assert fine_energy(wave(0.5, axis=axis)) == pytest.approx(1.0, rel=0.02)
    assert fine_energy(wave(7 / 16, axis=axis)) == pytest.approx(0.5, rel=0.15)
    assert fine_energy(wave(1 / 8, axis=axis)) < 1e-4
    assert fine_energy(grey(np.full((1, 8, 8), 9))) == pytest.approx(0, abs=1e-9)


def test_energies_are_those_of_the_slow_way():
    draw = np.random.default_rng(0)
    images = draw.uniform(0, 255, (3, 8, 6, 3))
    luma = images @ [0.299, 0.587, 0.114]
    for found, one in zip(fine_energy(images), luma, strict=True):
        window = np.hanning(10)[1:-1, None] * np.hanning(8)[None, 1:-1]
        one = (one - one.mean()) * window
        total = 0.0
        for k in range(8):
            for m in range(6):
                cycles = min(k, 8 - k) / 8, min(m, 6 - m) / 6
                if max(cycles) >= 3 / 8:
                    phase = np.add.outer(k * np.arange(8) / 8, m * np.arange(6) / 6)
                    total += abs((one * np.exp(-2j * np.pi * phase)).sum()) ** 2
        assert found == pytest.approx(total / (window**2).sum() / 48)


def test_blur_and_a_drawn_grid_are_noticed(tiny_world, tmp_path):
    real = sorted((tiny_world / "target" / "bounding_box_train").iterdir())[:12]
    kinds = {"real": [], "blurred": [], "grid": []}
    for path in real:
        image = Image.open(path).convert("RGB")
        pixels = np.asarray(image).astype(int)
        pixels[::2, ::2] += 15
        pixels[1::2, 1::2] -= 15
        changed = {
            "real": image,
            "blurred": image.filter(ImageFilter.GaussianBlur(1)),
            "grid": Image.fromarray(pixels.clip(0, 255).astype(np.uint8)),
        }
        for kind, one in changed.items():
            place = tmp_path / f"{kind}_{path.stem}.png"
            one.save(place)
            kinds[kind].append(Sample(str(place), 1, 1))
        size = image.size[::-1]
    energies = {
        kind: image_energies(samples, size, 5).mean(axis=0)
        for kind, samples in kinds.items()
    }
    assert image_energies([], size).shape == (0, 2)
    # Both at the first one's size.
    small = tmp_path / "small.png"
    Image.open(real[0]).resize((8, 16)).save(small)
    made, others = energies_at_one_size([Sample(str(small), 1, 1)], kinds["real"])
    np.testing.assert_array_equal(others, image_energies(kinds["real"], (16, 8)))
    assert made.shape == (1, 2)
    blurred, grid = (energies[k] / energies["real"] for k in ("blurred", "grid"))
    assert blurred[0] < 0.6 and blurred[1] < 0.3
    # The grid is a little of the gradients and much of what is fine.
    assert grid[1] > 3 and grid[1] > 2 * grid[0]
