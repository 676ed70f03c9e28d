import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet


def make(paths=("a.jpg", "é/b.jpg", "c.jpg")):
    return FeatureSet(np.arange(6.0).reshape(3, 2), [1, 1, -1], [1, 2, -1], paths)


def test_types_and_length():
    features = make()
    assert len(features) == 3
    assert features.features.dtype == np.float32
    assert features.person_ids.dtype == features.camera_ids.dtype == np.int64
    assert repr(features) == "FeatureSet(3 images, 2 values each)"


@pytest.mark.parametrize("paths", [("a.jpg", "é/b.jpg", "c.jpg"), None])
def test_save_and_load(tmp_path, paths):
    file = tmp_path / "new" / "features.of.mine"
    make(paths).save(file)
    assert os.listdir(file.parent) == [file.name]
    loaded = FeatureSet.load(file)
    np.testing.assert_array_equal(loaded.features, make().features)
    np.testing.assert_array_equal(loaded.person_ids, [1, 1, -1])
    np.testing.assert_array_equal(loaded.camera_ids, [1, 2, -1])
    assert (None if loaded.paths is None else tuple(loaded.paths)) == paths


def test_file_form(tmp_path):
    make().save(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz", allow_pickle=False) as content:
        assert {key: content[key].dtype.kind for key in content} == {
            "features": "f",
            "person_ids": "i",
            "camera_ids": "i",
            "paths": "U",
        }


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "f.npz"
    make().save(file)
    before = file.read_bytes()
    monkeypatch.setattr(np, "savez", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make().save(file)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["f.npz"]


def test_paths_of_another_byte_order():
    paths = np.array(["a", "éé", ""])
    for order in "<>":
        features = make(paths.astype(f"{order}U5"))
        assert features.paths.tolist() == paths.tolist()
        assert features.paths.dtype.isnative


def test_paths_may_be_path_objects():
    assert make([Path("a/b.jpg"), Path("c.jpg"), "d.jpg"]).paths[0] == "a/b.jpg"


ONES = np.ones((2, 3), np.float32)
# Python itself fails as soon as it looks at the second.
BEYOND_UNICODE = np.array([65, 0x110000], np.uint32).view("<U1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), [1], [1]), r"features have shape \(3,\)"),
        ((np.ones((0, 3)), [], []), r"features have shape \(0, 3\)"),
        ((np.full((2, 3), "x"), [1, 1], [1, 1]), "features are of type <U1"),
        ((ONES * [[1], [np.nan]], [1, 1], [1, 1]), "features row 1 .* NaN"),
        (
            (ONES * [[np.inf], [1]], [1, 1], [1, 1]),
            r"features row 0 .* \(1 such rows of 2",
        ),
        ((np.full((2, 3), 1e39), [1, 1], [1, 1]), "2 such rows of 2"),
        ((ONES, [1], [1, 1]), r"person_ids have shape \(1,\), expected \(2,\)"),
        ((ONES, [1, 1], [[1], [1]]), r"camera_ids have shape \(2, 1\)"),
        ((ONES, [1.0, 2.0], [1, 1]), "person_ids are of type float64"),
        ((ONES, [1, 2], [1, 1], ["a"]), r"paths have shape \(1,\)"),
        ((ONES, [1, 2], [1, 1], [1, 2]), "paths are of type int64"),
        ((ONES, np.uint64([1, 2**63]), [1, 1]), "person_ids go up to 92.*8, expected"),
        ((ONES, [1, 2], [1, 1], BEYOND_UNICODE), "paths hold what is no text"),
        ((ONES, [1, 2], [1, 1], BEYOND_UNICODE.byteswap().view(">U1")), "is no text"),
    ],
)
def test_bad_arrays(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        FeatureSet(*arguments)
    assert "\n" not in str(caught.value)


def damaged_files(folder):
    make().save(folder / "good.npz")
    good = (folder / "good.npz").read_bytes()
    flipped = bytearray(good)
    flipped[good.index(np.float32(5).tobytes())] ^= 1
    np.save(folder / "one.npy", ONES)
    np.savez(folder / "objects.npz", features=np.array([{}]))
    return {
        "text": b"person,camera\n1,2\n",
        "empty": b"",
        "cut": good[:-30],
        "flipped": bytes(flipped),
        "array": (folder / "one.npy").read_bytes(),
        "objects": (folder / "objects.npz").read_bytes(),
    }


@pytest.mark.parametrize(
    "kind", ["text", "empty", "cut", "flipped", "array", "objects"]
)
def test_load_of_something_else(tmp_path, kind):
    file = tmp_path / f"{kind}.bin"
    file.write_bytes(damaged_files(tmp_path)[kind])
    with pytest.raises(InputError, match=f"{kind}.bin: not a readable .npz") as caught:
        FeatureSet.load(file)
    assert "\n" not in str(caught.value)


def test_load_names_missing_keys_and_bad_arrays(tmp_path):
    file = tmp_path / "f.npz"
    np.savez(file, features=ONES)
    with pytest.raises(InputError, match="f.npz: no person_ids, camera_ids in it"):
        FeatureSet.load(file)
    np.savez(file, features=ONES, person_ids=[1, 2, 3], camera_ids=[1, 2])
    with pytest.raises(InputError, match="f.npz: person_ids have shape"):
        FeatureSet.load(file)
    for name, problem in (("none.npz", "does not exist"), (".", "is not a file")):
        with pytest.raises(InputError, match=f"{problem}; expected a feature file"):
            FeatureSet.load(tmp_path / name)


def test_import_is_light():
    code = (
        "import sys, tfipgan.evaluation as e; e.FeatureSet, e.evaluate_ranking; "
        "print([m for m in ('tensorflow', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
