"""The images that Market-1501 averages to a query: several of a person and a camera."""

from pathlib import Path

from tfipgan.data.datasets import ReidDataset, read_images
from tfipgan.data.filenames import JUNK, Sample
from tfipgan.errors import InputError, shorten_name

# Market-1501's hand-drawn boxes; its queries are some of them.
POOL_FOLDER = "gt_bbox"


def multi_query_pool(dataset: ReidDataset) -> tuple[Sample, ...] | None:
    """Return the images of gt_bbox that show a query's person under the query's camera.

    Args:
        dataset: with its query split.

    Returns:
        The samples sorted by path; None if the dataset has no such folder.

    Raises:
        InputError: the folder has no such image, or no image, or a name doesn't match.
    """
    folder = Path(dataset.root) / POOL_FOLDER
    if not folder.is_dir():
        return None
    people = (s for s in dataset.query if s.person_id != JUNK)
    wanted = {(s.person_id, s.camera_id) for s in people}
    samples = read_images(folder, format=dataset.format, pattern=dataset.pattern)
    found = tuple(s for s in samples if (s.person_id, s.camera_id) in wanted)
    if not found:
        raise InputError(
            f"{shorten_name(str(folder))}: none of the {len(samples)} images shows a "
            "query's person under the query's camera, which --multi-query needs; "
            "expected the folder of this dataset: put it there, or remove this one"
        )
    return found
