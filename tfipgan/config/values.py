"""A config from plain nested values, and as such.

Unknown keys are errors that name the nearest known one.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from tfipgan.config.fields import read_value
from tfipgan.config.sections import SECTIONS, SEED, Config
from tfipgan.errors import ConfigError, shorten, shorten_name


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Read a config from plain nested values, such as a run's saved ones.

    Values that are left out take their defaults.

    Raises:
        ConfigError: An unknown key or a value that can't be used.
    """
    checked = check_values(values)
    sections = {name: cls(**checked.get(name, {})) for name, cls in SECTIONS.items()}
    return Config(seed=checked.get("seed", SEED.default), **sections)


def to_dict(config: Config) -> dict[str, Any]:
    """Give the config as plain numbers, strings, lists and dicts, as YAML holds them"""

    def plain(value: Any) -> Any:
        if value is None:
            return "none"
        return list(value) if isinstance(value, tuple) else value

    sections = {
        name: {
            option.name: plain(getattr(getattr(config, name), option.name))
            for option in dataclasses.fields(section)
        }
        for name, section in SECTIONS.items()
    }
    return {"seed": config.seed, **sections}


def check_values(values: Any) -> dict[str, Any]:
    """Read every value given, each on its own; what fits together is checked later."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"expected keys and values (a mapping), found {shorten(values)}"
        )
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key == "seed":
            checked[key] = read_value("seed", SEED, value)
        elif key in SECTIONS:
            checked[key] = _check_section(key, value)
        else:
            raise _unknown(shorten_name(key))
    return checked


def _check_section(name: str, values: Any) -> dict[str, Any]:
    if values is None:  # a section whose lines are all commented out
        return {}
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{name}: expected a section of keys, found {shorten(values)}"
        )
    options = {option.name: option for option in dataclasses.fields(SECTIONS[name])}
    for key in values:
        if key not in options:
            raise _unknown(f"{name}.{shorten_name(key)}")
    return {
        key: read_value(f"{name}.{key}", options[key], value)
        for key, value in values.items()
    }


def _unknown(name: str) -> ConfigError:
    section, _, key = name.rpartition(".")
    names = {
        known: [option.name for option in dataclasses.fields(cls)]
        for known, cls in SECTIONS.items()
    }
    everywhere = ["seed", *SECTIONS]
    everywhere += [f"{known}.{option}" for known in names for option in names[known]]
    # A key that stands in the wrong section, or in none, is nearer than a look-alike.
    nearest = [known for known in everywhere if known.rpartition(".")[2] == key]
    if not nearest and section in names:
        alike = difflib.get_close_matches(key, names[section], n=1)
        nearest = [f"{section}.{option}" for option in alike]
    elif not nearest:
        nearest = difflib.get_close_matches(name, everywhere, n=1)
    if nearest:
        return ConfigError(f"unknown key {name}; did you mean {nearest[0]}?")
    known_keys = ", ".join(names.get(section, ["seed", *SECTIONS]))
    return ConfigError(f"unknown key {name}; known keys are {known_keys}")
