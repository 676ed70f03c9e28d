"""Before long work: which images can be read, and which must be converted for it."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import PIL
import platformdirs

from tfipgan.brief import brief_name
from tfipgan.data.filenames import Sample
from tfipgan.data.local_images import check_images
from tfipgan.errors import InputError
from tfipgan.output_file import written_aside

# Where to remember what was looked at, instead of the user's cache folder.
CACHE_VARIABLE = "TFIPGAN_CACHE"
# Fewer are looked at again sooner than a file of them is worth having.
WORTH_REMEMBERING = 1000
# Another version of ours or Pillow's may judge otherwise.
_JUDGE = f"1, Pillow {PIL.__version__}"
_SHOWN = 3
_THREADS = 8

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
      The samples to use, `odd` set where the pipelines must convert the file; and for
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
        replace(sample, odd=odd[sample.path]) if odd[sample.path] else sample
        for sample in samples
        if sample.path in odd
    ]
    return kept, left_out


def _listed(unreadable: Mapping[str, str], count: int) -> str:
    names = [f"{brief_name(p)} ({why})" for p, why in list(unreadable.items())[:_SHOWN]]
    more = ", ..." if len(unreadable) > _SHOWN else ""
    return (
        f"images that can't be read ({len(unreadable):,} of {count:,}): "
        f"{', '.join(names)}{more}"
    )


def _look(
    paths: Sequence[str], progress: bool
) -> tuple[dict[str, bool], dict[str, str]]:
    """Return of each readable file whether it is odd, and of each other why not."""
    memory = _memory(paths) if len(paths) >= WORTH_REMEMBERING else None
    known = _remembered(memory, paths) if memory else {}
    unknown = [path for path in paths if path not in known]
    images, broken = check_images(unknown, progress=progress)
    new = [image for image in images if image is not None]
    odd = {path: entry[2] for path, entry in known.items()}
    odd |= {image.path: not image.plain for image in new}
    if memory and new:
        known |= {i.path: [i.size, i.mtime_ns, not i.plain] for i in new}
        _remember(memory, {os.path.abspath(path): e for path, e in known.items()})
    return odd, broken


def _memory(paths: Sequence[str]) -> Path:
    """Return the file for what is known of this dataset: one for each folder."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in paths}
    name = hashlib.blake2b(os.fsencode(os.path.commonpath(folders)), digest_size=16)
    cache = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("tfipgan")
    return Path(cache, "readable", f"{name.hexdigest()}.json")


def _remembered(memory: Path, paths: Sequence[str]) -> dict[str, list]:
    """Return [size, time, odd] of the files that have not changed since."""
    try:
        content = json.loads(memory.read_bytes())
        files = dict(content["files"]) if content["judge"] == _JUDGE else {}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}

    def unchanged(path: str) -> bool:
        match files.get(os.path.abspath(path)):
            case [int(size), int(time), bool()]:
                pass
            case _:
                return False
        try:
            about = os.stat(path)
        except OSError:
            return False
        return (about.st_size, about.st_mtime_ns) == (size, time)

    with ThreadPoolExecutor(_THREADS) as pool:  # a network's disk takes its time
        same = pool.map(unchanged, paths)
        return {
            path: files[os.path.abspath(path)]
            for path, is_same in zip(paths, same, strict=True)
            if is_same
        }


def _remember(memory: Path, files: Mapping[str, list]) -> None:
    content = {"judge": _JUDGE, "files": files}
    try:
        with written_aside(memory) as temporary:
            temporary.write_text(json.dumps(content), encoding="ascii")
    except OSError as error:
        logger.debug("%s can't be written: %s", memory, error)
