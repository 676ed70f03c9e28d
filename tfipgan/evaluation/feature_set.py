"""The feature file: features of images with their identities and cameras."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfipgan.errors import InputError
from tfipgan.files.npz_file import load_npz
from tfipgan.files.output_file import atomic_file

_LAST_ID = np.iinfo(np.int64).max


class FeatureSet:
    """Features of N images, with what is known about each image.

    Features of any real number type are converted to float32, ids of any integer type
    to int64.

    Attributes:
        features: float32 (N, D).
        person_ids: int64 (N); -1 is junk, -2 unlabelled.
        camera_ids: int64 (N); -1 is unknown.
        paths: str (N), or None.

    Raises:
        InputError: an empty set, wrong shapes or types, and features that are NaN or
            infinite (as float32).
    """

    def __init__(
        self,
        features: np.ndarray,
        person_ids: Sequence[int] | np.ndarray,
        camera_ids: Sequence[int] | np.ndarray,
        paths: Sequence[str] | np.ndarray | None = None,
    ):
        self.features = _features(features)
        self.person_ids = _ids("person_ids", person_ids, len(self))
        self.camera_ids = _ids("camera_ids", camera_ids, len(self))
        self.paths = None if paths is None else _paths(paths, len(self))

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        return f"FeatureSet({len(self)} images, {self.features.shape[1]} values each)"

    def save(self, path: str | os.PathLike) -> None:
        """Write the set as an uncompressed .npz, whole or not at all.

        Keys are the attributes' names; `paths` is left out where it is None. Raises
        OSError where the file can't be written.
        """
        arrays = {
            "features": self.features,
            "person_ids": self.person_ids,
            "camera_ids": self.camera_ids,
        }
        if self.paths is not None:
            arrays["paths"] = self.paths
        # NumPy adds ".npz" to names that lack it, but not to an open file.
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FeatureSet":
        """Read what `save` wrote; nothing in the file is ever run (no pickles).

        Raises InputError, naming the file, if it is no .npz, lacks `features`,
        `person_ids` or `camera_ids`, or holds arrays that don't make a FeatureSet;
        OSError if it can't be opened.
        """
        path = Path(path)
        if not path.is_file():
            found = "is not a file" if path.exists() else "does not exist"
            raise InputError(
                f"{path} {found}; expected a feature file that `tfipgan extract` wrote"
            )
        try:
            arrays = load_npz(path, ("features", "person_ids", "camera_ids", "paths"))
        except InputError as error:
            raise InputError(
                f"{path}: {error}; write feature files with `tfipgan extract`"
            ) from None
        missing = [
            key for key in ("features", "person_ids", "camera_ids") if key not in arrays
        ]
        if missing:
            raise InputError(
                f"{path}: no {', '.join(missing)} in it; write feature files with "
                "`tfipgan extract`"
            )
        try:
            return cls(
                arrays["features"],
                arrays["person_ids"],
                arrays["camera_ids"],
                arrays.get("paths"),
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def _features(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(
            f"features have shape {values.shape}, expected (images, values) with at "
            "least one of each"
        )
    # A plain kind check would turn away bfloat16, which NumPy knows only by extension.
    if values.dtype.kind not in "fiu" and values.dtype.name != "bfloat16":
        raise InputError(f"features are of type {values.dtype}, expected float32")
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(values, np.float32)
    bad_rows = ~_finite_rows(features)
    if bad_rows.any():
        raise InputError(
            f"features row {int(bad_rows.argmax())} has a value that is NaN or "
            f"infinite ({int(bad_rows.sum())} such rows of {len(features)}); "
            "look for a diverged network"
        )
    return features


def _finite_rows(features: np.ndarray) -> np.ndarray:
    """Return which rows are finite; a part at a time, not to double the memory."""
    step = max(1, 2**22 // features.shape[1])
    parts = (features[i : i + step] for i in range(0, len(features), step))
    return np.concatenate([np.isfinite(part).all(axis=1) for part in parts])


def _ids(name: str, values: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    values = np.asarray(values)
    _check_length(name, values, count)
    if values.dtype.kind not in "iu":
        raise InputError(f"{name} are of type {values.dtype}, expected int64")
    if len(values) and int(values.max()) > _LAST_ID:
        raise InputError(f"{name} go up to {values.max()}, expected at most {_LAST_ID}")
    return values.astype(np.int64)


def _paths(values: Sequence[str] | np.ndarray, count: int) -> np.ndarray:
    if not isinstance(values, np.ndarray):
        values = np.array(
            [str(value) if isinstance(value, Path) else value for value in values]
        )
    _check_length("paths", values, count)
    if values.dtype.kind != "U":
        raise InputError(f"paths are of type {values.dtype}, expected str")
    # In the machine's own order of bytes, so that each character is a number here.
    values = values.astype(values.dtype.newbyteorder("="))
    characters = np.frombuffer(values.tobytes(), np.uint32)
    if (characters > sys.maxunicode).any():
        raise InputError("paths hold what is no text, expected str")
    return values


def _check_length(name: str, values: np.ndarray, count: int) -> None:
    if values.shape != (count,):
        raise InputError(
            f"{name} have shape {values.shape}, expected ({count},): one for each row "
            "of features"
        )
