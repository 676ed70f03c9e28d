"""The packaged configs, as YAML files."""
