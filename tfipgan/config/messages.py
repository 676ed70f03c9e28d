"""What pydantic found wrong in a config, in one line."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, get_args

from pydantic import ValidationError

from tfipgan.errors import ConfigError, shorten, shorten_name

_UNKNOWN = ("unexpected_keyword_argument", "invalid_key")
_NO_SECTION = ("dataclass_type", "dataclass_exact_type")


def config_error(
    error: ValidationError,
    kind: Any,
    section: str,
    values: Mapping[str, Any],
    blame: Callable[[tuple], str] = lambda place: "",
) -> ConfigError:
    """Return what names the key, what was found in it and what was expected.

    Args:
        error: of reading `values` as a `kind`.
        kind: dataclass, of a section or of the whole config.
        section: name of it; "" for the whole config.
        values: by keys, as they were given.
        blame: gives the words before a line, from the names that lead to a value.
    """
    # A key that nobody knows is said first: it may be the one that was meant.
    found = min(error.errors(), key=lambda one: one["type"] not in _UNKNOWN)
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):  # of several values, or of a section's own
        return ConfigError(f"{blame(())}{cause}")
    place = _place(kind, found["loc"])
    name = ".".join(
        shorten_name(part) for part in ((section, *place) if section else place)
    )
    if found["type"] in _UNKNOWN:
        return ConfigError(blame(place) + _unknown(name, kind, section))
    value: Any = values
    for part in place:
        value = value[part]
    if found["type"] in _NO_SECTION:
        expected = "a section of keys"
    else:
        expected = str(cause or "") or _words(_field(kind, place))
    return ConfigError(
        f"{blame(place)}{name}: expected {expected}, found {shorten(value)}"
    )


def _sections(kind: Any) -> dict[str, Any]:
    """Return the dataclasses that are fields of one, by name."""
    fields = kind.__pydantic_fields__
    return {
        name: field.annotation
        for name, field in fields.items()
        if is_dataclass(field.annotation)
    }


def _place(kind: Any, location: tuple) -> tuple:
    """Return the names that lead to a value, without what lies within the value."""
    return location[: 2 if location[0] in _sections(kind) else 1]


def _field(kind: Any, place: tuple) -> Any:
    *above, name = place
    for part in above:
        kind = _sections(kind)[part]
    return kind.__pydantic_fields__[name]


def _words(field: Any) -> str:
    """Return what a field expects; of one without a description, its choices."""
    return field.description or "one of " + ", ".join(
        str(choice) for choice in get_args(field.annotation)
    )


def _unknown(name: str, kind: Any, section: str) -> str:
    sections = _sections(kind) or {section: kind}
    names = {known: list(one.__pydantic_fields__) for known, one in sections.items()}
    top = list(kind.__pydantic_fields__) if not section else []
    everywhere = [*top, *(f"{one}.{key}" for one in names for key in names[one])]
    within, _, key = name.rpartition(".")
    # A key that stands in the wrong section, or in none, is nearer than a look-alike.
    nearest = [known for known in everywhere if known.rpartition(".")[2] == key]
    if not nearest and within in names:
        alike = difflib.get_close_matches(key, names[within], n=1)
        nearest = [f"{within}.{option}" for option in alike]
    elif not nearest:
        nearest = difflib.get_close_matches(name, everywhere, n=1)
    if nearest:
        return f"unknown key {name}; did you mean {nearest[0]}?"
    return f"unknown key {name}; known keys are {', '.join(names.get(within, top))}"
