"""Where a dataset's splits are, and in which format its names are."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from re import Pattern

from tfipgan.config.yaml_files import read_yaml
from tfipgan.data.doubts import passed_over
from tfipgan.data.filenames import (
    NAMING_FORMATS,
    compile_pattern,
    known_names,
    matching_format,
)
from tfipgan.data.image_endings import endings
from tfipgan.data.image_files import image_files, image_paths
from tfipgan.errors import ConfigError, InputError, shorten, shorten_name

SPLITS = ("train", "query", "gallery")
SETTINGS_FILE = "dataset.yaml"
# Words for error messages.
SKIP = "or leave them out by --skip-unreadable where a command has it"

_FOLDERS = {
    "train": ("bounding_box_train", "train_all", "train"),
    "query": ("query",),
    "gallery": ("bounding_box_test", "gallery"),
}
LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}
_LIST_FOLDERS = {
    "train": ("train", "mask_train_v2"),
    "query": ("test", "mask_test_v2"),
    "gallery": ("test", "mask_test_v2"),
}


@dataclass(frozen=True)
class Layout:
    """Where a dataset's splits are, and how its names are read.

    Attributes:
        folders: the folder of each split that is there.
        listed: True if MSMT17's list files say which images a split has.
    """

    root: Path
    format: str
    pattern: Pattern[str] | None
    folders: dict[str, Path]
    listed: bool = False


def find_layout(
    root: str | os.PathLike[str],
    *,
    format: str = "auto",
    pattern: str | None = None,
    splits: Sequence[str] = SPLITS,
    flat: bool = False,
    skip: bool = False,
) -> Layout:
    """Find a dataset's split folders and its format; see `read_dataset`.

    Args:
        root, format, pattern: as for `read_dataset`.
        splits: the format is recognised from the names of the first of these that has
            images. They need not all be there: `read_split` says which is not.
        flat: a folder without split folders is a train split.
        skip: the format is that of most names, if some have none.

    Raises:
        InputError, ConfigError: as for `read_dataset`.
    """
    root = existing_folder(root)
    settings = _settings(root)
    format, compiled = _naming(format, pattern, settings)
    if format in ("auto", "msmt17") and _has_lists(root):
        return Layout(root, "msmt17", None, _list_folders(root), listed=True)
    folders = _split_folders(root, settings)
    if not folders:
        _raise_if_nested(root)
        if not flat:
            raise InputError(f"{root}: no split folders found; {_expected_folders()}")
        folders = {"train": root}
    if format == "auto":
        format = _format_of(root, folders, [s for s in SPLITS if s in splits], skip)
    return Layout(root, format, compiled, folders)


def image_folders(root: str | os.PathLike[str]) -> list[Path]:
    """Return the folders with a dataset's images: its splits', or the root itself.

    Raises:
        InputError: the root is missing or a file, or its dataset.yaml is damaged.
    """
    root = existing_folder(root)
    found = _split_folders(root, _settings(root)), _list_folders(root)
    return [folder for folders in found for folder in folders.values()] or [root]


def looks_like_dataset(root: Path) -> bool:
    """Whether a dataset.yaml, list files or two split folders say that it is one."""
    return (
        (root / SETTINGS_FILE).is_file()
        or _has_lists(root)
        or len(_split_folders(root, {})) >= 2
    )


def find_naming(
    folder: Path, *, format: str = "auto", pattern: str | None = None
) -> tuple[str, Pattern[str] | None]:
    """How the names in a folder of images are read, which need not be a dataset.

    What the arguments leave open is taken from the folder's `dataset.yaml`, or from
    the one beside the folder, if this folder is a split of that dataset.

    Returns:
        Format ("auto" if nothing says more) and, for "pattern", the compiled pattern.
    """
    settings = _settings(folder)
    if not settings and format == "auto" and pattern is None:
        folder = folder.absolute()
        beside = _settings(folder.parent)
        if beside and folder in _split_folders(folder.parent, beside).values():
            settings = beside
    return _naming(format, pattern, settings)


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder as a Path; InputError if it is missing or a file."""
    folder = Path(folder)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(f"{folder} is a file; expected a folder of images")
    raise InputError(f"{folder} does not exist; expected a folder of images")


def missing_split(root: Path, split: str) -> str:
    """Words for an error message."""
    return f"{root}: no folder for split {split}; {_expected_folders()}"


def recognise(names: Sequence[str], folder: Path, skip: bool = False) -> str:
    """Return the format of all names, or with `skip` of most; InputError if none."""
    votes = Counter(matching_format(name) for name in names)
    known = [name for name in votes if name]
    if known and len(votes) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"{folder}: format not recognised from names like "
            f"{shorten_name(names[0])}; known are {known_names()}; for other names "
            f"give a pattern (--pattern or {SETTINGS_FILE})"
        )
    best = max(known, key=lambda name: votes[name])
    if skip and len(known) == 1 and 2 * votes[best] > len(names):
        return best
    other = next(name for name in names if matching_format(name) != best)
    raise InputError(
        f"{folder}: {votes[best]} of {len(names)} names are of format {best}, but not "
        f"{shorten_name(other)}; remove what doesn't belong there, give a format or a "
        f"pattern, {SKIP}"
    )


def _format_of(
    root: Path, folders: dict[str, Path], splits: Sequence[str], skip: bool
) -> str:
    """Return the format of the first split that has images."""
    existing = [split for split in splits if split in folders]
    if not existing:
        raise InputError(missing_split(root, splits[0]))
    for split in existing:
        folder = folders[split]
        # A known dataset's split folder holds its images themselves, but MSMT17's a
        # folder per person.
        names = list(image_paths(folder, False)) or list(image_paths(folder, True))
        if names:
            return recognise(names, folder, skip)
    folder = folders[existing[0]]
    raise InputError(
        f"{folder}: no images found for split {existing[0]}; expected {endings()}"
        + "".join(f"; {line}" for line in passed_over(image_files(folder, True)))
    )


def _settings(root: Path) -> dict[str, str]:
    """Return the content of the folder's dataset.yaml, {} if it has none."""
    path = root / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        content = read_yaml(path)
    except ConfigError as error:
        raise InputError(str(error)) from None
    known = ("format", "pattern", *SPLITS)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys out of {', '.join(known)}")
    for key, value in content.items():
        if key not in known:
            raise InputError(
                f"{path}: unknown key {shorten(key)}; expected some of "
                f"{', '.join(known)}"
            )
        if not isinstance(value, str) or not value:
            raise InputError(f"{path}: {key} is {shorten(value)}; expected a text")
        if key == "format" and value not in ("auto", *NAMING_FORMATS):
            raise InputError(
                f"{path}: format {shorten(value)} is not known; expected auto, "
                f"{', '.join(NAMING_FORMATS)}"
            )
        outside = PurePosixPath(value).is_absolute() or ".." in value.split("/")
        if key in SPLITS and outside:
            raise InputError(
                f"{path}: {key} is {shorten(value)}; expected a folder inside the "
                "dataset"
            )
    own_format = content.get("format", "auto") not in ("auto", "pattern")
    if "pattern" in content and own_format:
        raise InputError(
            f"{path}: a pattern with format {content['format']}, which has its own; "
            "leave one of the two out"
        )
    return content


def _naming(
    format: str, pattern: str | None, settings: dict[str, str]
) -> tuple[str, Pattern[str] | None]:
    """Return the format ("auto" stays) and the compiled pattern of format "pattern"."""
    if format == "auto" and pattern is None:
        format = settings.get("format", "auto")
    if pattern is None and format in ("auto", "pattern"):
        pattern = settings.get("pattern")
    if format not in ("auto", *NAMING_FORMATS):
        raise ConfigError(
            f"format {format!r} is not known; expected auto, "
            f"{', '.join(NAMING_FORMATS)}"
        )
    if pattern is None:
        if format == "pattern":
            raise ConfigError(
                "format pattern needs a pattern: --pattern or a dataset.yaml with the "
                "key pattern"
            )
        return format, None
    if format not in ("auto", "pattern"):
        raise ConfigError(
            f"a pattern was given for format {format}, which has its own; leave one "
            "of the two out"
        )
    return "pattern", compile_pattern(pattern)


def _split_folders(root: Path, settings: dict[str, str]) -> dict[str, Path]:
    """Return the folders of the splits that are there."""
    folders = {}
    for split, candidates in _FOLDERS.items():
        if split in settings:
            candidates = (settings[split],)
        for name in candidates:
            if (root / name).is_dir():
                folders[split] = root / name
                break
        else:
            if split in settings:
                raise InputError(
                    f"{root / SETTINGS_FILE}: {split} is {settings[split]!r}, and "
                    f"{root} has no such folder"
                )
    return folders


def _has_lists(root: Path) -> bool:
    return any((root / name).is_file() for names in LISTS.values() for name in names)


def _list_folders(root: Path) -> dict[str, Path]:
    folders = {}
    for split, candidates in _LIST_FOLDERS.items():
        if not any((root / name).is_file() for name in LISTS[split]):
            continue
        found = [root / name for name in candidates if (root / name).is_dir()]
        if not found:
            raise InputError(
                f"{root / LISTS[split][0]} is there, but not its images; expected a "
                f"folder {' or '.join(candidates)} in {root}"
            )
        folders[split] = found[0]
    return folders


def _raise_if_nested(root: Path) -> None:
    """Says which subfolder is the dataset, if one is: CUHK03-NP has two of them."""
    inside = []
    for child in sorted(root.iterdir()):
        # One that this user may not look into, such as lost+found, is none to give.
        with suppress(PermissionError):
            if child.is_dir() and not child.name.startswith("."):
                if _has_lists(child) or len(_split_folders(child, {})) >= 2:
                    inside.append(str(child))
    if inside:
        raise InputError(
            f"{root} holds no split folders itself, but a dataset in "
            f"{' and in '.join(inside)}; give that folder"
        )


def _expected_folders() -> str:
    return (
        "expected bounding_box_train, query and bounding_box_test, or train_all or "
        f"train, query and gallery, or MSMT17's list files, or a {SETTINGS_FILE} that "
        "names folders"
    )
