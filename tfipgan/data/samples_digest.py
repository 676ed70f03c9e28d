"""Whether image files are still the same, without reading them."""

import hashlib
import os
from collections.abc import Iterable

from tfipgan.data.filenames import Sample


def samples_digest(samples: Iterable[Sample]) -> str:
    """Return a SHA-256 of the paths, sizes and times of change of images, in order.

    Raises:
        OSError: a file is gone.
    """
    digest = hashlib.sha256()
    for sample in samples:
        about = os.stat(sample.path)
        fields = sample.path, about.st_size, about.st_mtime_ns, sample.needs_conversion
        digest.update(os.fsencode("\0".join(map(str, fields)) + "\n"))
    return digest.hexdigest()
