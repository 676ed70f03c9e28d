"""A config from plain nested values, and as such."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tfipgan.config.messages import config_error
from tfipgan.config.sections import Config
from tfipgan.errors import ConfigError, shorten

_CONFIG = TypeAdapter(Config)


def config_from_dict(
    values: Any, blame: Callable[[tuple], str] = lambda place: ""
) -> Config:
    """Read a config from plain nested values, such as a run's saved ones.

    Values that are left out take their defaults.

    Args:
        values: dict by sections, of dicts by keys.
        blame: gives the words before an error's line, from the names that lead to a
            value, (section, key); of () where several values don't fit together.

    Raises:
        ConfigError: An unknown key or a value that can't be used.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"expected keys and values (a mapping), found {shorten(values)}"
        )
    try:
        return _CONFIG.validate_python(dict(values))
    except ValidationError as error:
        raise config_error(error, Config, "", values, blame) from None


def to_dict(config: Config) -> dict[str, Any]:
    """Return the config as numbers, strings, lists and dicts, as YAML has them."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if value is None:
            return "none"
        return list(value) if isinstance(value, tuple) else value

    return plain(dataclasses.asdict(config))
