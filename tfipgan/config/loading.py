"""Config files: YAML with one `base:` key, overrides, and what a run keeps.

A config file holds the sections of `Config` and the number `seed`; what it leaves out
comes from the file named by its `base:` key (a path relative to the file, or a packaged
config's name), and at the end from the defaults.
"""

import difflib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from tfipgan.config.sections import Config
from tfipgan.config.values import config_from_dict, to_dict
from tfipgan.config.yaml_files import dump_yaml, parse_yaml, read_yaml
from tfipgan.errors import ConfigError, shorten, shorten_name
from tfipgan.files.output_file import atomic_file

# So many files can stand on each other.
MOST_BASES = 20
# Words to blame for a value, and values.
_Layer = tuple[str, dict[str, Any]]
_SECTIONS = [name for name, one in to_dict(Config()).items() if isinstance(one, dict)]
EXPERIMENT_FILE = "experiment.yaml"


def packaged_configs() -> tuple[str, ...]:
    """Names of the configs that come with the package, such as `synthetic/ipgan`."""
    root = packaged_folder()
    names = (
        path.relative_to(root).with_suffix("")
        for path in root.rglob("*.yaml")
        # That one says what `tfipgan reproduce` runs of its folder.
        if path.name != EXPERIMENT_FILE
    )
    return tuple(sorted(name.as_posix() for name in names))


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file, its bases and the overrides.

    Args:
        path: A YAML file, or a packaged config's name such as `synthetic/ipgan` or
            `market_to_duke/ipgan.yaml`. A file goes before a packaged name.
        overrides: `section.key=value` (or `seed=value`) with the value in YAML, such as
            `gan.batch_size=8` or `reid.image_size=[128, 64]`. A later one wins.

    Raises:
        ConfigError: A missing or unreadable file, bases in a circle, an unknown key, a
            value that can't be used; the message names the file or the override.
    """
    source = _find(str(path), near=None)
    layers = _read_file(source, ())
    layers += [
        (f"--set {shorten_name(override)}: ", _read_override(override))
        for override in overrides
    ]
    values, givers = _merge(layers)
    return config_from_dict(values, lambda place: givers.get(place, f"{source}: "))


def load_saved_config(path: str | Path) -> Config:
    """Read what `save_config` wrote. It stands on no other file: `base:` is refused.

    Raises:
        ConfigError: No file, or another key or value in it than a config's; the message
            names the file.
        OSError: It can't be read.
    """
    if not Path(path).is_file():
        raise ConfigError(f"{path} not found; expected a run folder's config")
    values = read_yaml(Path(path))
    try:
        return config_from_dict({} if values is None else values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def save_config(config: Config, path: str | Path) -> None:
    """Write the whole config as YAML, aside and renamed, for `load_saved_config`."""
    with atomic_file(path) as temporary:
        temporary.write_text(dump_yaml(to_dict(config)), encoding="utf-8")


def packaged_folder() -> Path:
    """Give the folder of the configs that come with the package."""
    return Path(str(files("tfipgan.configs")))


def _find(name: str, near: Path | None) -> Path:
    """Return the file of this name: relative to the file `near`, or packaged."""
    place = Path(name) if near is None else near.parent / name
    packaged = packaged_folder() / name
    for candidate in (place, packaged, packaged.parent / f"{packaged.name}.yaml"):
        if candidate.is_file():
            return candidate
    shown = shorten_name(name)
    if place.is_dir():
        problem = f"config {shown} is a folder, expected a YAML file"
    else:
        problem = f"config {shown} not found, expected a YAML file or a packaged name"
    known = packaged_configs()
    nearest = difflib.get_close_matches(name.removesuffix(".yaml"), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"for example {known[-1]}"
    where = "" if near is None else f"{near}: base: "
    raise ConfigError(f"{where}{problem}; {hint}")


def _read_file(path: Path, above: tuple[Path, ...]) -> list[_Layer]:
    """Return the values of a file's bases, then its own, each with its place."""
    chain = (*above, path)
    if path.resolve() in [p.resolve() for p in above]:
        raise ConfigError(
            f"{chain[0]}: the base: keys run in a circle, "
            + " -> ".join(str(p) for p in chain)
        )
    if len(above) > MOST_BASES:
        raise ConfigError(f"{chain[0]}: more than {MOST_BASES} files by base: keys")
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected keys and values (a mapping), found {shorten(values)}"
        )
    base = values.pop("base", None)
    if base is not None and not isinstance(base, str):
        raise ConfigError(
            f"{path}: base: expected one file's path, found {shorten(base)}"
        )
    below = [] if base is None else _read_file(_find(base, near=path), chain)
    return [*below, (f"{path}: ", values)]


def _read_override(override: str) -> dict[str, Any]:
    name, equals, text = override.partition("=")
    name, shown = name.strip(), shorten_name(override)
    if not equals or not name:
        raise ConfigError(
            f"--set {shown}: expected section.key=value, for example gan.batch_size=8"
        )
    value = parse_yaml(text, f"--set {shown}")
    section, dot, key = name.partition(".")
    # A section that doesn't exist is reported with the key, to find the nearest.
    if dot and section not in _SECTIONS:
        return {name: value}
    return {section: {key: value}} if dot else {section: value}


def _merge(layers: list[_Layer]) -> tuple[dict[str, Any], dict[tuple, str]]:
    """Merge the layers, later values first; return them, and who gave each."""
    values: dict[str, Any] = {}
    givers: dict[tuple, str] = {}
    for giver, layer in layers:
        for section, given in layer.items():
            below = values.get(section, {})
            if given is None and section in _SECTIONS:
                continue  # its lines are all commented out
            if isinstance(given, dict):
                if not isinstance(below, dict):
                    continue  # what is wrong below is not hidden
                givers.update({(section, key): giver for key in given})
                given = {**below, **given}
            values[section] = given
            givers[(section,)] = giver
    return values, givers
