"""Arrays of .npz files: NumPy's own are read, lies and bombs are errors in a line."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.files import npz_file
from tfipgan.files.npz_file import load_npz

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "text": np.array(["a", "é\U0001f600"]),
    "scalar": np.array(7, ">i8"),
    "none": np.zeros((0, 4), np.float16),
}


def npy(header, data=b"", version=1):
    """A .npy file of a header's text."""
    text = header.encode("latin1")
    sizes = "<H" if version == 1 else "<I"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack(sizes, len(text)) + text + data
    )


def header(shape, descr="'<f4'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


@pytest.fixture
def write(tmp_path):
    """Function of (content of a.npy, kind of compression): the path of an .npz."""

    def write_file(content, compression=zipfile.ZIP_STORED):
        path = tmp_path / "file.npz"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("a.npy", content)
        return path

    return write_file


def refusal(path):
    with pytest.raises(InputError) as error:
        load_npz(path, ["a"])
    assert str(error.value).startswith("not a readable .npz file (")
    assert str(error.value).isprintable() and len(str(error.value)) < 300
    return str(error.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(tmp_path, save):
    save(tmp_path / "f.npz", **ARRAYS)
    loaded = load_npz(tmp_path / "f.npz", ["text", "a", "scalar", "turned", "none"])
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
    assert load_npz(tmp_path / "f.npz", ["a", "other"]).keys() == {"a"}


def test_headers_of_version_2(write):
    content = npy(header("(1,)"), np.float32([5]).tobytes(), version=2)
    assert load_npz(write(content), ["a"])["a"].tolist() == [5]
    assert "version (3, 0)" in refusal(write(npy(header("(1,)"), b"1234", version=3)))


@pytest.mark.parametrize(
    ("shape", "descr"),
    [
        ("(10**12,)", "'<f4'"),
        ("(1000000000000,)", "'<f4'"),
        ("(2,)", "'<f4'"),
        ("(0,)", "'<f4'"),
        ("()", "'<f8'"),
        ("(-1, -1)", "'<f4'"),
        ("(-1,)", "'<f4'"),
        ("(4611686018427387904, 4)", "'<f4'"),
        ("(1,)", "'<U1000000000'"),
        ("(1,)", "'<U0'"),
        ("(1,)", "[('x', '<f4', (1000000000,))]"),
    ],
)
def test_a_header_that_promises_other_bytes(write, shape, descr):
    refusal(write(npy(header(shape, descr), b"1234")))


def test_nothing_is_unpickled(write, tmp_path):
    class Planted:
        def __reduce__(self):
            return open, (str(tmp_path / "planted"), "w")

    saved = io.BytesIO()
    np.save(saved, np.array([Planted()], object), allow_pickle=True)
    for content in (
        saved.getvalue(),
        pickle.dumps(Planted()),
        npy(header("(1,)", "'|O'"), pickle.dumps(Planted())),
        npy(header("(1,)", "[('x', '|O')]"), pickle.dumps(Planted())),
    ):
        refusal(write(content))
        (tmp_path / "a.npz").write_bytes(content)
        refusal(tmp_path / "a.npz")
    assert not (tmp_path / "planted").exists()


def test_damaged_headers(write):
    for text in ("", "{", "[" * 9000, "((" * 4000, "-" * 9000 + "1", "1", "{}", "\0"):
        refusal(write(npy(text)))
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff", b"PK"):
        refusal(write(content))


def test_a_bomb(write):
    """Kilobytes that grow to a hundred megabytes; refused before they do."""
    shape = (100 * 2**18,)
    content = npy(header(shape), bytes(4 * shape[0]))
    path = write(content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 200_000
    assert "104857" in refusal(path)


def test_compressed_as_far_as_is_usual(write, monkeypatch):
    monkeypatch.setattr(npz_file, "LARGEST_GROWN", 100)
    noise = np.random.default_rng(0).random(100).tobytes()
    content = npy(header("(100,)", "'<f8'"), noise)
    assert len(load_npz(write(content, zipfile.ZIP_DEFLATED), ["a"])["a"]) == 100
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "compressed as NumPy never does" in refusal(write(content, kind))


def test_a_sum_that_is_wrong(write):
    path = write(npy(header("(1,)"), b"1234"))
    damaged = path.read_bytes().replace(b"1234", b"1235", 1)
    path.write_bytes(damaged)
    assert "Bad CRC-32" in refusal(path)


def test_a_file_that_can_not_be_opened(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(OSError):
            load_npz(path, ["a"])
