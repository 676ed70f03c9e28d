"""Feature files of BoW and LOMO, which are evaluated as a network's are."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import PIL
import scipy
from PIL import Image
from tqdm import tqdm

from tfipgan import __version__
from tfipgan.data.filenames import Sample
from tfipgan.data.local_images import reopen_rgb
from tfipgan.data.samples_digest import samples_digest
from tfipgan.descriptors.bow import SIZE as BOW_SIZE
from tfipgan.descriptors.bow import BagOfWords, learn_words, patches
from tfipgan.descriptors.lomo import SIZE as LOMO_SIZE
from tfipgan.descriptors.lomo import lomo
from tfipgan.evaluation.feature_file import features_to_file
from tfipgan.files.threads import map_in_threads
from tfipgan.files.worker import ALONE, Worker

# More images to learn a codebook from change it little, and take minutes.
MOST_TO_LEARN_FROM = 2000
BATCH_SIZE = 64


def lomo_to_file(
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    threads: int = 1,
    progress: bool = False,
    worker: Worker = ALONE,
) -> tuple[int, int] | None:
    """Write `lomo` of the samples' images to a feature file.

    A killed extraction goes on, and workers share it, as by `features_to_file`, which
    says what is returned and raised.

    Args:
        samples: at least one.
        out: the new .npz file.
        threads: images at a time; the file is the same with any number.
        progress: whether to show a progress bar on stderr.
        worker: which of the processes that share the work.
    """
    return _to_file(lomo, "lomo", LOMO_SIZE, samples, out, threads, progress, worker)


def bow_to_file(
    bow: BagOfWords,
    samples: Sequence[Sample],
    out: str | os.PathLike,
    *,
    threads: int = 1,
    progress: bool = False,
    worker: Worker = ALONE,
) -> tuple[int, int] | None:
    """Write the descriptors of BoW to a feature file.

    Args:
        bow: of `learn_bow`.
        samples, out, threads, progress, worker: as for `lomo_to_file`.
    """
    learnt = hashlib.sha256()
    for array in (bow.words, bow.idf, bow.mean):
        learnt.update(array.tobytes())
    name = f"bow {learnt.hexdigest()}"
    return _to_file(bow, name, BOW_SIZE, samples, out, threads, progress, worker)


def learn_bow(
    samples: Sequence[Sample], *, threads: int = 1, progress: bool = False
) -> BagOfWords:
    """Return BoW with a codebook learnt from images, the same for the same images.

    Args:
        samples: of more than 2000 images, 2000 evenly from them are looked at.
        threads, progress: as for `lomo_to_file`.

    Raises:
        InputError: too few images; one has changed.
        OSError: one is gone.
    """
    step = -(-len(samples) // MOST_TO_LEARN_FROM)
    some = samples[::step]
    found = _described(patches, BOW_SIZE, some, threads)
    bar = tqdm(
        found,
        desc="codebook",
        total=len(some),
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
    )
    return learn_words([*bar])


def _described(
    describe: Callable, size: tuple[int, int], samples: Sequence[Sample], threads: int
) -> Iterator[np.ndarray]:
    """Yield what a function makes of each image at (height, width), in order."""
    height, width = size

    def of_file(sample: Sample) -> np.ndarray:
        image = reopen_rgb(sample.path)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        return describe(np.asarray(image))

    yield from map_in_threads(of_file, samples, threads)


def _to_file(describe, name, size, samples, out, threads, progress, worker):
    about = {
        "descriptor": name,
        "images": samples_digest(samples),
        "versions": f"tfipgan {__version__}, NumPy {np.__version__}, SciPy "
        f"{scipy.__version__}, Pillow {PIL.__version__}",
    }

    def append_rows(rows, share):
        found = _described(describe, size, share[rows.num_done :], threads)
        bar = tqdm(
            total=len(share),
            initial=rows.num_done,
            unit="image",
            disable=not progress,
            dynamic_ncols=True,
        )
        with bar:
            while some := list(islice(found, BATCH_SIZE)):
                rows.append(np.stack(some))
                bar.update(len(some))

    return features_to_file(out, about, samples, BATCH_SIZE, append_rows, worker)
