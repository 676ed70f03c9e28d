"""What an image's file name says: the person, and the camera that saw it."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tfipgan.data.image_endings import IMAGE_ENDINGS
from tfipgan.errors import ConfigError, InputError, shorten, shorten_name

JUNK = -1
DISTRACTOR = 0
UNLABELLED = -2
NO_CAMERA = -1

NAMING_FORMATS = ("market1501", "dukemtmc", "msmt17", "cuhk03-np", "pattern")
# What to advise for names of one's own: it reads -1 as junk, not as person 1.
EXAMPLE_GROUPS = {"person": "(?P<person>-1|[0-9]+)", "camera": "(?P<camera>[0-9]+)"}
EXAMPLE_PATTERN = "_c".join(EXAMPLE_GROUPS.values())


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file and its labels.

    Attributes:
        path: the file, as the given folder joined with the name found in it.
        person_id: the number in the name; JUNK (-1), UNLABELLED (-2). Where cameras
            are told apart in the place of people, the camera
            (`tfipgan.data.labels.camera_classes`).
        camera_id: the number in the name, for a translated image the camera whose
            style it has; NO_CAMERA (-1) if the name has none.
        source_camera_id: for a translated image the camera that saw it, else None.
        distractor: True for a background person who is not an identity. It is not
            read off person_id == 0, which is a real person in MSMT17 and in many
            datasets of one's own.
        needs_conversion: whether TensorFlow would decode the file differently from what
            a person sees; `check_readable` sets it.
        dataset: where several are trained on together, which of them, from 0.
    """

    path: str
    person_id: int
    camera_id: int
    source_camera_id: int | None = None
    distractor: bool = False
    needs_conversion: bool = False
    dataset: int = 0


@dataclass(frozen=True, slots=True)
class _Naming:
    regex: re.Pattern[str]
    example: str
    has_distractors: bool


_PERSON = r"(?P<person>\d{1,9})"
_PERSON_OR_JUNK = r"(?P<person>-1|\d{1,9})"
_CAMERA = r"(?P<camera>\d{1,9})"
_NAMINGS = {
    "market1501": _Naming(
        re.compile(rf"{_PERSON_OR_JUNK}_c{_CAMERA}s\d+_\d+_\d+", re.ASCII),
        "0002_c1s1_000451_03.jpg",
        True,
    ),
    "dukemtmc": _Naming(
        re.compile(rf"{_PERSON_OR_JUNK}_c{_CAMERA}_f\d+", re.ASCII),
        "0001_c2_f0046182.jpg",
        True,
    ),
    # The second number counts a person's images; the third is the camera.
    "msmt17": _Naming(
        re.compile(rf"{_PERSON}_\d+_{_CAMERA}_\d+[a-z]+_\w+", re.ASCII),
        "0000_000_01_0303morning_0015_0.jpg",
        False,
    ),
    "cuhk03-np": _Naming(
        re.compile(rf"{_PERSON}_c{_CAMERA}_\d+", re.ASCII),
        "0001_c1_1.png",
        False,
    ),
}
_TRANSLATED = re.compile(r"(?P<base>.+)_to_c(?P<camera>[0-9]{1,18})", re.DOTALL)
# More digits than this don't fit in the int64 of a feature file.
_NUMBER = re.compile(r"[0-9]{1,18}")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compiles a user's pattern for `parse_sample`.

    Args:
        pattern: regular expression with a group `person`, a group `camera`, or both:
            `(?P<person>-1|[0-9]+)_c(?P<camera>[0-9]+)`, which knows -1 for junk.

    Raises:
        ConfigError: not a regular expression, or neither group in it.
    """
    try:
        compiled = re.compile(pattern)
    # Of repetitions and brackets there may be too many for any machine.
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    if not compiled.groupindex.keys() & {"person", "camera"}:
        raise ConfigError(
            f"pattern {pattern!r} has no group named person or camera; expected "
            f"something like {EXAMPLE_PATTERN}"
        )
    return compiled


def expected_names(format: str, pattern: re.Pattern[str] | None = None) -> str:
    """Words for an error message: what a name of this format looks like."""
    if format == "pattern":
        text = pattern.pattern if pattern else ""
        return f"a path in which the pattern {text!r} is found"
    return f"a {format} name like {_NAMINGS[format].example}"


def known_names() -> str:
    """Words for an error message: the formats that are recognised by name."""
    return ", ".join(f"{n.example} ({name})" for name, n in _NAMINGS.items())


def matching_format(relative: str) -> str | None:
    """Return the known format that this path's name has, or None; no name has two."""
    stem = _split(relative)[0].rpartition("/")[2]
    for name, naming in _NAMINGS.items():
        if naming.regex.fullmatch(stem):
            return name
    return None


def parse_sample(
    path: str, relative: str, format: str, pattern: re.Pattern[str] | None = None
) -> Sample | None:
    """Read person and camera from a name.

    `_to_c<K>` before the ending marks an image translated to camera K, in every
    format; it is taken off before the rest is read. A pattern is searched for in
    the whole relative path, the other formats describe the file name only.

    Args:
        path: goes into the sample as it is.
        relative: path below the dataset's folder, with `/`.
        format: one of NAMING_FORMATS.
        pattern: from `compile_pattern`, for format "pattern".

    Returns:
        The sample, or None if the name doesn't match.

    Raises:
        InputError: a group of the pattern holds something other than a number.
    """
    base, ending, translated = _split(relative)
    if format == "pattern":
        match = _search(pattern, base, ending, translated is not None)
    else:
        match = _NAMINGS[format].regex.fullmatch(base.rpartition("/")[2])
    if match is None:
        return None
    groups = match.groupdict()
    person = UNLABELLED
    if "person" in groups:
        person = _number(groups["person"], "person", relative, junk=True)
    camera = NO_CAMERA
    if "camera" in groups:
        camera = _number(groups["camera"], "camera", relative)
    distractor = (
        format != "pattern"
        and _NAMINGS[format].has_distractors
        and person == DISTRACTOR
    )
    if translated is None:
        return Sample(path, person, camera, distractor=distractor)
    return Sample(path, person, translated, camera, distractor)


def find_pattern(relative: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Where `parse_sample` finds a pattern in a path, or None."""
    base, ending, translated = _split(relative)
    return _search(pattern, base, ending, translated is not None)


def translated_name(relative: str, camera: int, ending: str = ".jpg") -> str:
    """Return the name that `parse_sample` reads back as this image in a camera's style.

    `a/0002_c1s1_000451_03.png`, 4 -> `a/0002_c1s1_000451_03_to_c4.jpg`
    """
    return f"{os.path.splitext(relative)[0]}_to_c{camera}{ending}"


def require_own_stems(names: Iterable[str]) -> None:
    """Raise InputError where the translations of two images would share a name."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(os.path.splitext(name)[0], name)
        if other != name:
            raise InputError(
                f"{other} and {name} differ in their ending only, so their "
                "translations would have the same name: rename or remove one"
            )


def _split(relative: str) -> tuple[str, str, int | None]:
    """Path without ending and suffix, the ending, the camera in the suffix."""
    stem, ending = os.path.splitext(relative)
    match = _TRANSLATED.fullmatch(stem)
    if match is None:
        return stem, ending, None
    return match["base"], ending, int(match["camera"])


def _search(
    pattern: re.Pattern[str] | None, base: str, ending: str, translated: bool
) -> re.Match[str] | None:
    if pattern is None:
        raise ConfigError("format pattern needs a pattern (a regular expression)")
    endings = [ending]
    if translated:
        # A pattern may name the ending, and a translated image can have another one
        # than its source.
        endings += IMAGE_ENDINGS
        endings += [known.upper() for known in IMAGE_ENDINGS]
    for candidate in endings:
        match = pattern.search(base + candidate)
        if match:
            return match
    return None


def _number(text: str | None, group: str, relative: str, junk: bool = False) -> int:
    if text is not None and _NUMBER.fullmatch(text):
        return int(text)
    if junk and text == str(JUNK):
        return JUNK
    raise InputError(
        f"{shorten_name(relative)}: the pattern's group {group} holds {shorten(text)}; "
        "expected a number of 1 to 18 digits: let the group match digits only, like "
        f"{EXAMPLE_GROUPS[group]}"
    )
