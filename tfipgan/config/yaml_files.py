"""YAML as the config files use it: safe, strict about keys, and numbers are decimal.

PyYAML reads YAML 1.1, where 010 is 8, 1:30 is 90 and 1e-4 is text. Here 010 is 10, as
in YAML 1.2, 0x1F, 0o17 and 0b11 are what they say, and 1_000 is 1000. 1:30 and dates
are text, which no number's field takes. yes, no, on and off are switches, as in 1.1.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from tfipgan.errors import ConfigError, shorten_name

# Far more than a config needs, and little enough to be read in a second.
LARGEST_BYTES = 2**16


def read_yaml(path: Path) -> Any:
    """Give the plain values in a file.

    Raises:
        ConfigError: It isn't YAML in UTF-8, or larger than 64 KiB.
        OSError: It can't be read.
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ConfigError(f"{path}: expected YAML of at most {LARGEST_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected a YAML file in UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Give the plain values in `text`; `name` stands before an error's message.

    Raises:
        ConfigError: The text isn't YAML, or gives a key twice.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}: "
        problem = place + " ".join(str(problem).split())
    except RecursionError:
        problem = "too many brackets inside each other"
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # A value that its own tag doesn't fit, such as `!!int x` or 2020-13-32.
        problem = " ".join(str(error).split())
    raise ConfigError(f"{name}: can't be read as YAML: {problem[:200]}")


def dump_yaml(values: Any) -> str:
    """Give the text that `parse_yaml` reads as these plain values."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with decimal numbers, which refuses a key given twice.

    And merge keys: with anchors they make gigabytes of a few lines.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = key_node.value if isinstance(key_node.value, str) else None
            if key in seen:
                raise _problem(f"the key {shorten_name(key)} is given twice", key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _problem("merge keys (<<) are not taken; use base:", key_node)
            if key is not None:
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper that puts quotes around what `_Loader` reads as a number."""


def _problem(words: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=node.start_mark)


def _whole_number(loader: yaml.SafeLoader, node: Any) -> int:
    text = loader.construct_scalar(node)
    prefixed = text.lstrip("-+")[:2].lower() in ("0x", "0o", "0b")
    # In base 10 Python takes leading zeros, and underscores between digits.
    return int(text, 0 if prefixed else 10)


_TAG = "tag:yaml.org,2002:"
_NUMBERS = {
    "int": r"[-+]?([0-9]+(_[0-9]+)*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)",
    "float": r"[-+]?(([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?"
    r"|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(inf|Inf|INF))|\.(nan|NaN|NAN)",
}
_OTHERWISE = {f"{_TAG}{kind}" for kind in (*_NUMBERS, "timestamp")}

_Loader.add_constructor(f"{_TAG}int", _whole_number)
for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in readings if tag not in _OTHERWISE]
        for first, readings in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for _kind, _pattern in _NUMBERS.items():
        _class.add_implicit_resolver(
            f"{_TAG}{_kind}", re.compile(rf"({_pattern})\Z"), list("-+.0123456789")
        )
