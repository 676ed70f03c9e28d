"""A linear projection for each camera, which takes features into one space."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfipgan.errors import InputError, first_few
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.files.npz_file import load_npz
from tfipgan.files.output_file import atomic_file

_SHOWN = 8


@dataclass(frozen=True)
class CameraProjections:
    """What `fit_camel` learns: D values become d, for each camera in its own way.

    Attributes:
        mean: float64 (D,), taken off.
        basis: float64 (D, d), principal axes.
        cameras: int64 (V,), rising.
        projections: float64 (V, d, d), of each camera.
    """

    mean: np.ndarray
    basis: np.ndarray
    cameras: np.ndarray
    projections: np.ndarray

    def project(self, name: str, features: FeatureSet) -> FeatureSet:
        """Return a set with each row projected as of its camera, of length 1.

        A row that is projected to nothing stays all zeros.

        Args:
            name: of the set, for messages.
            features: with D values each.

        Raises:
            InputError: rows of another length; images without a camera, or of one that
                there is no projection for.
        """
        length = features.features.shape[1]
        if length != len(self.mean):
            raise InputError(
                f"{name} features have {length} values, expected {len(self.mean)}, as "
                "CAMEL was fitted on: extract them as those of `tfipgan fit-camel`"
            )
        unknown = int((features.camera_ids < 0).sum())
        if unknown:
            raise InputError(
                f"{unknown} of {len(features)} {name} images have no camera id (-1), "
                "by which CAMEL projects them: read the images with their file name "
                "format"
            )
        other = np.setdiff1d(features.camera_ids, self.cameras)
        if len(other):
            raise InputError(
                f"{name} images are of camera {first_few(other, _SHOWN)}, expected "
                f"cameras that CAMEL was fitted on: {first_few(self.cameras, _SHOWN)}"
            )
        projected = np.empty((len(features), self.basis.shape[1]), np.float32)
        for camera, projection in zip(self.cameras, self.projections, strict=True):
            rows = features.camera_ids == camera
            # As one matrix: fewer numbers are held, whatever D is.
            matrix = self.basis @ projection
            found = features.features[rows] @ matrix - self.mean @ matrix
            lengths = np.linalg.norm(found, axis=1, keepdims=True)
            projected[rows] = found / np.where(lengths > 0, lengths, 1)
        return FeatureSet(
            projected, features.person_ids, features.camera_ids, features.paths
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write an .npz with the attributes' names, whole or not at all.

        Raises OSError where the file can't be written.
        """
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CameraProjections":
        """Read what `save` wrote; nothing in the file is ever run (no pickles).

        Raises InputError, naming the file, if it is no such file or a damaged one;
        OSError if it can't be opened.
        """
        names = ("mean", "basis", "cameras", "projections")
        try:
            if not Path(path).is_file():
                raise InputError(
                    "is not a file" if os.path.exists(path) else "does not exist"
                )
            arrays = load_npz(path, names)
            _check(arrays, names)
        except InputError as error:
            raise InputError(
                f"{path}: {error}; expected a file of `tfipgan fit-camel`"
            ) from None
        return cls(**{name: arrays[name] for name in names})


def _check(arrays, names):
    """Raise InputError for arrays that make no projections."""
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"no {', '.join(missing)} in it")
    for name in names:
        expected = "int64" if name == "cameras" else "float64"
        if arrays[name].dtype != expected:
            raise InputError(f"{name} are of type {arrays[name].dtype}")
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{name} have a value that is NaN or infinite")
    mean, basis, cameras, projections = (arrays[name] for name in names)
    d = basis.shape[1] if basis.ndim == 2 else 0
    if not (
        d
        and basis.shape == (*mean.shape, d)
        and projections.shape == (*cameras.shape, d, d)
        and cameras.ndim == 1
        and len(cameras)
        and (np.diff(cameras) > 0).all()
    ):
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in names)
        raise InputError(f"arrays that don't belong together ({shapes})")
