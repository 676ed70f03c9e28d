"""The translated dataset: every source image in the style of every target camera."""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from tfipgan.data.filenames import Sample, translated_name
from tfipgan.data.images import signed_to_bytes, to_signed
from tfipgan.data.labels import DomainMap
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError
from tfipgan.output_file import require_new_folder

ENDINGS = {"jpeg": ".jpg", "png": ".png"}
WRITER_THREADS = 4


def translate_dataset(
    generator,
    domains: DomainMap,
    samples: Sequence[Sample],
    root: str | os.PathLike,
    out: str | os.PathLike,
    *,
    image_size: tuple[int, int],
    batch_size: int = 32,
    format: str = "jpeg",
    quality: int = 95,
    progress: bool = True,
) -> int:
    """Write L images for each source image, one per target camera (paper section 3.3).

    Names and relative folders are the source's, with `_to_c<camera>` before the ending.
    The folder appears whole: it is written aside and renamed.

    Args:
        generator: `Generator`.
        domains: the run's; its cameras are translated to, never the source's own style.
        samples: source images, below `root`.
        root: the folder that their relative folders start from.
        out: the folder to make.
        image_size: (height, width) of the generator.
        batch_size: images that the generator makes at a time.
        format: "jpeg" (4:4:4) or "png".
        quality: of the JPEG, 1 to 100.
        progress: whether to show a progress bar on stderr.

    Returns:
        Number of images written.

    Raises:
        InputError: `out` is there and not empty, an unknown format, or two samples
            whose names differ in their ending only.
    """
    out = Path(out).absolute()
    if format not in ENDINGS:
        raise InputError(f"format is {format!r}, expected one of {', '.join(ENDINGS)}")
    require_new_folder(out)
    aside = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        written = _translate_into(
            aside,
            _translator(generator, domains, format, quality),
            domains,
            samples,
            root,
            image_size=image_size,
            batch_size=batch_size,
            ending=ENDINGS[format],
            progress=progress,
        )
        if out.exists():
            out.rmdir()
        os.replace(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written


def _translate_into(
    folder,
    translate,
    domains,
    samples,
    root,
    *,
    image_size,
    batch_size,
    ending,
    progress,
):
    """Translate and write all images below a new folder; return their number."""
    names = [os.path.relpath(s.path, root) for s in samples]
    _check_stems(names)
    for below in {os.path.dirname(name) for name in names}:
        (folder / below).mkdir(parents=True, exist_ok=True)
    remaining = iter(names)
    paths = [s.path for s in samples]
    written, pending = 0, ()
    bar = tqdm(
        total=len(samples),
        desc="translate",
        unit="image",
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar, ThreadPoolExecutor(WRITER_THREADS) as writers:
        sources_at_once = max(1, batch_size // len(domains.cameras))
        for images in inference_batches(paths, image_size, sources_at_once):
            files = translate(images).numpy()
            batch_names = islice(remaining, len(files))
            jobs = [
                (folder / translated_name(name, camera, ending), contents)
                for name, row in zip(batch_names, files, strict=True)
                for camera, contents in zip(domains.cameras, row, strict=True)
            ]
            # The last batch's files were written while this one was translated; if a
            # write failed, it raises here.
            written += sum(pending)
            pending = writers.map(_write, jobs)
            bar.update(len(files))
        written += sum(pending)
    return written


def _check_stems(names):
    """Raise InputError where the translations of two images would share a name."""
    first = {}
    for name in names:
        other = first.setdefault(os.path.splitext(name)[0], name)
        if other != name:
            raise InputError(
                f"{other} and {name} differ in their ending only, so their "
                "translations would have the same name: rename or remove one"
            )


def _translator(generator, domains, format, quality):
    """Return a function from [0, 255] images to encoded files (batch, cameras)."""
    cameras = len(domains.cameras)

    def encode(image):
        if format == "png":
            return tf.io.encode_png(image)
        return tf.io.encode_jpeg(
            image, quality=quality, chroma_downsampling=False, optimize_size=True
        )

    @tf.function(reduce_retracing=True)
    def translate(images):
        batch = tf.shape(images)[0]
        repeated = tf.repeat(to_signed(images), cameras, axis=0)
        wanted = tf.one_hot(tf.tile(tf.range(cameras), [batch]), domains.num_domains)
        pixels = signed_to_bytes(generator((repeated, wanted)))
        files = tf.map_fn(encode, pixels, fn_output_signature=tf.string)
        return tf.reshape(files, (batch, cameras))

    return translate


def _write(job):
    path, contents = job
    path.write_bytes(contents)
    return 1
