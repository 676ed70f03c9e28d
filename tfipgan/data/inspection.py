"""What is in a dataset, and what looks wrong in it."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tfipgan.data.datasets import read_with_doubts
from tfipgan.data.filenames import (
    JUNK,
    NO_CAMERA,
    UNLABELLED,
    Sample,
    expected_names,
)
from tfipgan.data.layouts import SPLITS, find_layout
from tfipgan.data.local_images import each_image
from tfipgan.errors import InputError, first_few, shorten_name

# Images and identities of train, query and gallery as their authors published them;
# Market-1501's gallery folder counts junk and distractors too, and None is a number
# that is not compared. CUHK03-NP comes in two versions.
_PUBLISHED: dict[str, dict[str, tuple[tuple[int, int | None], ...]]] = {
    "market1501": {"": ((12936, 751), (3368, 750), (19732, None))},
    "dukemtmc": {"": ((16522, 702), (2228, 702), (17661, None))},
    "msmt17": {"": ((32621, 1041), (11659, 3060), (82161, 3060))},
    "cuhk03-np": {
        "labeled": ((7368, 767), (1400, 700), (5328, 700)),
        "detected": ((7365, 767), (1400, 700), (5332, 700)),
    },
}
_EXAMPLES = 3


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split.

    Attributes:
        images: all images, junk and distractors included.
        identities: people that are neither junk, distractor nor unlabelled.
        junk, distractors, unlabelled: images.
        cameras: images of each camera, sorted; camera -1 is images without one.
    """

    images: int
    identities: int
    junk: int
    distractors: int
    unlabelled: int
    cameras: dict[int, int]


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect_dataset`.

    Attributes:
        root: the folder as it was given.
        format: one of `filenames.NAMING_FORMATS`.
        splits: the splits that could be read.
        unreadable: why, for the path of each image that can't be decoded.
        problems: a line for each thing that should be put right or understood.
        notes: a line for each thing that is only worth knowing.
    """

    root: str
    format: str
    splits: dict[str, SplitSummary]
    unreadable: dict[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict:
        """Return the same as plain values for JSON; camera numbers become text keys."""
        return asdict(self)


def inspect_dataset(
    root: str | os.PathLike[str],
    format: str = "auto",
    pattern: str | None = None,
    check_images: bool = True,
    progress: bool = False,
) -> Inspection:
    """Count a dataset's images and looks for what is wrong with them.

    Args:
        root, format, pattern: as for `read_dataset`. A folder of images without split
            folders is taken as a train split.
        check_images: decode every image too (about a millisecond each).
        progress: whether to show a progress bar on stderr if that takes a while.

    Raises:
        InputError: nothing of it can be read as a dataset.
        ConfigError: an unknown format or a pattern that can't be used.
    """
    problems: list[str] = []
    notes: list[str] = []
    splits: dict[str, tuple[Sample, ...]] = {}
    layout = find_layout(root, format=format, pattern=pattern, flat=True, skip=True)
    first_error = None
    misnamed: dict[str, str] = {}
    for split in SPLITS:
        if split not in layout.folders:
            problems.append(f"no {split} split found")
            continue
        try:
            splits[split], doubts = read_with_doubts(layout, split, misnamed)
            problems += [f"{split}: {line}" for line in doubts]
        except InputError as error:
            first_error = first_error or error
            problems.append(f"{split} can't be read: {error}")
    if misnamed:
        names = [str(Path(path).relative_to(layout.root)) for path in misnamed]
        some = first_few(names, _EXAMPLES)
        problems.append(
            f"images whose names don't match ({len(names)}): {some}; "
            f"expected {expected_names(layout.format, layout.pattern)}; rename or "
            "remove them, or leave them out by --skip-unreadable"
        )
    if not splits:
        raise first_error or InputError(f"{root}: no split found")
    problems += _camera_problems(splits)
    for split, samples in splits.items():
        unlabelled = sum(sample.person_id == UNLABELLED for sample in samples)
        if unlabelled:
            notes.append(
                f"{split}: images without an identity ({unlabelled}): a GAN's target "
                "can do without, re-ID training and evaluation can't"
            )
    problems += _one_camera_identities(splits.get("train", ()))
    if "query" in splits and "gallery" in splits:
        problems += _unmatched_queries(splits["query"], splits["gallery"])
    if layout.format != "msmt17":  # its test people are numbered from 0 again
        problems += _shared_identities(splits)
    unreadable: dict[str, str] = {}
    if check_images:
        unreadable, *more = _check_files(splits, progress)
        problems += more[0]
        notes += more[1]
    summaries = {split: _summary(samples) for split, samples in splits.items()}
    notes += _published_notes(layout.format, summaries)
    return Inspection(
        str(root),
        layout.format,
        summaries,
        unreadable,
        tuple(problems),
        tuple(notes),
    )


def _summary(samples: Sequence[Sample]) -> SplitSummary:
    cameras = Counter(sample.camera_id for sample in samples)
    return SplitSummary(
        images=len(samples),
        identities=len(_identities(samples)),
        junk=sum(sample.person_id == JUNK for sample in samples),
        distractors=sum(sample.distractor for sample in samples),
        unlabelled=sum(sample.person_id == UNLABELLED for sample in samples),
        cameras=dict(sorted(cameras.items())),
    )


def _identities(samples: Iterable[Sample]) -> dict[int, set[int]]:
    """Return the cameras of each identity."""
    identities = defaultdict(set)
    for sample in samples:
        if sample.person_id not in (JUNK, UNLABELLED) and not sample.distractor:
            identities[sample.person_id].add(sample.camera_id)
    return identities


def _camera_problems(splits: dict[str, tuple[Sample, ...]]) -> list[str]:
    problems = []
    # A query split of one camera is in order if the gallery has others.
    for part in (("train",), ("query", "gallery")):
        cameras = {s.camera_id for split in part for s in splits.get(split, ())}
        name = " and ".join(split for split in part if split in splits)
        if cameras == {NO_CAMERA}:
            problems.append(
                f"{name}: no camera numbers in the names; a GAN's target and an "
                "evaluation need them"
            )
        elif len(cameras) == 1:
            problems.append(
                f"{name}: images of one camera only (camera {cameras.pop()})"
            )
    return problems


def _one_camera_identities(train: Sequence[Sample]) -> list[str]:
    if len({sample.camera_id for sample in train}) < 2:
        return []  # said already, and true of every identity
    identities = _identities(train)
    single = sorted(p for p, cameras in identities.items() if len(cameras) == 1)
    if not single:
        return []
    return [
        f"train: identities with images of one camera only ({len(single)} of "
        f"{len(identities)}): {first_few(single, _EXAMPLES)}"
    ]


def _unmatched_queries(query: Sequence[Sample], gallery: Sequence[Sample]) -> list[str]:
    identities = _identities(gallery)
    unmatched = [
        sample.path
        for sample in query
        if sample.person_id != UNLABELLED
        and not identities.get(sample.person_id, set()) - {sample.camera_id}
    ]
    if not unmatched:
        return []
    return [
        "query: images with no match in the gallery, the same person in another "
        f"camera ({len(unmatched)} of {len(query)}): "
        f"{first_few(map(_name, unmatched), _EXAMPLES)}"
    ]


def _shared_identities(splits: dict[str, tuple[Sample, ...]]) -> list[str]:
    test = (*splits.get("query", ()), *splits.get("gallery", ()))
    train = _identities(splits.get("train", ()))
    shared = sorted(train.keys() & _identities(test).keys())
    if not shared:
        return []
    return [
        "identities in train and again in query or gallery, so that the test is not "
        f"one of unseen people ({len(shared)}): {first_few(shared, _EXAMPLES)}"
    ]


def _published_notes(format: str, splits: dict[str, SplitSummary]) -> list[str]:
    """Return a line if the counts are not those published of such a dataset."""
    closest: tuple[str, list[str]] | None = None
    for version, published in _PUBLISHED.get(format, {}).items():
        differences = []
        for split, (images, identities) in zip(SPLITS, published, strict=True):
            if split not in splits:
                continue
            found = splits[split]
            if found.images != images:
                differences.append(f"{split} {found.images:,} images, not {images:,}")
            if identities is not None and found.identities != identities:
                differences.append(
                    f"{split} {found.identities:,} identities, not {identities:,}"
                )
        if closest is None or len(differences) < len(closest[1]):
            closest = (f"{format} {version}".rstrip(), differences)
    if closest is None or not closest[1]:
        return []
    return [
        f"counts are not those published for {closest[0]} (in order for a part of it, "
        f"or for a dataset that only has its form): {'; '.join(closest[1])}"
    ]


def _check_files(
    splits: dict[str, tuple[Sample, ...]], progress: bool
) -> tuple[dict[str, str], list[str], list[str]]:
    """Return what can't be read, problems and notes, from reading every file once."""
    samples = [s for split in SPLITS for s in splits.get(split, ())]
    unreadable: dict[str, str] = {}
    odd: dict[str, list[str]] = defaultdict(list)
    modes: dict[str, list[str]] = defaultdict(list)
    digests = np.zeros((len(samples), 16), np.uint8)
    found = each_image([s.path for s in samples], progress=progress)
    for place, (sample, image) in enumerate(zip(samples, found, strict=True)):
        if isinstance(image, str):
            unreadable[sample.path] = image
            continue
        for kind in image.oddities:
            odd[kind].append(sample.path)
        if image.mode != "RGB":
            modes[image.mode].append(sample.path)
        digests[place] = np.frombuffer(image.digest, np.uint8)
    problems = []
    if unreadable:
        names = (f"{_name(path)} ({why})" for path, why in unreadable.items())
        problems.append(
            f"files that can't be read ({len(unreadable)}): "
            f"{first_few(names, _EXAMPLES)}"
        )
    of_split = [split for split in SPLITS for _ in splits.get(split, ())]
    more, notes = _duplicates(samples, of_split, _same(digests))
    problems += more
    notes += [
        f"images {kind} ({len(paths)}): {first_few(map(_name, paths), _EXAMPLES)}"
        for kind, paths in sorted(odd.items())
    ]
    notes += [
        f"images of mode {mode}, which is read as RGB ({len(paths)}): "
        f"{first_few(map(_name, paths), _EXAMPLES)}"
        for mode, paths in sorted(modes.items())
    ]
    return unreadable, problems, notes


def _same(digests: np.ndarray) -> Iterator[list[int]]:
    """Yield the places, in order, of each digest that is there more than once.

    Args:
        digests: uint8 (N, 16); zeros are of files that can't be read.
    """
    values = digests.view("S16")[:, 0]
    order = np.argsort(values, kind="stable")
    ends = np.flatnonzero(np.append(values[order[1:]] != values[order[:-1]], True)) + 1
    starts = np.insert(ends[:-1], 0, 0)
    several = (ends - starts > 1) & (values[order[starts]] != b"")
    groups = [order[a:b] for a, b in zip(starts[several], ends[several], strict=True)]
    for group in sorted(groups, key=lambda group: group[0]):
        yield group.tolist()


def _duplicates(
    samples: Sequence[Sample], of_split: Sequence[str], groups: Iterable[list[int]]
) -> tuple[list[str], list[str]]:
    """Problems and notes of files of the same bytes, in the samples' order."""
    leaked, relabelled, itself = [], defaultdict(list), []
    again: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        files: dict[str, list[Sample]] = defaultdict(list)
        for place in group:
            files[of_split[place]].append(samples[place])
        train, test = files["train"], files["query"] + files["gallery"]
        if train and test:
            leaked.append(_pair(train[0], test[0]))
        for split, some in (("train", train), ("query and gallery", test)):
            others = [sample for sample in some if _label(sample) != _label(some[0])]
            if others:
                relabelled[split].append(_pair(some[0], others[0]))
        in_gallery = {_label(sample): sample for sample in files["gallery"]}
        itself += [
            _pair(sample, in_gallery[_label(sample)])
            for sample in files["query"]
            if _label(sample) in in_gallery
        ]
        for split, some in files.items():
            if len({_label(sample) for sample in some}) < len(some):
                again[split].append(_pair(some[0], some[-1]))
    problems = []
    if leaked:
        problems.append(
            "images in train and, byte for byte, in query or gallery "
            f"({len(leaked)}): {first_few(leaked, _EXAMPLES)}"
        )
    problems += [
        f"images of {split} that are there again, byte for byte, as another person or "
        f"camera ({len(pairs)}): {first_few(pairs, _EXAMPLES)}"
        for split, pairs in relabelled.items()
    ]
    if itself:
        problems.append(
            "query images that are in the gallery too, byte for byte, and are left out "
            f"when that query is evaluated ({len(itself)}): "
            f"{first_few(itself, _EXAMPLES)}"
        )
    notes = [
        f"{split}: images that are there again, byte for byte, as the same person and "
        f"camera ({len(pairs)}): {first_few(pairs, _EXAMPLES)}"
        for split, pairs in again.items()
    ]
    return problems, notes


def _label(sample: Sample) -> tuple[int, int]:
    return sample.person_id, sample.camera_id


def _pair(first: Sample, second: Sample) -> str:
    return f"{_name(first.path)} and {_name(second.path)}"


def _name(path: str) -> str:
    """Folder and file: enough to find it, short enough for a list."""
    return shorten_name("/".join(Path(path).parts[-2:]))
