"""What the rows of a plan measured, and what decided it."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tfipgan import __version__
from tfipgan.config import Config, to_dict
from tfipgan.experiments.chain import Chain, available_cores
from tfipgan.experiments.experiment import Experiment
from tfipgan.experiments.plan import Plan, Row
from tfipgan.experiments.rows import MEASURES


def collect_results(plan: Plan, chain: Chain, experiment: Experiment) -> list[dict]:
    """Return an entry for each row of a plan that has run; plain values.

    Shares are fractions of 1. `measured` has what the row's other measuring steps gave,
    by their names; `commands` the seconds of each command that the row needs, with
    kill -9's left out; `config` what their configs set other than the defaults;
    `datasets` a digest of each.
    """
    digests: dict[Path, str] = {}
    for row in plan.rows:
        for folder in row.data.values():
            if folder not in digests:
                digests[folder] = dataset_digest(folder)
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
        "tfipgan": __version__,
        "machine": f"{available_cores()} cores, {platform.machine()}",
    }
    return [
        {
            **_numbers(row, chain),
            "experiment": experiment.name,
            "world": None if experiment.world is None else dict(experiment.world),
            "datasets": {name: digests[path] for name, path in row.data.items()},
            "config": _config_of(plan, row),
            "versions": versions,
            "commands": [
                {"command": str(c), "seconds": chain.seconds_of(c.name)}
                for c in plan.needed_for(row)
            ],
        }
        for row in plan.rows
    ]


def _numbers(row: Row, chain: Chain) -> dict:
    measured: dict[str, object] = {}
    for step in row.steps:
        if step.kind == "identity-accuracy":
            measured[step.name] = float(chain.output(step.command))
        elif step.kind == "translation-quality":
            measured[step.name] = _read_json(step.path)
        elif step.kind == "evaluate":
            metrics = _read_json(step.path)
            measured[step.name] = {name: metrics[name] for name in MEASURES}
    metrics = measured.pop(row.metrics.name)
    return {
        "direction": row.direction,
        "row": row.row,
        "network": row.network,
        "seed": row.seed,
        **metrics,
        "identity_accuracy": measured.pop("identity_accuracy", None),
        "measured": measured,
    }


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _config_of(plan: Plan, row: Row) -> dict:
    """Return by command what its config sets other than the defaults."""
    defaults = to_dict(Config())
    # The same under each seed, and wherever it is run.
    makers = {
        path: f"${maker.replace(f'-seed_{row.seed}-', '-')}"
        for path, maker in plan.makers.items()
    }
    found = {}
    for command in plan.needed_for(row):
        changed = {
            key: _changed(defaults[key], value, makers)
            for key, value in command.settings.items()
        }
        if changed:
            name = command.name.replace(f"-seed_{row.seed}-", "-")
            found[name] = {key: value for key, value in changed.items() if value != {}}
    # As JSON gives it back: a tuple is a list.
    return json.loads(json.dumps(found))


def _changed(default, value, makers):
    """Return what differs from the default; for what a command makes, its name."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: makers.get(v, v) if isinstance(v, str) else v
        for key, v in value.items()
        if v != default[key]
    }


def dataset_digest(folder: str | os.PathLike) -> str:
    """Return a checksum of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    root = Path(folder)
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
