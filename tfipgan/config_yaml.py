"""YAML as the config files use it: safe, strict about keys, and 1e-4 is a number."""

import re
from typing import Any

import yaml

from tfipgan.errors import ConfigError


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
        problem = " ".join(str(problem).split())
        raise ConfigError(f"{name}: can't be read as YAML: {place}{problem}") from None


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that reads 1e-4 as a number and refuses a key given twice"""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node.value, str) else None
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key} is given twice",
                    problem_mark=key_node.start_mark,
                )
            if key is not None:
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 wants a point and a sign, 1.0e-4; everybody writes 1e-4.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)
