"""A dataset's folder, read into its three splits of samples."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from re import Pattern

from tfipgan.data.doubts import misread_numbers, passed_over
from tfipgan.data.filenames import (
    JUNK,
    NO_CAMERA,
    UNLABELLED,
    Sample,
    expected_names,
    matching_format,
    parse_sample,
)
from tfipgan.data.image_endings import endings, is_image_name
from tfipgan.data.image_files import ImageFiles, image_files
from tfipgan.data.layouts import (
    LISTS,
    SKIP,
    SPLITS,
    Layout,
    existing_folder,
    find_layout,
    find_naming,
    missing_split,
    recognise,
)
from tfipgan.errors import ConfigError, InputError, shorten, shorten_name

# A folder for each person, as PyTorch's ImageFolder wants it.
_OF_PERSON = re.compile(r"([^/_]+)/\1_[^/]*")
_LABEL = re.compile("[0-9]{1,18}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReidDataset:
    """A dataset's samples, each split sorted by path.

    Attributes:
        root: the folder as it was given.
        format: one of `filenames.NAMING_FORMATS`.
        train, query, gallery: the samples; empty if the split was not asked for.
        pattern: the pattern in use with format "pattern", else None; with it
            `read_images` reads images that were translated from this dataset.
    """

    root: Path
    format: str
    train: tuple[Sample, ...] = ()
    query: tuple[Sample, ...] = ()
    gallery: tuple[Sample, ...] = ()
    pattern: str | None = None


def read_dataset(
    root: str | os.PathLike[str],
    *,
    format: str = "auto",
    pattern: str | None = None,
    splits: Sequence[str] = SPLITS,
    misnamed: dict[str, str] | None = None,
) -> ReidDataset:
    """Read a dataset's splits.

    Read are MSMT17 by its list files, any other by split folders:
    bounding_box_train, query, bounding_box_test, or train_all or train, query, gallery,
    or as a `dataset.yaml` in the root names them (keys format, pattern, train, query,
    gallery). A split's images are in its folder, or all in folders of one person each:
    0002/0002_c1s1_000451_03.jpg. If only the train split is asked for, a folder of
    images without split folders is read as that split. A pattern is searched for in
    the path below the split's folder, subfolders included.

    Args:
        root: the dataset's folder.
        format: one of `filenames.NAMING_FORMATS`, or "auto" to recognise it.
        pattern: a regular expression with groups `person` and `camera`; makes the
            format "pattern". These two go before `dataset.yaml`.
        splits: which of train, query and gallery to read; each must have images.
        misnamed: gets the paths of images whose names don't match, and why; with None
            they are an error.

    Raises:
        InputError: a folder or split is missing or empty, a name doesn't match, the
            format is not recognised, `dataset.yaml` or a list file is damaged.
        ConfigError: an unknown format or a pattern that can't be used.
    """
    unknown = [split for split in splits if split not in SPLITS]
    if unknown or not splits:
        raise ConfigError(f"splits {tuple(splits)}: expected some of {SPLITS}")
    flat = tuple(splits) == ("train",)
    layout = find_layout(
        root,
        format=format,
        pattern=pattern,
        splits=splits,
        flat=flat,
        skip=misnamed is not None,
    )
    return ReidDataset(
        root=layout.root,
        format=layout.format,
        pattern=layout.pattern.pattern if layout.pattern else None,
        **{split: read_split(layout, split, misnamed) for split in splits},
    )


def read_split(
    layout: Layout, split: str, misnamed: dict[str, str] | None = None
) -> tuple[Sample, ...]:
    """Read one split's samples, sorted by path; see `read_dataset`."""
    samples, doubts = read_with_doubts(layout, split, misnamed)
    log_doubts(layout.folders[split], doubts)
    return samples


def read_with_doubts(
    layout: Layout, split: str, misnamed: dict[str, str] | None = None
) -> tuple[tuple[Sample, ...], list[str]]:
    """As `read_split`; and what may be wrong with it, a line each, is not logged."""
    if split not in layout.folders:
        raise InputError(missing_split(layout.root, split))
    folder = layout.folders[split]
    recursive = layout.format in ("pattern", "msmt17")
    doubts: list[str] = []
    if layout.listed:
        samples = _listed_samples(layout, split)
    else:
        files = image_files(folder, recursive)
        if not files.names and all(map(_OF_PERSON.fullmatch, files.below)):
            files = image_files(folder, True)
        samples = _parse(files.names, folder, layout.format, layout.pattern, misnamed)
        doubts = _doubts(files, layout.pattern)
    if not samples:
        place = "in it or below" if recursive else "in the folder itself"
        raise InputError(
            f"{folder}: no images found for split {split}; expected {endings()} {place}"
            + "".join(f"; {line}" for line in doubts)
        )
    return samples, doubts


def log_doubts(where: str | os.PathLike[str], doubts: Iterable[str]) -> None:
    """Warns of what may be wrong with what was read, in a line each."""
    for line in doubts:
        logger.warning("%s: %s", shorten_name(str(where)), line)


def read_images(
    folder: str | os.PathLike[str],
    *,
    format: str = "auto",
    pattern: str | None = None,
    labelled: bool = True,
    misnamed: dict[str, str] | None = None,
) -> tuple[Sample, ...]:
    """Read all images below a folder: a translated set, one split, any folder.

    A `dataset.yaml` in the folder, or beside it if it names this folder as a split,
    gives format and pattern where the arguments don't.

    Args:
        folder: searched with its subfolders.
        format, pattern: as for `read_dataset`.
        labelled: if False, an image whose name doesn't match is read with person
            UNLABELLED and camera NO_CAMERA, and with "auto" each name is read in
            whichever known format it has.
        misnamed: as for `read_dataset`, if `labelled`.

    Returns:
        The samples sorted by path.

    Raises:
        InputError: the folder is missing or has no images, or `labelled` and a name
            doesn't match.
        ConfigError: an unknown format or a pattern that can't be used.
    """
    folder = existing_folder(folder)
    format, compiled = find_naming(folder, format=format, pattern=pattern)
    files = image_files(folder, recursive=True)
    names, doubts = files.names, _doubts(files, compiled)
    if not names:
        raise InputError(
            f"{folder}: no images found; expected {endings()}"
            + "".join(f"; {line}" for line in doubts)
        )
    log_doubts(folder, doubts)
    if labelled:
        if format == "auto":
            format = recognise(names, folder, misnamed is not None)
        return _parse(names, folder, format, compiled, misnamed)
    samples = []
    for name in names:
        path = str(folder / name)
        known = matching_format(name) if format == "auto" else format
        sample = parse_sample(path, name, known, compiled) if known else None
        samples.append(sample or Sample(path, UNLABELLED, NO_CAMERA))
    return _sorted(samples)


def training_samples(data: ReidDataset | Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples to train identities with: no junk and no distractors.

    Person 0 is left out where it is a distractor (Market-1501, DukeMTMC-reID), and
    kept where it is a person (MSMT17, CUHK03-NP, a user's pattern).

    Raises:
        InputError: an image has no identity, or none is left.
    """
    samples = _samples_of(data)
    unlabelled = [s for s in samples if s.person_id == UNLABELLED]
    if unlabelled:
        raise InputError(
            f"{shorten_name(unlabelled[0].path)}: {len(unlabelled)} of {len(samples)} "
            "images have no identity, and training needs one for each; use a pattern "
            "with a group named person"
        )
    kept = tuple(s for s in samples if s.person_id != JUNK and not s.distractor)
    if not kept:
        raise InputError(
            f"no image to train with: all {len(samples)} are junk or distractors; "
            "expected images of identities"
        )
    return kept


def camera_samples(data: ReidDataset | Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples to learn cameras from (the GAN's target): all of them.

    Identities are not used, so junk, distractors and unlabelled people stay.

    Raises:
        InputError: an image has no camera, or there are no images.
    """
    samples = _samples_of(data)
    lost = [s for s in samples if s.camera_id == NO_CAMERA]
    if lost:
        raise InputError(
            f"{shorten_name(lost[0].path)}: {len(lost)} of {len(samples)} images have "
            "no camera, and a target needs one for each; use a pattern with a group "
            "named camera"
        )
    if not samples:
        raise InputError("no image to learn a camera from; expected some per camera")
    return samples


def _samples_of(data: ReidDataset | Iterable[Sample]) -> tuple[Sample, ...]:
    return data.train if isinstance(data, ReidDataset) else tuple(data)


def _doubts(files: ImageFiles, pattern: Pattern[str] | None) -> list[str]:
    misread = misread_numbers(files.names, pattern) if pattern else []
    return [*passed_over(files), *misread]


def _parse(
    names: Iterable[str],
    folder: Path,
    format: str,
    pattern: Pattern[str] | None,
    misnamed: dict[str, str] | None,
) -> tuple[Sample, ...]:
    samples, failed, count = [], [], 0
    for name in names:
        count += 1
        sample = parse_sample(str(folder / name), name, format, pattern)
        if sample is None:
            failed.append(name)
        else:
            samples.append(sample)
    expected = expected_names(format, pattern)
    found = f"{len(failed)} of {count} image names don't match; expected {expected}"
    if failed and (misnamed is None or not samples):
        raise InputError(
            f"{shorten_name(str(folder / failed[0]))}: {found}; rename or remove, give "
            f"another format or pattern, {SKIP}"
        )
    if misnamed is not None and failed:
        logger.warning("left out %s, ...: %s", folder / failed[0], found)
        why = f"the name is none of the others' kind, expected {expected}"
        misnamed |= {str(folder / name): why for name in failed}
    return _sorted(samples)


def _listed_samples(layout: Layout, split: str) -> tuple[Sample, ...]:
    """Read MSMT17's lists; a line is `folder/name label`."""
    folder = layout.folders[split]
    samples = []
    for list_name in LISTS[split]:
        path = layout.root / list_name
        if not path.is_file():
            raise InputError(
                f"{path} is missing; MSMT17's {split} split is "
                f"{' and '.join(LISTS[split])} (an empty file if there is nothing)"
            )
        try:
            # As Windows may write it: a byte order mark, and its own slashes.
            text = path.read_text(encoding="utf-8-sig").replace("\\", "/")
        except UnicodeDecodeError:
            raise InputError(
                f"{path} is not text in UTF-8; expected MSMT17's list"
            ) from None
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            name, _, label = line.strip().rpartition(" ")
            sample = parse_sample(str(folder / name), name, "msmt17")
            place = PurePosixPath(name)
            outside = place.is_absolute() or ".." in place.parts
            if sample is None or outside or not is_image_name(place.name):
                raise InputError(
                    f"{path}, line {number}: {shorten(line.strip())}; expected a line "
                    "like '0000/0000_000_01_0303morning_0015_0.jpg 0'"
                )
            # The name is what a translated image will carry, so the two must agree.
            if not _LABEL.fullmatch(label) or int(label) != sample.person_id:
                raise InputError(
                    f"{path}, line {number}: person {shorten(label)} for "
                    f"{shorten_name(name)}, whose name says {sample.person_id}; "
                    "expected the same number"
                )
            samples.append(sample)
    missing = [s.path for s in samples if not os.path.isfile(s.path)]
    if missing:
        raise InputError(
            f"{shorten_name(missing[0])}: {len(missing)} of {len(samples)} files of "
            f"{' and '.join(LISTS[split])} are missing; unpack the images again"
        )
    return _sorted(samples)


def _sorted(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: sample.path))
