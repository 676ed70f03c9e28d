"""Before long work: which images can be read, and which must be converted for it."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import PIL
import platformdirs

from tfipgan.data.filenames import Sample
from tfipgan.data.local_images import READABLE_TYPES, each_image
from tfipgan.errors import InputError, first_few, shorten_name
from tfipgan.files.output_file import atomic_file
from tfipgan.files.threads import map_in_threads

# Where to remember what was looked at, instead of the user's cache folder.
CACHE_VARIABLE = "TFIPGAN_CACHE"
# Fewer are looked at again sooner than a file of them is worth having.
WORTH_REMEMBERING = 1000
# Counted up where a file that is remembered would be judged otherwise. Another Pillow
# may judge otherwise too, or one that has other formats.
_JUDGEMENT = 2
_JUDGE = f"{_JUDGEMENT}, Pillow {PIL.__version__}, {' '.join(READABLE_TYPES)}"
_SHOWN = 3
_THREADS = 8
# Longer than a line of ours: paths have at most 4096 bytes.
_LONGEST_LINE = 2**17
# Of a readable file: its size and time of change, and whether it is odd.
_Known = tuple[int, int, bool]

logger = logging.getLogger(__name__)


def check_readable(
    samples: Iterable[Sample], *, skip: bool = False, progress: bool = False
) -> tuple[list[Sample], dict[str, str]]:
    """Decode every image, in parallel, before long work begins.

    Files that were found readable are remembered by path, size and time of change, so
    that the next start on the same dataset only looks at what is new.

    Args:
        samples: any number, in any order.
        skip: leave out what can't be read, with a line in the log; else it is an error.
        progress: whether to show a progress bar on stderr if it takes a while.

    Returns:
        The samples to use, `needs_conversion` set where the pipelines must convert the
        file; and for
        the paths of those left out, in order, why they can't be read.

    Raises:
        InputError: some can't be read, and not `skip`; or all of them.
    """
    samples = list(samples)
    paths = list(dict.fromkeys(sample.path for sample in samples))
    odd, left_out = _look(paths, progress)
    if left_out and (not skip or len(left_out) == len(paths)):
        others = ", or leave them out by --skip-unreadable where a command has it"
        raise InputError(
            f"{_listed(left_out, len(paths))}; mend or remove them (`tfipgan inspect` "
            f"lists them all){others if len(left_out) < len(paths) else ''}"
        )
    if left_out:
        logger.warning("left out %s", _listed(left_out, len(paths)))
    kept = [
        replace(sample, needs_conversion=odd[sample.path])
        if odd[sample.path]
        else sample
        for sample in samples
        if sample.path in odd
    ]
    return kept, left_out


def _listed(unreadable: Mapping[str, str], count: int) -> str:
    reasons = (f"{shorten_name(path)} ({why})" for path, why in unreadable.items())
    return (
        f"images that can't be read ({len(unreadable):,} of {count:,}): "
        f"{first_few(reasons, _SHOWN)}"
    )


def _look(
    paths: Sequence[str], progress: bool
) -> tuple[dict[str, bool], dict[str, str]]:
    """Return of each readable file whether it is odd, and of each other why not."""
    memory = _memory(paths) if len(paths) >= WORTH_REMEMBERING else None
    known = _remembered(memory, paths) if memory else {}
    unknown = [path for path in paths if path not in known]
    broken = {}
    for path, found in zip(
        unknown, each_image(unknown, progress=progress), strict=True
    ):
        if isinstance(found, str):
            broken[path] = found
        else:
            known[path] = found.size, found.mtime_ns, not found.plain
    if memory and len(broken) < len(unknown):
        _remember(memory, known)
    return {path: odd for path, (_, _, odd) in known.items()}, broken


def _memory(paths: Sequence[str]) -> Path:
    """Return the file for what is known of this dataset: one for each folder."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in paths}
    name = hashlib.blake2b(os.fsencode(os.path.commonpath(folders)), digest_size=16)
    cache = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("tfipgan")
    return Path(cache, "readable", f"{name.hexdigest()}.jsonl")


def _remembered(memory: Path, paths: Sequence[str]) -> dict[str, _Known]:
    """Return what is known of the files that have not changed since."""
    wanted = {os.path.abspath(path): path for path in paths}
    known: dict[str, _Known] = {}
    try:
        with open(memory, "rb") as file:
            if json.loads(file.readline(_LONGEST_LINE)) != _JUDGE:
                return {}
            while line := file.readline(_LONGEST_LINE):
                match json.loads(line):
                    case [str(name), int(size), int(time), bool(odd)]:
                        if name in wanted:
                            known[wanted[name]] = size, time, odd
                    case _:
                        return {}
    except (OSError, ValueError, RecursionError):
        return {}

    def changed(path: str) -> bool:
        try:
            about = os.stat(path)
        except OSError:
            return True
        return (about.st_size, about.st_mtime_ns) != known[path][:2]

    known_paths = list(known)
    # A network's disk takes its time.
    for path, is_other in zip(
        known_paths, map_in_threads(changed, known_paths, _THREADS), strict=True
    ):
        if is_other:
            del known[path]
    return known


def _remember(memory: Path, known: Mapping[str, _Known]) -> None:
    try:
        with atomic_file(memory) as temporary, open(temporary, "w") as file:
            file.write(json.dumps(_JUDGE) + "\n")
            for path, about in known.items():
                file.write(json.dumps([os.path.abspath(path), *about]) + "\n")
    except OSError as error:
        logger.debug("%s can't be written: %s", memory, error)
