"""Random feature files, checkpoints and images: see tests/helpers/fuzzing.py."""

import io
import json
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from fuzzing import fuzzer, spoilt, value_or_line
from hypothesis import strategies as st
from PIL import Image

from tfipgan.evaluation import FeatureSet
from tfipgan.files.tensor_file import load_arrays, save_arrays
from tfipgan.weights.pytorch_files import read_state_dict


@pytest.fixture
def fuzz(torture, tally):
    return fuzzer(torture, tally)


@pytest.fixture
def bounded():
    """Function that calls another one and fails if that took over 100 MB at once."""

    def call(function, *arguments):
        tracemalloc.start()
        try:
            return function(*arguments)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 10**8

    return call


def npz(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def npy(header, data):
    text = header.encode("utf-8", "replace")
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text) % 2**16) + text + data


def test_feature_files(fuzz, bounded, tmp_path):
    path = tmp_path / "features.npz"
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    FeatureSet(values, [1, 2, -1], [1, 1, 2], ["a", "é", "c"]).save(path)
    whole = path.read_bytes()

    def check(data):
        path.write_bytes(data)
        loaded = bounded(value_or_line, FeatureSet.load, path)
        if loaded is not None:  # the checksums leave nothing else
            np.testing.assert_array_equal(loaded.features, values)
            assert loaded.person_ids.tolist() == [1, 2, -1]
            assert loaded.camera_ids.tolist() == [1, 1, 2]
            assert loaded.paths is None or loaded.paths.tolist() == ["a", "é", "c"]

    fuzz(check, st.one_of(spoilt(whole), st.binary()), count=150)


def test_arrays_of_feature_files(fuzz, bounded, tmp_path):
    path = tmp_path / "features.npz"

    def check(descr, shape, data, version):
        header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"
        entry = npy(header, data)
        entry = entry[:6] + bytes([version]) + entry[7:]
        ids = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", bytes(16))
        good = npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1)}", bytes(8))
        for name in ("features", "person_ids", "paths"):
            entries = {"features": good, "person_ids": ids, "camera_ids": ids}
            path.write_bytes(npz({**entries, name: entry}))
            loaded = bounded(value_or_line, FeatureSet.load, path)
            if loaded is not None:
                assert loaded.features.dtype == np.float32 and len(loaded) == 2
                assert np.isfinite(loaded.features).all()
                assert loaded.paths is None or loaded.paths.dtype.kind == "U"

    descr = (
        "'<f4'", "'>f8'", "'<f2'", "'<i8'", "'>u8'", "'<U1'", "'>U2'", "'<U0'", "'|O'",
        "'<U99999999'", "'|V8'", "'|b1'", "'<c8'", "[('a', '<f4')]", "[('a', '|O')]",
        "'<M8[s]'", "'x'", "0", "{}", "'<f4', 'more': 1", "[" * 5000, "-" * 5000,
    )  # fmt: skip
    shape = (
        "(2, 1)", "(2,)", "()", "(1, 2)", "(10**12,)", "(1000000000000, 1)", "(-2, -1)",
        "(2.0,)", "(True, 2)", "(0, 9999999999999)", "'x'", "(2, 1, 1)", "((2,),)",
    )  # fmt: skip
    data = st.one_of(st.binary(min_size=0, max_size=16), st.just(b"\xff" * 8))
    version = st.sampled_from([1, 1, 1, 1, 2, 3, 9])
    drawn = st.sampled_from(descr), st.sampled_from(shape), data, version
    fuzz(check, *drawn, count=30)


def test_tensor_files(fuzz, bounded, tmp_path):
    path = tmp_path / "file.safetensors"
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, bool)}
    save_arrays(path, arrays, {"step": "1"})
    whole = path.read_bytes()

    def check(data):
        path.write_bytes(data)
        for load in (lambda p: load_arrays(p)[0], read_state_dict):
            loaded = bounded(value_or_line, load, path)
            if loaded is not None:
                assert all(isinstance(array, np.ndarray) for array in loaded.values())
                assert sum(array.nbytes for array in loaded.values()) <= len(data)

    def file_of(dtype, shape, offsets, data):
        entry = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        header = json.dumps({"a": entry, "__metadata__": {"a": "\n"}}).encode()
        return struct.pack("<Q", len(header)) + header + data

    size = st.one_of(st.integers(-1, 9), st.sampled_from([2**40, 2**64]))
    made = st.builds(
        file_of,
        st.sampled_from(["F32", "BF16", "BOOL", "U64", "F8_E4M3", "I4", "X", "C64"]),
        st.lists(size, max_size=3),
        st.lists(size, min_size=2, max_size=2),
        st.binary(max_size=32),
    )
    fuzz(check, st.one_of(spoilt(whole), made, st.binary()), count=120)


def test_checkpoints(fuzz, tmp_path):
    import tensorflow as tf

    from tfipgan.models import Discriminator
    from tfipgan.weights.checkpoints import load_network, save_checkpoint
    from tfipgan.weights.variables import named_weights

    network = Discriminator(3, (8, 4), 2, 2)
    network(tf.zeros((1, 8, 4, 3)))
    checkpoint = save_checkpoint(tmp_path, 1, {"discriminator": network})
    (file,) = checkpoint.iterdir()
    whole, arrays = file.read_bytes(), load_arrays(file)[0]

    def check(data):
        file.write_bytes(data)
        value_or_line(load_network, checkpoint, "discriminator", network)
        for name, variable in named_weights(network).items():
            np.testing.assert_array_equal(variable.numpy(), arrays[name])

    fuzz(check, st.one_of(spoilt(whole), st.binary()), count=80)


def test_files_of_pytorch_without_it(fuzz, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    def check(data, ending):
        path = tmp_path / f"net{ending}"
        path.write_bytes(data)
        assert value_or_line(read_state_dict, path) is None

    endings = st.sampled_from([".pth", ".pt", ".tar", ".bin", ".ckpt", ".h5", ""])
    fuzz(check, st.binary(), endings, count=20)


# ----------------------------------------------------------------------------- images


def image_file(format, mode):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of odd metadata
@pytest.mark.parametrize(
    ("format", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("BMP", "RGB"),
     ("GIF", "P"), ("TIFF", "RGB"), ("WEBP", "RGB")],
)  # fmt: skip
def test_images(fuzz, tmp_path, format, mode):
    from tfipgan.data.images import decode_image
    from tfipgan.data.local_images import check_images

    path = tmp_path / "image.jpg"

    def check(data):
        path.write_bytes(data)
        (image,), why = check_images([path])
        if image is None:
            assert "\n" not in why[str(path)] and why[str(path)]
        else:  # what is let through is decoded later, in the middle of a training
            pixels = decode_image(image.contents(), (6, 4)).numpy()
            assert pixels.shape == (6, 4, 3)
            assert pixels.min() >= 0 and pixels.max() <= 255

    fuzz(check, spoilt(image_file(format, mode)), count=25)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP"])
def test_images_in_requests(fuzz, format):
    """What the graph lets through is no larger than the header of it said."""
    import tensorflow as tf

    from tfipgan.data.image_headers import require_small_image

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def decode(contents):
        small = require_small_image(contents, 12 * 8)
        return tf.io.decode_image(small, channels=3, expand_animations=False)

    def check(data):
        try:
            pixels = decode(data)
        except tf.errors.InvalidArgumentError:
            return
        assert pixels.shape[0] * pixels.shape[1] <= 12 * 8 or data[:2] == b"BM"
        assert pixels.shape[2] == 3

    fuzz(check, spoilt(image_file(format, "RGB")), count=25)
