"""Several datasets as one to train on: people and cameras of each stay apart.

Numbers say who is who within a dataset only: person 3 of the first and person 3 of the
second are two. So people, and cameras, are numbered anew from 0, those of the first
dataset in sorted order, then those of the second.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfipgan.data.filenames import NO_CAMERA, Sample
from tfipgan.errors import InputError, shorten_name

Numbers = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Joined:
    """Samples of all datasets, numbered anew.

    Attributes:
        samples: of all datasets, in order.
        translated: what was translated from them, with the target's cameras; or None.
        people: each dataset's own numbers, in the order of the new ones.
    """

    samples: tuple[Sample, ...]
    translated: tuple[Sample, ...] | None
    people: Numbers


def join(samples: Sequence[Sample], translated: Sequence[Sample] | None) -> Joined:
    """Numbers people and cameras of several datasets anew; `Sample.dataset` says whose.

    Args:
        samples: training samples of all datasets, those of one after those of another.
        translated: of the same datasets and people.

    Raises:
        InputError: a file is in two datasets, or translated from two; an image is
            translated from none of its dataset, or shows a person whom that lacks.
    """
    parts = by_dataset(samples)
    _require_distinct(parts, "--data")
    people = tuple(tuple(sorted({s.person_id for s in part})) for part in parts)
    cameras = tuple(
        tuple(sorted({s.camera_id for s in part} - {NO_CAMERA})) for part in parts
    )
    person_numbers, camera_numbers = _new_numbers(people), _new_numbers(cameras)

    if translated is not None:
        _require_translated(translated, samples)
        _require_distinct(by_dataset(translated), "--translated")
    return Joined(
        tuple(
            replace(
                s,
                person_id=person_numbers[s.dataset, s.person_id],
                camera_id=camera_numbers.get((s.dataset, s.camera_id), NO_CAMERA),
            )
            for s in samples
        ),
        None
        if translated is None
        else tuple(
            replace(s, person_id=person_numbers[s.dataset, s.person_id])
            for s in translated
        ),
        people,
    )


def by_dataset(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Split samples by the dataset that they are of."""
    parts: dict[int, list[Sample]] = {}
    for sample in samples:
        parts.setdefault(sample.dataset, []).append(sample)
    return [parts[number] for number in sorted(parts)]


def _new_numbers(numbers: Numbers) -> Mapping[tuple[int, int], int]:
    """Return new numbers by (dataset, own number)."""
    pairs = [(place, number) for place, own in enumerate(numbers) for number in own]
    return {pair: new for new, pair in enumerate(pairs)}


def _require_translated(
    translated: Sequence[Sample], samples: Sequence[Sample]
) -> None:
    """Raise InputError if an image can't be translated from one of its dataset.

    Numbers alone would not tell: any two datasets have a person 3.
    """
    people = {(s.dataset, s.person_id) for s in samples}
    images = {(s.dataset, s.person_id, Path(s.path).stem) for s in samples}
    for sample in translated:
        own = Path(sample.path).stem.rsplit("_to_c", 1)[0]
        known = (sample.dataset, sample.person_id) in people
        # An image without a source in its name is anyone's own.
        if sample.source_camera_id is not None:
            known = (sample.dataset, sample.person_id, own) in images
        if not known:
            raise InputError(
                f"{shorten_name(sample.path)} is of no image, or person, of --data "
                f"number {sample.dataset + 1}; expected one --translated for each "
                "--data, in the same order"
            )


def _require_distinct(parts: Sequence[Sequence[Sample]], option: str) -> None:
    """Raise InputError if a file is in two datasets: its person would be two."""
    # Of folders, not files: a name for each file would take a look at the disk.
    real: dict[str, str] = {}
    owners: dict[str, int] = {}
    shared = []
    for place, part in enumerate(parts):
        for sample in part:
            folder, name = os.path.split(sample.path)
            if folder not in real:
                real[folder] = os.path.realpath(folder)
            owner = owners.setdefault(os.path.join(real[folder], name), place)
            if owner != place:
                shared.append((sample, owner, place))
    if shared:
        sample, owner, place = shared[0]
        raise InputError(
            f"{shorten_name(sample.path)} is of two datasets, {option} number "
            f"{owner + 1} and number {place + 1} ({len(shared)} such images), which "
            "would make two people of each person; give each folder once, and none "
            "that holds another"
        )
