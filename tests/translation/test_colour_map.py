"""The colour map: moments by hand, the right pair of cameras, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.filenames import Sample
from tfipgan.errors import InputError
from tfipgan.translation.colour_map import ColourMap, fit_colour_map
from tfipgan.weights.fingerprint import fingerprint, weights_digest

SIZE = (8, 6)


def write(folder, name, camera, mean, spread, seed):
    """A PNG of coloured noise; its sample."""
    draw = np.random.default_rng(seed)
    mixing = draw.uniform(-1, 1, (3, 3))
    pixels = mean + spread * draw.normal(size=(*SIZE, 3)) @ mixing
    path = folder / f"{name}.png"
    Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(path)
    return Sample(str(path), 1, camera)


@pytest.fixture
def sets(tmp_path):
    """Two cameras of the source and two of the target, of two images each."""
    kinds = {
        ("source", 3): (90, 12), ("source", 7): (150, 20),
        ("target", 2): (120, 8), ("target", 5): (110, 25),
    }  # fmt: skip
    found = {"source": [], "target": []}
    for seed, ((name, camera), (mean, spread)) in enumerate(kinds.items()):
        for number in range(2):
            sample = write(
                tmp_path, f"{name}{camera}{number}", camera, mean, spread, 10 * seed
            )
            found[name].append(sample)
    return found["source"], found["target"]


def pixels_of(samples, camera):
    images = [np.asarray(Image.open(s.path)) for s in samples if s.camera_id == camera]
    return np.stack(images).astype(np.float32)


def test_mean_and_covariance_become_the_targets(sets):
    source, target = sets
    colour_map = fit_colour_map(source, target, SIZE)
    assert colour_map.cameras == (2, 5) and colour_map.source_cameras == (3, 7)
    for own in (3, 7):
        images = pixels_of(source, own) / 127.5 - 1
        for place, wanted in enumerate((2, 5)):
            made = colour_map(
                tf.constant(images),
                tf.constant([place] * 2),
                tf.constant([own] * 2, tf.int64),
            )
            made = (made.numpy().reshape(-1, 3) + 1) * 127.5
            real = pixels_of(target, wanted).reshape(-1, 3)
            np.testing.assert_allclose(made.mean(0), real.mean(0), atol=0.01)
            np.testing.assert_allclose(
                np.cov(made.T), np.cov(real.T), rtol=0.02, atol=0.2
            )


def test_the_same_camera_stays_as_it_is(sets):
    source, _ = sets
    colour_map = fit_colour_map(source[:2], source[:2], SIZE)
    images = tf.constant(pixels_of(source, 3) / 127.5 - 1)
    made = colour_map(images, tf.constant([0, 0]), tf.constant([3, 3], tf.int64))
    np.testing.assert_allclose(made, images, atol=1e-5)


def test_moves_no_more_than_it_must(tmp_path):
    """Of uncorrelated channels each is scaled on its own: no rotation."""
    draw = np.random.default_rng(0)
    sets = []
    for name, scale in (("a", (10, 20, 30)), ("b", (20, 10, 30))):
        noise = draw.permutation(np.tile([-1, 1], 5000)).reshape(100, 100, 1)
        pixels = 128 + np.concatenate(
            [draw.permuted(noise.ravel()).reshape(100, 100, 1) for _ in range(3)],
            axis=2,
        ) * np.array(scale)
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        sets.append([Sample(str(path), 1, 1)])
    (maps,) = fit_colour_map(*sets, (100, 100)).networks
    np.testing.assert_allclose(maps.kernel[0, 0], np.diag([2, 0.5, 1]), atol=0.03)


def test_a_grey_camera_has_colours_to_give_and_to_take(sets, tmp_path):
    source, target = sets
    path = tmp_path / "grey.png"
    Image.new("RGB", (SIZE[1], SIZE[0]), (90, 90, 90)).save(path)
    grey = [Sample(str(path), 1, 4)]
    for pair in ((grey, target), (source, grey), (grey, grey)):
        colour_map = fit_colour_map(*pair, SIZE)
        (maps,) = colour_map.networks
        assert np.isfinite(maps.kernel).all() and np.isfinite(maps.bias).all()
    images = tf.constant(pixels_of(source, 3) / 127.5 - 1)
    to_grey = fit_colour_map(source, grey, SIZE)
    made = to_grey(images, tf.constant([0, 0]), tf.constant([3, 3], tf.int64))
    np.testing.assert_allclose((made + 1) * 127.5, 90, atol=1)


def test_each_image_has_its_pair_of_cameras():
    """Maps that write their place: 0.1 of the source's, 0.01 of the target's."""
    biases = np.array([[[0.0] * 3, [0.01] * 3], [[0.1] * 3, [0.11] * 3]])
    colour_map = ColourMap(np.zeros((2, 2, 3, 3)), biases, (5, 9), (1, 2), (1, 1))
    made = colour_map(
        tf.zeros((4, 1, 1, 3)),
        tf.constant([1, 0, 1, 0]),
        tf.constant([9, 5, 5, 9], tf.int64),
    )
    np.testing.assert_allclose(
        (made[:, 0, 0, 0] + 1) / 2, [0.11, 0, 0.01, 0.1], atol=1e-6
    )


def test_its_digest_is_of_its_maps(sets):
    source, target = sets
    first, again, other = (
        fit_colour_map(*pair, SIZE)
        for pair in ((source, target), (source, target), (target, source))
    )
    digests = [weights_digest(*m.networks) for m in (first, again, other)]
    assert digests[0] == digests[1] != digests[2]
    marks = [fingerprint(source, *m.networks)["network"] for m in (first, again, other)]
    assert marks[0] == marks[1] != marks[2]


def test_what_it_refuses(sets):
    source, target = sets
    with pytest.raises(InputError, match="the target has no training images, expected"):
        fit_colour_map(source, [], SIZE)
    nowhere = Sample(source[0].path, 1, -1)
    with pytest.raises(InputError, match="of the source has no camera number, expect"):
        fit_colour_map([*source, nowhere], target, SIZE)
