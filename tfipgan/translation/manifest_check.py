"""Whether a translated folder is as its manifest says."""

from collections.abc import Iterator, Mapping
from itertools import tee
from pathlib import Path

from tqdm import tqdm

from tfipgan.data.image_files import image_paths
from tfipgan.errors import InputError, shorten_name
from tfipgan.files.threads import map_in_threads
from tfipgan.translation.manifest import Manifest, file_digest

THREADS = 8
_SHOWN = 5


def check_translated(
    manifest: Manifest,
    sources: Mapping[str, str] | None = None,
    *,
    progress: bool = False,
) -> list[str]:
    """Compare the files of a folder, and of its source, with the manifest.

    Other files in the folder than images are no concern of it: the readers of a
    dataset leave them alone.

    Args:
        manifest: of the folder that it lies in.
        sources: path of each source image by its relative path; None checks none.
        progress: whether to show a progress bar on stderr.

    Returns:
        A line for each kind of difference, with the first few names and how many.

    Raises:
        InputError: the manifest is damaged.
    """
    found = _Differences()
    folder = manifest.path.parent
    listed: set[str] = set()
    translated = set(manifest.left_out)

    def files() -> Iterator[tuple[str, str, Path | str, str]]:
        """Yield what kind of file, its name, its path and its checksum."""
        for line in manifest.images():
            if line.image in listed:
                raise InputError(
                    f"{manifest.path} has {shorten_name(line.image)} twice: it is "
                    "damaged, translate again"
                )
            listed.add(line.image)
            yield "images", line.image, folder / line.image, line.sha256
            if sources is not None and line.source not in translated:
                translated.add(line.source)
                path = sources.get(line.source)
                if path is None:
                    found.add("source images missing", line.source)
                else:
                    yield "source images", line.source, path, line.source_sha256

    expected = manifest.header["images"]
    bar = tqdm(total=expected, desc="verify", unit="image", disable=not progress)
    with bar:
        these, checked = tee(files())
        for (kind, name, _, _), amiss in zip(
            these, map_in_threads(_amiss, checked, THREADS), strict=True
        ):
            if amiss:
                found.add(f"{kind} {amiss}", name)
            bar.update(kind == "images")
    for name in image_paths(folder, recursive=True):
        if name not in listed:
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


def _amiss(file) -> str:
    """Return what is wrong with a file, or nothing."""
    _, _, path, expected = file
    try:
        return "" if file_digest(path) == expected else "changed"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
