"""Bad and odd files: each is named, or read as a person sees it."""

import random
import warnings

import numpy as np
import pytest
import tensorflow as tf
from image_corpus import PATTERN, whole_files, write_corpus
from PIL import Image, ImageOps

from tfipgan.data.datasets import read_images
from tfipgan.data.images import decode_image, to_unit
from tfipgan.data.inspection import inspect_dataset
from tfipgan.data.local_images import check_images
from tfipgan.data.pipelines import inference_batches
from tfipgan.data.readable import check_readable
from tfipgan.evaluation import FeatureSet

SIZE = (32, 16)
# Pillow warns of some of the files when the pipelines convert them, as it should.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """{path: `Case`} of all files."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "images")


@pytest.fixture(scope="module")
def folder(corpus):
    return next(iter(corpus)).parent


@pytest.fixture(scope="module")
def checked(folder):
    """(samples to use, {path: why} of the others)."""
    return check_readable(read_images(folder, pattern=PATTERN), skip=True)


def pillows(path):
    """What Pillow alone makes of a file, float64 of the networks' size."""
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            white = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(white, upright)
        return resized(upright.convert("RGB"))


def resized(image):
    return np.asarray(image.resize(SIZE[::-1], Image.Resampling.BILINEAR), float)


def exact(sample):
    """Whether only rounding lies between TensorFlow's pixels and Pillow's.

    Two decoders of a JPEG differ by more.
    """
    with open(sample.path, "rb") as file:
        return sample.needs_conversion or file.read(2) != b"\xff\xd8"


def test_every_file_is_found(corpus, folder):
    samples = read_images(folder, pattern=PATTERN)
    assert {s.path for s in samples} == {str(path) for path in corpus}
    assert len(corpus) > 200


def test_what_is_bad_is_named_and_nothing_else(corpus, checked, tally):
    kept, left_out = checked
    used = {sample.path for sample in kept}
    assert used.isdisjoint(left_out) and len(used) + len(left_out) == len(corpus)
    for path, case in corpus.items():
        if case.expected != "either":
            assert (str(path) in left_out) == (case.expected == "named"), case.name
    for why in left_out.values():
        assert why.isprintable() and 0 < len(why) < 200
    tally["bad files tried"] += len(corpus)


def test_inspect_and_query_agree(corpus, folder, checked):
    kept, left_out = checked
    result = inspect_dataset(folder, pattern=PATTERN)
    assert result.unreadable == left_out
    images, broken = check_images(list(map(str, sorted(corpus))))
    assert broken == left_out
    odd = {image.path for image in images if image and not image.plain}
    assert odd == {sample.path for sample in kept if sample.needs_conversion}


def test_what_is_read_is_what_people_see(corpus, checked):
    kept, _ = checked
    images = np.concatenate(list(inference_batches(kept, SIZE, 16)))
    cases = {str(path): case for path, case in corpus.items()}
    for sample, image in zip(kept, images, strict=True):
        case = cases[sample.path]
        if case.pixels is not None:
            expected = resized(Image.fromarray(case.pixels))
        else:
            expected = pillows(sample.path)
        difference = np.abs(image - expected)
        limit = (0.6, 2) if exact(sample) else (2, 12)
        if case.expected == "read":
            assert difference.mean() < limit[0], case.name
            assert difference.max() < limit[1], case.name


def test_extract_and_query_give_the_same(
    corpus, folder, checked, tfipgan, tiny_reid_run, tiny_network, tmp_path
):
    """The features are those of the bytes that `query` sends."""
    result = tfipgan(
        "extract", "--model", tiny_reid_run.path, "--images", folder, "--pattern",
        PATTERN, "--out", tmp_path / "out.npz", "--skip-unreadable", "--no-progress",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    kept, _ = checked
    features = FeatureSet.load(tmp_path / "out.npz")
    assert features.paths.tolist() == [s.path for s in kept]
    images, _ = check_images([s.path for s in kept])
    sent = tf.stack([decode_image(image.contents(), SIZE) for image in images])
    expected = tiny_network.extract_features(to_unit(sent)).numpy()
    np.testing.assert_allclose(features.features, expected, atol=1e-4)


def test_extract_names_them(corpus, folder, refused, tiny_reid_run, tmp_path):
    line = refused(
        1, "extract", "--model", tiny_reid_run.path, "--images", folder, "--pattern",
        PATTERN, "--out", tmp_path / "out.npz",
    )  # fmt: skip
    assert "images that can't be read (" in line
    assert not list(tmp_path.iterdir())


def damaged(data, dice):
    """The bytes after some accident."""
    data = bytearray(data)
    place = dice.randrange(len(data))
    match dice.choice(["cut", "bit", "bit", "byte", "hole", "more", "head", "swap"]):
        case "cut":
            del data[place:]
        case "bit":
            data[place] ^= 1 << dice.randrange(8)
        case "byte":
            data[place] = dice.randrange(256)
        case "hole":
            del data[place : place + dice.randrange(1, 64)]
        case "more":
            data[place:place] = dice.randbytes(dice.randrange(1, 64))
        case "head":
            data[dice.randrange(min(len(data), 64))] = dice.randrange(256)
        case "swap":
            data[place : place + 16], data[:16] = data[:16], data[place : place + 16]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_what_passes_the_check_can_be_read(tmp_path, torture, tally, seed):
    """Random damage; of a JPEG's data no decoder notices all."""
    dice = random.Random(seed)
    files = whole_files()
    for number in range(1500 if torture else 100):
        ending = dice.choice(list(files))
        (tmp_path / f"{number}{ending}").write_bytes(damaged(files[ending], dice))
    samples = read_images(tmp_path, labelled=False)
    kept, left_out = check_readable(samples, skip=True)
    tally["bad files tried"] += len(samples)
    assert len(kept) + len(left_out) == len(samples)
    images = np.concatenate(list(inference_batches(kept, SIZE, 64)))
    for sample, image in zip(kept, images, strict=True):
        if exact(sample):
            difference = np.abs(image - pillows(sample.path))
            assert difference.mean() < 0.6, sample.path
