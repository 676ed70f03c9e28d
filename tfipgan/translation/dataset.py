"""The translated dataset: every source image in the style of every target camera."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import tensorflow as tf
from tqdm import tqdm

from tfipgan import __version__
from tfipgan.data.filenames import Sample, require_own_stems, translated_name
from tfipgan.data.images import JPEG, ImageEncoding
from tfipgan.data.pipelines import inference_batches
from tfipgan.errors import InputError
from tfipgan.files.output_file import require_new_folder, require_short_name
from tfipgan.files.partial_output import PartialOutput
from tfipgan.files.worker import ALONE, Worker
from tfipgan.models.translator import CameraTranslators, Translator
from tfipgan.translation.graph import translation_graph
from tfipgan.translation.part import (
    TranslationPart,
    Translations,
    join_translations,
)
from tfipgan.weights.fingerprint import fingerprint, weights_digest


@dataclass(frozen=True)
class Provenance:
    """What the images are made with and of, by names for the manifest's header.

    Attributes:
        run: of the translator.
        step: of the run that its weights are of; of a network for each camera a list,
            in the order of the cameras.
        source: of the dataset.
    """

    run: str | None = None
    step: int | list[int] | None = None
    source: str | None = None


def translate_dataset(
    translator: Translator | CameraTranslators,
    samples: Sequence[Sample],
    root: str | os.PathLike,
    out: str | os.PathLike,
    *,
    batch_size: int = 32,
    encoding: ImageEncoding = JPEG,
    provenance: Provenance | None = None,
    left_out: Mapping[str, str] | None = None,
    worker: Worker = ALONE,
    progress: bool = True,
) -> int | None:
    """Write L images for each source image, one per target camera (paper section 3.3).

    Names and relative folders are the source's, with `_to_c<camera>` before the ending.
    A manifest lists them, see `tfipgan.translation.manifest`. Until all is whole it is
    in OUT.part, and the same call goes on with what an earlier one, killed or failed,
    has left there: the folder has the same bytes then as from one call. What decides
    the images must be the same for that: the weights, the image files, the sizes,
    TensorFlow; if not, it starts anew and logs why.

    Several workers, each with the same call but its own `worker`, make the same folder:
    each translates its batches, and the last one to end joins what all have made.

    Args:
        translator: its cameras are translated to, its image size is the files'.
        samples: source images, below `root`.
        root: the folder that their relative folders start from.
        out: the folder to make.
        batch_size: images that the translator makes at a time.
        encoding: of the files.
        provenance: for the manifest's header; None names nothing.
        left_out: for the manifest: why a source image is not among the samples, by its
            path.
        worker: which of the processes that share the work.
        progress: whether to show a progress bar on stderr.

    Returns:
        Number of images that are in the folder; None if this worker has done its share
        and others have not.

    Raises:
        InputError: `out` is there and not empty, or another process writes it, or
            OUT.part is something else, or of workers with other settings or in another
            number; a sample that is not below `root`; two samples whose names differ in
            their ending only; a name that is too long with the camera in it.
        OSError: an image is gone, or the folder can't be written.
    """
    names = _below([s.path for s in samples], root)
    require_own_stems(names)
    for name in names:
        longest = translated_name(name, max(translator.cameras), encoding.ending)
        require_short_name(longest, written_aside=False)
    cameras = len(translator.cameras)
    height, width = translator.image_size
    # Whole batches of the same images: in others the last bits may differ.
    batch = max(1, batch_size // cameras)
    about = {
        **fingerprint(samples, *translator.networks),
        "cameras": ", ".join(map(str, translator.cameras)),
        "settings": f"{height}x{width}, {batch}, {encoding.format} "
        f"{encoding.quality}, below {root}",
    }
    provenance = provenance or Provenance()
    header = {
        "tfipgan": __version__,
        "model": {
            "run": provenance.run,
            "step": provenance.step,
            "generator": weights_digest(*translator.networks),
        },
        "source": provenance.source,
        "image_size": [height, width],
        "format": encoding.format,
        "quality": encoding.quality if encoding.format == "jpeg" else None,
        "cameras": list(translator.cameras),
        "images": len(samples) * cameras,
    }
    left_out = left_out or {}
    reasons = dict(zip(_below(left_out, root), left_out.values(), strict=True))
    share = worker.share(len(samples), batch)
    samples, names = samples[share], names[share]
    with PartialOutput(out, about, require_new_folder, worker) as part:
        if part.was_already_published:
            return header["images"]
        if not part.share_is_complete:
            total = len(samples) * cameras
            with TranslationPart(part, total, batch * cameras) as files:
                files.make_folders(names)
                done = files.num_done // cameras
                batches = _translated(
                    translator, samples[done:], names[done:], batch, encoding
                )
                bar = tqdm(
                    total=len(samples),
                    initial=done,
                    desc="translate",
                    unit="image",
                    disable=not progress,
                    dynamic_ncols=True,
                )
                with bar:
                    for made in batches:
                        files.add(made)
                        bar.update(len(made))
        if not part.mark_share_complete():
            return None
        join_translations(part, header, reasons)
    return header["images"]


def _translated(
    translator, samples, names, batch_size, encoding
) -> Iterator[list[Translations]]:
    """Yield the translations of each batch of samples, whose files have these names."""
    translate = translation_graph(translator, encoding)
    sources = iter(zip(samples, names, strict=True))
    for images in inference_batches(samples, translator.image_size, batch_size):
        batch = list(islice(sources, batch_size))
        taken_by = [sample.camera_id for sample, _ in batch]
        rows = translate(images, tf.constant(taken_by, tf.int64)).numpy()
        yield [
            Translations(
                sample.path,
                name,
                [
                    (translated_name(name, camera, encoding.ending), camera, contents)
                    for camera, contents in zip(translator.cameras, row, strict=True)
                ],
            )
            for (sample, name), row in zip(batch, rows, strict=True)
        ]


def _below(paths: Iterable[str], root) -> list[str]:
    """Return the paths relative to the root."""
    names = [os.path.relpath(path, root) for path in paths]
    for name in names:
        if name.split(os.sep)[0] == os.pardir:
            raise InputError(f"{name} is not below {root}; expected images in it")
    return names
