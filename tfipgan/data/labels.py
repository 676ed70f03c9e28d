"""From identities and cameras to the numbers 0..N-1 that networks are trained with."""

import json
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tfipgan.data.filenames import NO_CAMERA, UNLABELLED, Sample
from tfipgan.errors import InputError, shorten, shorten_name
from tfipgan.files.output_file import atomic_file

# Stands for the camera where the whole target is one domain.
WHOLE_TARGET = 0
# As for the numbers in file names.
_END = 10**18


def is_whole_target(cameras: Sequence[object]) -> bool:
    """Return whether a target with these cameras is one domain.

    WHOLE_TARGET is the only one then. Among others, 0 is a camera like any.
    """
    return list(cameras) == [WHOLE_TARGET]


def domain_titles(cameras: Sequence[int]) -> list[str]:
    """Return what a figure calls the target's domains: its cameras, or all of it."""
    if is_whole_target(cameras):
        return ["target"]
    return [f"camera {camera}" for camera in cameras]


@dataclass(frozen=True)
class LabelMap:
    """Classes in sorted order, identities or cameras; a class's label is its place.

    Attributes:
        class_ids: numbers of identities, or in a camera classifier of the cameras that
            it tells apart (`camera_classes`); strictly rising, at least one, none
            negative. A run's labels.json calls them person_ids in both.
        datasets: where people of several datasets are numbered anew from 0 (see
            `tfipgan.data.joining`), each dataset's own numbers in the order of the new
            ones; else empty.
    """

    class_ids: tuple[int, ...]
    datasets: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        _check_person_ids(self.class_ids)

    @classmethod
    def from_samples(cls, samples: Iterable[Sample]) -> Self:
        """Collect identities; junk, distractors or unlabelled are an InputError."""
        person_ids = set()
        for sample in samples:
            if sample.person_id < 0 or sample.distractor:
                raise InputError(
                    f"{shorten_name(sample.path)}: person {sample.person_id} is not an "
                    "identity (junk, distractor or unlabelled); expected training "
                    "samples"
                )
            person_ids.add(sample.person_id)
        return cls(tuple(sorted(person_ids)))

    def __len__(self) -> int:
        return len(self.class_ids)

    def index(self, class_id: int) -> int:
        """Return a class's label, 0..len-1; InputError if it is not in the map."""
        place = _place(self.class_ids, class_id)
        if place is None:
            raise InputError(
                f"person {class_id} is not among the {len(self)} identities of this "
                "label map; expected images of the dataset it was made from"
            )
        return place

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the map as JSON (a run's labels.json)."""
        content: dict[str, list] = {"person_ids": list(self.class_ids)}
        if self.datasets:
            content["datasets"] = [list(numbers) for numbers in self.datasets]
        _write(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; InputError if it is missing or damaged."""
        content = _read(path, "person_ids", _check_labels)
        datasets = tuple(map(tuple, content.get("datasets", [])))
        return cls(tuple(content["person_ids"]), datasets)


def camera_classes(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples with their cameras as classes: person_id is the camera.

    Junk, distractors and unlabelled people are images of a camera like any other.

    Raises:
        InputError: a sample without a camera.
    """
    samples = tuple(samples)
    for sample in samples:
        _require_camera(sample, "one to tell cameras apart")
    return tuple(
        replace(sample, person_id=sample.camera_id, distractor=False)
        for sample in samples
    )


def without_identities(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples without their identities; junk and distractors stay."""
    return tuple(
        replace(sample, person_id=UNLABELLED, distractor=False) for sample in samples
    )


@dataclass(frozen=True)
class DomainMap:
    """The GAN's domains: the target's cameras in sorted order, then the source.

    Attributes:
        cameras: strictly rising, at least two, none negative; or WHOLE_TARGET alone.
    """

    cameras: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_cameras(self.cameras)

    @classmethod
    def from_samples(cls, samples: Iterable[Sample]) -> Self:
        """Collect the cameras of the target's samples.

        Raises:
            InputError: a sample without a camera, or fewer than two cameras.
        """
        cameras = set()
        for sample in samples:
            _require_camera(sample, "one for every image of the target")
            cameras.add(sample.camera_id)
        if len(cameras) < 2:
            found = f"only camera {min(cameras)}" if cameras else "no image"
            whole = (
                "; or translate to all of it as one domain, with --set "
                "gan.target_domains=one, or in the place of gan.method camstyle "
                "gan.method=cyclegan"
            )
            raise InputError(
                f"a target needs images of at least two cameras, found {found}; check "
                "that all cameras are in its train split and that the camera number "
                "is read from the right place of the name (tfipgan inspect)"
                f"{whole if cameras else ''}"
            )
        return cls(tuple(sorted(cameras)))

    @property
    def num_domains(self) -> int:
        """L + 1."""
        return len(self.cameras) + 1

    @property
    def source_domain(self) -> int:
        """The source's domain, L."""
        return len(self.cameras)

    def index(self, camera: int) -> int:
        """Return a target camera's domain, 0..L-1; InputError if not in the map."""
        place = _place(self.cameras, camera)
        if place is None:
            raise InputError(
                f"camera {camera} is not a camera of this target; expected one of "
                f"{', '.join(map(str, self.cameras))}"
            )
        return place

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the map as JSON (a run's domains.json)."""
        _write(path, {"cameras": list(self.cameras)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; InputError if it is missing or damaged."""
        content = _read(path, "cameras", lambda found: _check_cameras(found["cameras"]))
        return cls(tuple(content["cameras"]))


def _require_camera(sample: Sample, expected: str) -> None:
    if sample.camera_id == NO_CAMERA:
        raise InputError(
            f"{shorten_name(sample.path)} has no camera number; expected {expected}: "
            "use a pattern with a group named camera"
        )


def _place(numbers: tuple[int, ...], number: int) -> int | None:
    place = bisect_left(numbers, number)
    return place if place < len(numbers) and numbers[place] == number else None


def _check_labels(content: dict[str, Any]) -> None:
    _check_person_ids(content["person_ids"])
    datasets = content.get("datasets", [])
    if not isinstance(datasets, list) or len(datasets) == 1:
        raise InputError("datasets is no list of two or more")
    for numbers in datasets:
        if not isinstance(numbers, list):
            raise InputError(f"{shorten(numbers)} in datasets; expected lists")
        _check_rising(numbers, "datasets", 1)
    if datasets and content["person_ids"][-1] >= sum(map(len, datasets)):
        raise InputError(
            f"person {content['person_ids'][-1]} of {sum(map(len, datasets))} in all "
            "datasets"
        )


def _check_person_ids(numbers: Sequence[object]) -> None:
    _check_rising(numbers, "person_ids", 1)


def _check_cameras(numbers: Sequence[object]) -> None:
    _check_rising(numbers, "cameras", 1 if is_whole_target(numbers) else 2)


def _check_rising(numbers: Sequence[object], name: str, least: int) -> None:
    if len(numbers) < least:
        raise InputError(f"{len(numbers)} {name}; expected at least {least}")
    before = -1
    for number in numbers:
        # bool is an int to Python, but true is not a number in a JSON file.
        if type(number) is not int or not before < number < _END:
            raise InputError(
                f"{shorten(number)} after {before} in {name}; expected rising whole "
                "numbers from 0, of at most 18 digits"
            )
        before = number


def _write(path: str | os.PathLike[str], content: Mapping[str, list]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _read(
    path: str | os.PathLike[str], name: str, check: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} not found; expected a run folder's {path.name}")
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise ValueError(f"no list {name!r} in it")
        check(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged or not such a file: {error}; restore it, or train again"
        ) from None
    return content
