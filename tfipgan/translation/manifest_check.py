"""Whether a translated folder is as its manifest says."""

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tfipgan.data.filenames import Sample
from tfipgan.data.image_files import image_paths
from tfipgan.data.readable import check_readable
from tfipgan.errors import InputError, shorten_name
from tfipgan.files.partial_output import is_part
from tfipgan.files.threads import map_in_threads
from tfipgan.translation.manifest import NAME, Manifest, file_digest, read_manifest

THREADS = 8
MISSING, CHANGED = "missing", "changed"
_SHOWN = 5


def readable_as_listed(
    folder: str | os.PathLike,
    samples: Sequence[Sample],
    *,
    skip: bool = False,
    contents: bool = False,
    progress: bool = False,
) -> tuple[list[Sample], dict[str, str]]:
    """Decode images as `check_readable`; where translated, see that all are there.

    Where a manifest lies in the folder, or in one below that has some of the samples,
    its names and sizes are compared with the files: a stat of each. A folder without
    one is anyone's own.

    Args:
        folder: that the samples were read from.
        samples: of images below it.
        skip: leave out what can't be read; that is no difference to a manifest then.
        contents: compare the checksums too.
        progress: whether to show progress bars on stderr.

    Returns:
        As `check_readable`.

    Raises:
        InputError: something is missing, extra or changed; a damaged manifest; what an
            unfinished translation has left; images that can't be read.
    """
    manifests = _manifests(Path(folder), samples)
    # Before all is decoded, unless that says what to pass over.
    if not skip:
        _require_as_listed(manifests, (), contents, progress)
    found = check_readable(samples, skip=skip, progress=progress)
    if skip:
        _require_as_listed(manifests, found[1], contents, progress)
    return found


def _manifests(folder: Path, samples: Sequence[Sample]) -> list[Manifest]:
    places = {folder}
    for name in {os.path.dirname(sample.path) for sample in samples}:
        places |= {p for p in (Path(name), *Path(name).parents) if folder in p.parents}
    for place in (*sorted(places), folder.parent):
        if is_part(place):
            raise InputError(
                f"{place} is what an unfinished `tfipgan translate` has made so far: "
                "run the same command again to its end, and use what it makes"
            )
    return [read_manifest(p) for p in sorted(places) if (p / NAME).is_file()]


def _require_as_listed(manifests, unreadable, contents, progress):
    for manifest in manifests:
        differences = check_translated(
            manifest,
            contents=contents,
            unreadable=unreadable,
            progress=progress and contents,
        )
        if differences:
            raise InputError(
                f"{manifest.path.parent} is not as its {NAME} says: "
                f"{'; '.join(differences)}; translate again, or remove {NAME} to use "
                "the folder as it is"
            )


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A file, and what it should be.

    Attributes:
        kind: "images" or "source images".
        name: its path relative to the folder, or to the source's.
        path: the file.
        sha256: its checksum.
        size: of the file in bytes; None if any will do.
    """

    kind: str
    name: str
    path: str
    sha256: str
    size: int | None = None


def check_translated(
    manifest: Manifest,
    sources: Mapping[str, str] | None = None,
    *,
    contents: bool = True,
    unreadable: Collection[str] = (),
    progress: bool = False,
) -> list[str]:
    """Compare the files of a folder, and of its source, with the manifest.

    Other files in the folder than images are no concern of it: the readers of a
    dataset leave them alone.

    Args:
        manifest: of the folder that it lies in.
        sources: path of each source image by its relative path; None checks none.
        contents: whether to compare checksums; else sizes, where the manifest has them.
        unreadable: paths of images that may be anything but missing.
        progress: whether to show a progress bar on stderr.

    Returns:
        A line for each kind of difference, with the first few names and how many.

    Raises:
        InputError: the manifest is damaged.
    """
    found = _Differences()
    folder = manifest.path.parent
    checks: list[FileCheck] = []
    listed: set[str] = set()
    translated = set(manifest.left_out)
    for line in manifest.images():
        if line.image in listed:
            raise InputError(
                f"{manifest.path} has {shorten_name(line.image)} twice: it is "
                "damaged, translate again"
            )
        listed.add(line.image)
        path = str(folder / line.image)
        checks.append(FileCheck("images", line.image, path, line.sha256, line.size))
        if sources is None or line.source in translated:
            continue
        translated.add(line.source)
        source = sources.get(line.source)
        if source is None:
            found.add("source images missing", line.source)
        else:
            sha256 = line.source_sha256
            checks.append(FileCheck("source images", line.source, source, sha256))
    bar = tqdm(total=len(listed), desc="verify", unit="image", disable=not progress)
    with bar:
        compare = _difference if contents else _difference_in_size
        differences = map_in_threads(compare, checks, THREADS)
        for check, difference in zip(checks, differences, strict=True):
            if difference == MISSING or difference and check.path not in unreadable:
                found.add(f"{check.kind} {difference}", check.name)
            bar.update(check.kind == "images")
    for name in image_paths(folder, recursive=True):
        if name not in listed and str(folder / name) not in unreadable:
            found.add("images that the manifest lacks", name)
    for name in sources or ():
        if name not in translated:
            found.add("source images that are not translated", name)
    return found.lines()


class _Differences:
    def __init__(self):
        self._names: dict[str, list[str]] = {}

    def add(self, what: str, name: str) -> None:
        self._names.setdefault(what, []).append(name)

    def lines(self) -> list[str]:
        return [
            f"{what} ({len(names):,}): {', '.join(map(shorten_name, names[:_SHOWN]))}"
            + (", ..." if len(names) > _SHOWN else "")
            for what, names in self._names.items()
        ]


def _difference(check: FileCheck) -> str:
    """Return what is wrong with a file, or nothing."""
    try:
        return "" if file_digest(check.path) == check.sha256 else CHANGED
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _difference_in_size(check: FileCheck) -> str:
    """As `_difference`, by one look at the file and none into it."""
    try:
        about = os.stat(check.path)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as error:
        return f"unreadable: {error.strerror}"
    same = stat.S_ISREG(about.st_mode) and check.size in (None, about.st_size)
    return "" if same else CHANGED
