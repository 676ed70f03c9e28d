"""Projections by camera: by hand, on the disk, and what they refuse."""

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.camera_projections import CameraProjections

TURNED = np.array([[0.0, 1.0], [1.0, 0.0]])


@pytest.fixture
def projections():
    """Of 3 values the first two, less 1 and 2; of camera 5 in the other order."""
    return CameraProjections(
        np.array([1.0, 2.0, 0.0]),
        np.eye(3)[:, :2],
        np.array([2, 5]),
        np.stack([np.eye(2), 3 * TURNED]),
    )


def test_by_hand(projections):
    rows = [[4, 6, 9], [4, 6, -9], [1, 2, 7]]
    features = FeatureSet(np.float32(rows), [7, -1, -2], [2, 5, 5], ["a", "b", "c"])
    found = projections.project("query", features)
    np.testing.assert_allclose(
        found.features, [[0.6, 0.8], [0.8, 0.6], [0, 0]], atol=1e-6
    )
    assert found.person_ids.tolist() == [7, -1, -2]
    assert found.camera_ids.tolist() == [2, 5, 5]
    assert found.paths.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("columns", "cameras", "line"),
    [
        (2, [2, 5], "query features have 2 values, expected 3, as CAMEL was fitted on"),
        (3, [2, -1], "1 of 2 query images have no camera id (-1), by which CAMEL proj"),
        (3, [3, 4], "query images are of camera 3, 4, expected cameras that CAMEL was "
                    "fitted on: 2, 5"),
    ],
)  # fmt: skip
def test_sets_that_it_is_not_for(projections, columns, cameras, line):
    features = FeatureSet(np.ones((2, columns)), [1, 2], cameras)
    with pytest.raises(InputError) as error:
        projections.project("query", features)
    assert str(error.value).startswith(line)


def test_many_cameras_are_cut_short(projections):
    features = FeatureSet(np.ones((9, 3)), [1] * 9, range(10, 19))
    with pytest.raises(InputError, match=r"camera 10, .*, 17, \.\.\., expected"):
        projections.project("query", features)


def test_saved_and_loaded(projections, tmp_path):
    projections.save(tmp_path / "new" / "camel.npz")
    found = CameraProjections.load(tmp_path / "new" / "camel.npz")
    for name, array in vars(projections).items():
        np.testing.assert_array_equal(getattr(found, name), array)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"mean": None, "basis": None}, "no mean, basis in it"),
        ({"cameras": np.array([2.0, 5.0])}, "cameras are of type float64"),
        ({"mean": np.float32([1, 2, 3])}, "mean are of type float32"),
        ({"mean": np.array([1, np.nan, 0])}, "mean have a value that is NaN or inf"),
        ({"mean": np.zeros(4)}, "arrays that don't belong together (mean (4,), basis"),
        ({"basis": np.zeros(3)}, "arrays that don't belong together"),
        ({"basis": np.zeros((3, 0))}, "arrays that don't belong together"),
        ({"cameras": np.array([5, 2])}, "arrays that don't belong together"),
        ({"cameras": np.array([2])}, "arrays that don't belong together"),
        ({"cameras": np.array([[2, 5]])}, "arrays that don't belong together"),
        ({"projections": np.zeros((2, 3, 2))}, "arrays that don't belong together"),
        (
            {"cameras": np.zeros(0, int), "projections": np.zeros((0, 2, 2))},
            "arrays that don't belong together",
        ),
    ],
)
def test_files_of_something_else(projections, tmp_path, changes, line):
    arrays = {**vars(projections), **changes}
    path = tmp_path / "camel.npz"
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(InputError) as error:
        CameraProjections.load(path)
    said = str(error.value)
    assert said.startswith(f"{path}: {line}")
    assert said.endswith("; expected a file of `tfipgan fit-camel`")


def test_no_file(tmp_path):
    for path, line in ((tmp_path, "is not a file"), (tmp_path / "x", "does not exist")):
        with pytest.raises(InputError, match=f"{path}: {line}; expected a file of"):
            CameraProjections.load(path)
    (tmp_path / "text").write_text("mine")
    with pytest.raises(InputError, match="text: not a readable .npz file"):
        CameraProjections.load(tmp_path / "text")
