"""A feature file from rows that lie on the disk."""

import os
import shutil
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np

from tfipgan.data.filenames import Sample

# Samples whose labels are made into an array at a time.
_AT_ONCE = 4096


def write_features(
    path: str | os.PathLike,
    rows: Iterable[str | os.PathLike],
    samples: Sequence[Sample],
) -> tuple[int, int]:
    """Write what `FeatureSet.save` writes, byte for byte, without holding it all.

    Args:
        path: of the new file.
        rows: files of float32 rows, one for each sample in order.
        samples: at least one.

    Returns:
        The shape of the features: images, values of each.

    Raises:
        OSError: a file can't be read or written.
    """
    count = len(samples)
    shape = count, sum(os.stat(file).st_size for file in rows) // (4 * count)
    longest = max(len(sample.path) for sample in samples)
    columns = {
        "person_ids": ("<i8", lambda sample: sample.person_id),
        "camera_ids": ("<i8", lambda sample: sample.camera_id),
        "paths": (f"<U{longest}", lambda sample: sample.path),
    }
    with zipfile.ZipFile(path, "w") as archive:
        with _array(archive, "features", "<f4", shape) as array:
            for file in rows:
                with open(file, "rb") as content:
                    shutil.copyfileobj(content, array)
        for name, (dtype, value) in columns.items():
            with _array(archive, name, dtype, (count,)) as array:
                for start in range(0, count, _AT_ONCE):
                    some = map(value, samples[start : start + _AT_ONCE])
                    array.write(np.array(list(some), dtype).tobytes())
    return shape


def _array(archive, name, dtype, shape):
    """Open an array of an .npz, as NumPy writes it, after its header."""
    array = archive.open(f"{name}.npy", "w", force_zip64=True)
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(array, header)
    return array
