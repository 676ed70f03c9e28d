"""A feature file that grows beside its place until it is whole."""

import os
from collections.abc import Callable, Mapping, Sequence

from tfipgan.data.filenames import Sample
from tfipgan.evaluation.feature_part import FeaturePart, row_files
from tfipgan.evaluation.feature_set import FeatureSet
from tfipgan.evaluation.feature_writer import write_features
from tfipgan.files.output_file import require_new_file, sync
from tfipgan.files.partial_output import PartialOutput
from tfipgan.files.worker import ALONE, Worker


def features_to_file(
    out: str | os.PathLike,
    about: Mapping[str, str],
    samples: Sequence[Sample],
    batch_size: int,
    describe: Callable[[FeaturePart, Sequence[Sample]], None],
    worker: Worker = ALONE,
) -> tuple[int, int] | None:
    """Write the features of the samples' images, and go on where a kill ended that.

    Args:
        out: the new .npz file.
        about: what decides the rows, in words or digests by what they are of.
        samples: at least one.
        batch_size: images that belong together; a worker's share is whole batches.
        describe: function of a `FeaturePart` and its samples, which appends a row for
            each of those that are not done.
        worker: which of the processes that share the work.

    Returns:
        The shape of the features, images and values of each; None if this worker has
        done its share and others have not.

    Raises:
        InputError: `out` is there, or another process writes it, or OUT.part is
            something else, or of workers with other settings or in another number;
            what `describe` raises.
        OSError: an image is gone, or `out` can't be written.
    """
    share = samples[worker.share(len(samples), batch_size)]
    with PartialOutput(out, about, require_new_file, worker) as part:
        if part.was_already_published:
            return FeatureSet.load(out).features.shape
        if not part.share_is_complete:
            with FeaturePart(part, len(share)) as rows:
                describe(rows, share)
        if not part.mark_share_complete():
            return None
        npz_file = part.folder / "features.npz"
        shape = write_features(npz_file, row_files(part), samples)
        sync(npz_file)
        part.publish(npz_file)
    return shape
