"""What a finished plan measured: results.json and details.json."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tfipgan import __version__
from tfipgan.experiments.chain import Chain, available_cores
from tfipgan.experiments.experiment import Experiment
from tfipgan.experiments.plan import Plan
from tfipgan.experiments.rows import MEASURES


def collect_results(plan: Plan, chain: Chain) -> list[dict]:
    """Return one entry for each re-ID run, fractions of 1; see docs/results.md."""
    results = []
    for row in plan.rows:
        metrics = json.loads(row.metrics.read_text())
        accuracy = None
        if row.translation is not None:
            accuracy = float(chain.output(row.translation.independent))
        results.append(
            {
                "direction": row.direction,
                "row": row.row,
                "network": row.network,
                "seed": row.seed,
                **{name: metrics[name] for name in MEASURES},
                "identity_accuracy": accuracy,
            }
        )
    return results


def collect_details(
    plan: Plan, chain: Chain, experiment: Experiment, seeds: Sequence[int]
) -> dict:
    """Return what else was measured, and with what; plain values."""

    def accuracy(name):
        return None if name is None else float(chain.output(name))

    return {
        "title": experiment.title,
        "seeds": list(seeds),
        # Of all commands, some of which ran side by side, perhaps in several calls.
        "seconds": round(sum(chain.seconds_of(c.name) for c in plan.commands), 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
            "tfipgan": __version__,
            "machine": f"{available_cores()} cores, {platform.machine()}",
        },
        "directions": [
            {"name": direction.name, "title": direction.title}
            for direction in experiment.directions
        ],
        "classifiers": [
            {
                "direction": found.direction,
                "seed": found.seed,
                "d_sem": accuracy(found.d_sem),
                "independent": accuracy(found.independent),
            }
            for found in plan.classifiers
        ],
        "translations": [
            {
                "direction": direction,
                "seed": seed,
                "row": row,
                "d_sem": accuracy(found.d_sem),
                "independent": accuracy(found.independent),
                "quality": _read(found.quality),
            }
            # Of each row, though some share their images.
            for (direction, seed, row), found in {
                (r.direction, r.seed, r.row): r.translation
                for r in plan.rows
                if r.translation is not None
            }.items()
        ],
        "commands": [str(command) for command in plan.commands],
    }


def _read(path: Path | None):
    return None if path is None else json.loads(path.read_text())
