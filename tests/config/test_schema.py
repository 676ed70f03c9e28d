"""The packaged JSON schema, against pydantic's of the config and against YAML files."""

import json

import jsonschema
import pytest

from tfipgan.config import packaged_configs, packaged_folder, to_dict
from tfipgan.config.schema import json_schema
from tfipgan.config.sections import Config
from tfipgan.config.yaml_files import parse_yaml, read_yaml

PACKAGED = json.loads((packaged_folder() / "schema.json").read_text())


def errors(values):
    validator = jsonschema.validators.validator_for(PACKAGED)(PACKAGED)
    return [error.json_path for error in validator.iter_errors(values)]


def test_it_is_the_configs_own():
    """Else renew it: python -m tfipgan.config.schema > configs/schema.json."""
    assert json_schema() == PACKAGED


@pytest.mark.parametrize("name", packaged_configs())
def test_packaged_configs_are_right_by_it(name):
    assert errors(read_yaml(packaged_folder() / f"{name}.yaml")) == []


def test_so_is_a_saved_config():
    assert errors(to_dict(Config())) == []


@pytest.mark.parametrize(
    "text",
    [
        "gan: {batch_sise: 4}",
        "gan: {image_size: [64]}",
        "gan: {learning_rate: 0}",
        "backbone: {ibn: c}",
        "reid: {decay_epoch: [1.5]}",
        "reid: {triplet_margin: hard}",
        "seed: -1",
        "base: [a]",
    ],
)
def test_what_loading_refuses_an_editor_shows(text):
    values = parse_yaml(text, "text")
    [(section, value)] = values.items()
    path = f"$.{section}"
    if isinstance(value, dict):
        [(key, number)] = value.items()
        path += "" if key == "batch_sise" else f".{key}"
    assert [found.partition("[")[0] for found in errors(values)] == [path]
