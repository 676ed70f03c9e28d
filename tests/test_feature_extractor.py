"""Features from Python: those of `tfipgan extract`, of files and of arrays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan import feature_extractor
from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet
from tfipgan.feature_extractor import FeatureExtractor

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 40, 18, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def extract(tiny_reid_run):
    return FeatureExtractor(tiny_reid_run.path)


@pytest.fixture
def folder(tiny_world, tmp_path):
    """Images of the world, and some that TensorFlow alone would read otherwise."""
    images = tmp_path / "images"
    shutil.copytree(tiny_world / "target" / "query", images)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(PIXELS[0]).save(images / "turned.jpg", exif=turned)
    Image.fromarray(PIXELS[1]).convert("CMYK").save(images / "cmyk.jpg")
    Image.fromarray(PIXELS[2]).convert("P").save(images / "palette.png")
    Image.fromarray(PIXELS[3]).save(images / "image.webp")
    return images


@pytest.mark.parametrize("flip", [False, True])
def test_what_extract_gives_to_the_bit(tfipgan, tiny_reid_run, folder, flip):
    out = folder.parent / "out.npz"
    words = ["--model", tiny_reid_run.path, "--images", folder, "--out", out]
    result = tfipgan("extract", *words, "--no-progress", *["--flip"] * flip)
    assert result.exit_code == 0, result.output
    expected = FeatureSet.load(out)
    assert len(expected) == 10
    extract = FeatureExtractor(str(tiny_reid_run.path), flip=flip)
    found = extract(expected.paths.tolist())
    assert found.dtype == np.float32 and found.shape == (10, 32)
    np.testing.assert_array_equal(found, expected.features)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    # In their order, and as often as they are named.
    paths = [Path(path) for path in expected.paths[[3, 0, 3]]]
    np.testing.assert_allclose(
        extract(paths), expected.features[[3, 0, 3]], atol=1e-6, rtol=1e-4
    )


def test_one_path(extract, folder):
    path = folder / "turned.jpg"
    expected = extract([path])
    assert expected.shape == (1, 32)
    for one in (path, str(path), np.array([str(path)])):
        np.testing.assert_array_equal(extract(one), expected)


def test_arrays_are_what_files_of_them_are(extract, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    expected = extract(paths)
    assert len(np.unique(expected.round(5), axis=0)) == 5
    for images in (PIXELS, [*PIXELS], tuple(PIXELS)):
        np.testing.assert_array_equal(extract(images), expected)
    for dtype in (np.float32, np.float64):
        found = extract((PIXELS / 255).astype(dtype))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(extract(PIXELS[2]), expected[2:3], atol=1e-6)
    other = RNG.integers(0, 256, (64, 32, 3), dtype=np.uint8)
    mixed = extract([PIXELS[0], other])
    np.testing.assert_allclose(mixed[:1], expected[:1], atol=1e-6)
    assert mixed.shape == (2, 32)


def test_batches(tiny_reid_run, monkeypatch, tmp_path):
    """Of the batch size that is asked for, in one graph that is made once."""
    sizes, traced = [], []
    graph_of = feature_extractor.graph_of

    def spying(function, image_size):
        def traced_once(images):
            traced.append(images.shape)
            return function(images)

        graph = graph_of(traced_once, image_size)

        def run(images):
            sizes.append(len(images))
            return graph(images)

        return run

    monkeypatch.setattr(feature_extractor, "graph_of", spying)
    extract = FeatureExtractor(tiny_reid_run.path, batch_size=2)
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    extract(PIXELS)
    extract([tmp_path / "a.png"] * 3)
    assert sizes == [2, 2, 1, 2, 1] and len(traced) == 1
    assert FeatureExtractor(tiny_reid_run.path).batch_size == 7


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "no images, expected one or more"),
        (np.zeros((0, 8, 4, 3), np.uint8), "no images, expected one or more"),
        (3, "images are int, expected a path, an array, or a list"),
        ([3, "a.png"], "images are of type int, str, expected paths"),
        ([PIXELS[0], "a.png"], "images are of type ndarray, str, expected paths"),
        (PIXELS[0, 0], r"an array of shape \(18, 3\), expected \(height, width, 3\)"),
        (np.zeros((8, 4, 4), np.uint8), r"image 0 has the shape \(8, 4, 4\), exp"),
        ([PIXELS[0], PIXELS], r"image 1 has the shape \(5, 40, 18, 3\), expected"),
        (np.zeros((8, 0, 3), np.uint8), r"image 0 has the shape \(8, 0, 3\), exp"),
        (PIXELS.astype(int), "image 0 is of type int64, expected uint8 in"),
        (np.ones((8, 4, 3), bool), "image 0 is of type bool, expected uint8 in"),
        (PIXELS.astype(np.float32), r"image 0 has values from \S+ to 255, expected fl"),
        (np.full((8, 4, 3), -0.5), "image 0 has values from -0.5 to -0.5, expected"),
        (np.full((8, 4, 3), np.nan), "image 0 has values from nan to nan, expected"),
        ("nowhere.jpg", r"can't be read \(1 of 1\): nowhere.jpg \(No such file"),
    ],
)
def test_what_is_no_image(extract, images, words):
    with pytest.raises(InputError, match=words) as error:
        extract(images)
    assert "\n" not in str(error.value)


def test_runs_that_give_no_descriptors(tiny_reid_run, tmp_path):
    with pytest.raises(InputError, match="is not a run folder"):
        FeatureExtractor(tmp_path)
    (tmp_path / "run.json").write_text('{"kind": "gan"}')
    with pytest.raises(InputError, match="a run of kind 'gan', expected 'reid'"):
        FeatureExtractor(tmp_path)
    with pytest.raises(InputError, match="batch_size is 0, expected 1 or more"):
        FeatureExtractor(tiny_reid_run.path, batch_size=0)


def test_a_diverged_network(tiny_reid_run, monkeypatch):
    def diverged(network, flip):
        return lambda images: tf.reduce_mean(images, axis=(1, 2)) / 0.0

    monkeypatch.setattr(feature_extractor, "feature_function", diverged)
    extract = FeatureExtractor(tiny_reid_run.path)
    with pytest.raises(InputError, match=r"of image 0 is NaN or infinite \(5 such"):
        extract(PIXELS)
