"""The cameras of the built-in world: their looks, drawn by rule, and what these do."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfipgan.world.cameras import (
    LOOK_AT_STRENGTH_1,
    UNIT,
    Look,
    draw_look,
    drifted,
    photograph,
)


def look(camera, strength=1.0, installation=0):
    own, shared = (
        np.random.default_rng(key) for key in ((1, camera), (2, installation))
    )
    return draw_look(own, shared, strength=strength)


def decode(data):
    return np.asarray(Image.open(io.BytesIO(data)), dtype=float)


def test_strength_scales_the_looks_and_none_is_neutral():
    for camera in range(20):
        assert look(camera, 0) == Look()
        half, whole = look(camera, 0.5), look(camera, 1.0)
        assert half != Look()
        for name in Look.__slots__:
            assert np.allclose(getattr(whole, name), 2 * np.array(getattr(half, name)))
            bound = LOOK_AT_STRENGTH_1 * np.abs(getattr(UNIT, name))
            assert (np.abs(getattr(whole, name)) <= bound + 1e-12).all()


def test_cameras_of_an_installation_have_more_in_common():
    def spread(looks):
        return np.std([[one.exposure, one.hue, one.contrast] for one in looks], axis=0)

    together = np.mean(
        [spread([look(c, installation=i) for c in range(60)]) for i in range(5)], axis=0
    )
    apart = spread([look(c, installation=c) for c in range(300)])
    assert (together < 0.95 * apart).all()


def test_a_neutral_camera_keeps_colours_and_does_not_drift():
    np.testing.assert_allclose(Look().matrix(), np.eye(3), atol=1e-6)
    assert drifted(Look(), np.random.default_rng(0)) == Look()
    colours = np.array([[0.2, 0.5, 0.8], [0.5, 0.5, 0.5]], dtype=np.float32)
    light = np.repeat(colours[:, None, None], 32, axis=1).repeat(32, axis=2)
    for flat in light:
        data = photograph(flat, Look(), np.random.default_rng(0))
        np.testing.assert_allclose(decode(data) / 255, flat, atol=0.02)


def test_strong_cameras_keep_colours_apart():
    for camera in range(12):
        seen = []
        for colour in (
            (0.8, 0.15, 0.15),
            (0.15, 0.3, 0.75),
            (0.9, 0.9, 0.9),
            (0.1,) * 3,
        ):
            flat = np.broadcast_to(np.float32(colour), (64, 32, 3))
            rng = np.random.default_rng(0)
            seen.append(decode(photograph(flat, look(camera), rng)).mean((0, 1)))
        for one, other in itertools.combinations(seen, 2):
            assert np.linalg.norm(one - other) > 20


def scene():
    rng = np.random.default_rng(0)
    blocks = rng.uniform(0.2, 0.8, (16, 8, 3)).astype(np.float32)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def edges(picture):
    return np.square(np.diff(picture, axis=1)).mean()


@pytest.mark.parametrize(
    ("change", "sharper"),
    [({"blur": 1.0}, False), ({"downscale": 0.8}, False), ({"sharpen": 1.0}, True)],
)
def test_sharpness(change, sharper):
    plain, seen = (
        edges(decode(photograph(scene(), one, np.random.default_rng(0))))
        for one in (Look(), replace(Look(), **change))
    )
    assert (seen > 1.2 * plain) if sharper else (seen < 0.9 * plain)


def test_noise_and_coarse_jpeg():
    flat = np.full((128, 64, 3), 0.5, np.float32)
    noisy = photograph(flat, Look(noise=0.04), np.random.default_rng(0))
    assert 5 < decode(noisy).std() < 20
    fine, coarse = (
        len(
            photograph(
                scene(), Look(jpeg_quality_drop=coarse), np.random.default_rng(0)
            )
        )
        for coarse in (0, 45)
    )
    assert coarse < 0.9 * fine


def test_a_camera_that_drifts_takes_unlike_pictures_of_the_same():
    light = np.full((32, 16, 3), 0.4, np.float32)

    def means(one):
        return np.array(
            [
                decode(photograph(light, one, np.random.default_rng(k))).mean((0, 1))
                for k in range(20)
            ]
        )

    assert means(Look()).std(axis=0).max() == 0
    drifting = means(Look(drift=0.5))
    assert drifting.std(axis=0).min() > 4
    # Not only brighter and darker: the white balance changes too.
    assert (drifting[:, 0] - drifting[:, 2]).std() > 4
