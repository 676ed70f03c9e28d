"""Plain values of an experiment.yaml, checked; errors name the file and the key."""

from collections.abc import Mapping

from tfipgan.errors import ConfigError, shorten, shorten_name

LARGEST = 10**12


def mapping(values, path, where, keys=None):
    """Return `values` if it is a mapping, of `keys` only; ConfigError otherwise."""
    prefix = f"{path}: {where}: " if where else f"{path}: "
    if not isinstance(values, Mapping):
        raise ConfigError(f"{prefix}expected keys and values, found {shorten(values)}")
    for key in values:
        if keys is not None and key not in keys:
            raise ConfigError(
                f"{prefix}unknown key {shorten_name(key)}; known keys are "
                f"{', '.join(keys)}"
            )
    return values


def require(values, path, where, keys):
    """Raise ConfigError if a mapping lacks one of the keys."""
    for key in keys:
        if key not in values:
            place = f"{where}." if where else ""
            raise ConfigError(f"{path}: {place}{key} is missing")


def text(value, path, where):
    """Return a value if it is text; ConfigError otherwise."""
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {where}: expected text, found {shorten(value)}")
    return value


def name_of(value, path, where):
    """Return a value if it is a printable name; ConfigError otherwise."""
    value = text(value, path, where)
    if not value or not value.isprintable():
        raise ConfigError(f"{path}: {where}: expected a name, found {shorten(value)}")
    return value


def number(value, path, where):
    """Return a value if it is a finite number; ConfigError otherwise."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Not infinite, not NaN, and of so few digits that it can be printed.
    if not number or not -LARGEST < value < LARGEST:
        raise ConfigError(f"{path}: {where}: expected a number, found {shorten(value)}")
    return value
