"""The JSON schema of config files, by which editors complete and check them.

`python -m tfipgan.config.schema > configs/schema.json` renews the packaged one.
"""

import json
from typing import Any

from pydantic import TypeAdapter

from tfipgan.config.sections import Config


def json_schema() -> dict[str, Any]:
    """Give the schema as plain values, with `base`, which only files have."""
    schema = TypeAdapter(Config).json_schema()
    for part in (schema, *schema["$defs"].values()):
        # Of Python's readers; the keys say it all.
        part.pop("description")
        for option in part["properties"].values():
            option.pop("title", None)
    for name in schema["$defs"]:
        section = name.removesuffix("Config").lower()
        schema["properties"][section].pop("default")
    words = "the file whose values stand below this one's: a path or a packaged name"
    schema["properties"]["base"] = {"type": "string", "description": words}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
