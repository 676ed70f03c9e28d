"""The manifest of a translated folder: what each image was made of, and its checksum.

A file of JSON lines, which grows with the work and is read without holding it in
memory. Its first line is the header; a line for each source image that was left out
follows, and one for each image:

{"manifest": 2, "tfipgan": .., "model": {"run": .., "step": .., "generator": SHA-256},
 "source": .., "image_size": [height, width], "format": .., "quality": ..,
 "cameras": [..], "images": .., "left_out": ..}
{"left_out": "a.jpg", "why": ..}
{"image": "b_to_c4.jpg", "source": "b.jpg", "source_sha256": .., "camera": 4,
 "sha256": .., "size": ..}

Version 1 had no sizes, and is read as well. Paths are relative to the folder, and to
the source's. JSON's escapes keep any name in a line, bytes that are no UTF-8 as
Python's lone surrogates.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from tfipgan.errors import InputError

NAME = "manifest.jsonl"
VERSION, READ = 2, (1, 2)
# Longer than any line of ours, whose paths have at most 4096 bytes.
_LONGEST_LINE = 2**17
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TranslatedImage:
    """A line of the manifest.

    Attributes:
        image: path of the file, relative to the folder.
        source: path of the source image, relative to the source's folder.
        source_sha256: checksum of the source image.
        camera: the target's number of the camera whose style it has.
        sha256: checksum of the file.
        size: of the file in bytes; None in a manifest of version 1.
    """

    image: str
    source: str
    source_sha256: str
    camera: int
    sha256: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose lines are read as they are needed.

    Attributes:
        path: of the file.
        header: its first line, with `images` and `left_out` as numbers.
        left_out: why a source image was left out, by its relative path.
    """

    path: Path
    header: dict
    left_out: dict[str, str]

    def images(self) -> Iterator[TranslatedImage]:
        """Yield the lines of the images; InputError at one that is none."""
        before = 1 + len(self.left_out)
        count = 0
        with open(self.path, "rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if number <= before:
                    continue
                try:
                    yield parse_line(line)
                except InputError as error:
                    raise InputError(f"{self.path}, line {number}: {error}") from None
                count += 1
        if count != self.header["images"]:
            raise InputError(
                f"{self.path} has {count} images and its header says "
                f"{self.header['images']}: it is damaged, translate again"
            )


def format_line(image: TranslatedImage) -> str:
    """Return the line of an image."""
    fields = asdict(image)
    if image.size is None:
        del fields["size"]
    return json.dumps(fields) + "\n"


def parse_line(line: bytes) -> TranslatedImage:
    """Read what `format_line` wrote.

    Raises:
        InputError: it is something else, or a path that leads out of its folder.
    """
    try:
        content = _parsed(line)
        image = TranslatedImage(**content)
        if (
            line.endswith(b"\n")
            and _stays_inside(image.image)
            and _stays_inside(image.source)
            and _SHA256.fullmatch(image.sha256)
            and _SHA256.fullmatch(image.source_sha256)
            and type(image.camera) is int
            and (image.size is None or type(image.size) is int and image.size >= 0)
        ):
            return image
    except (ValueError, TypeError):
        pass
    raise InputError(
        f"{line[:60]!r} is damaged; expected an image with its source, camera and "
        "checksums"
    )


def write_manifest(
    path: Path,
    header: Mapping,
    left_out: Mapping[str, str],
    images: Iterable[Path],
) -> None:
    """Write a manifest.

    Args:
        path: of the new file.
        header: of it; the version and the number left out are added.
        left_out: why a source image was left out, by its relative path.
        images: files with the lines of the images.
    """
    header = {"manifest": VERSION, **header, "left_out": len(left_out)}
    with open(path, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for name, why in sorted(left_out.items()):
            line = json.dumps({"left_out": name, "why": why})
            file.write(line.encode() + b"\n")
        for some in images:
            with open(some, "rb") as lines:
                shutil.copyfileobj(lines, file)


def read_manifest(folder: str | os.PathLike) -> Manifest:
    """Read the manifest of a translated folder, up to its images.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        raise InputError(
            f"{folder} has no {NAME}; expected a folder that `tfipgan translate` made"
        )
    try:
        with open(path, "rb") as file:
            lines = _lines(file)
            header = _parsed(next(lines, b""))
            if header["manifest"] not in READ:
                raise InputError(
                    f"{path} is of version {header['manifest']!r}, expected "
                    f"{' or '.join(map(str, READ))}: check it with the tfipgan that "
                    "made it"
                )
            rest = [_parsed(line) for line in islice(lines, header["left_out"])]
            left_out = {entry["left_out"]: entry["why"] for entry in rest}
            model, images = header["model"], header["images"]
            if (
                len(left_out) == header["left_out"]
                and isinstance(model, dict)
                and type(images) is int
            ):
                return Manifest(path, header, left_out)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(_damaged(path)) from error
    raise InputError(_damaged(path))


def file_digest(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(path):
    return (
        f"{path} is damaged: its first lines are no header that says what is in it; "
        "translate again"
    )


def _lines(file):
    """Yield the lines of a file, none of them longer than ours can be."""
    while line := file.readline(_LONGEST_LINE):
        yield line


def _parsed(line):
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError(f"{line[:60]!r} is no JSON object")
    return content


def _stays_inside(name):
    """Whether a relative path can't lead out of the folder that it is joined to."""
    os.fsencode(name)  # a ValueError if no file can have the name
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts
    return bool(path.parts) and not outside and "\0" not in name
