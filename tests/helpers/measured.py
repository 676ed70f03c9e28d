"""Made-up results of `tfipgan reproduce`, for tests of what is shown of them."""

from pathlib import Path

from tfipgan.experiments.experiment import Direction, Experiment, PaperRow

FORTH = "source_to_target"


def run(row, network="baseline", seed=0, rank=0.5, mean_ap=0.25, **more):
    """A line of results.json; rank-5 and rank-10 are a tenth and two above rank-1."""
    return {
        "direction": FORTH,
        "row": row,
        "network": network,
        "seed": seed,
        "rank-1": rank,
        "rank-5": rank + 0.1,
        "rank-10": rank + 0.2,
        "mAP": mean_ap,
        "identity_accuracy": None,
    } | more


def runs(row, network, mean_aps, **more):
    """A line a seed."""
    return [
        run(row, network, seed, mean_ap=mean_ap, **more)
        for seed, mean_ap in enumerate(mean_aps)
    ]


def translation(row, seed=0, independent=0.5, d_sem=0.75, **quality):
    """An entry of the translations in details.json."""
    return {
        "direction": FORTH,
        "seed": seed,
        "row": row,
        "d_sem": d_sem,
        "independent": independent,
        "quality": {
            "accuracy": 0.9,
            "real_accuracy": 0.95,
            "distance": 0.012,
            "source_distance": 0.2,
            "floor": -0.00001,
            "cameras": [],
        }
        | quality,
    }


def details(seeds=(0,), classifiers=(), translations=(), **more):
    """What details.json holds."""
    return {
        "title": "A world",
        "seeds": list(seeds),
        "seconds": 5400.0,
        "versions": {"python": "3.11.7", "machine": "2 cores"},
        "directions": [{"name": FORTH, "title": "source to target"}],
        "classifiers": list(classifiers),
        "translations": list(translations),
        "commands": ["tfipgan train-reid --config <a> --out runs/a"],
    } | more


def direction(name=FORTH, title="source to target", paper=(), identity=None):
    """A direction; paper: (table, name, row, network, printed) of each row."""
    return Direction(
        name=name,
        title=title,
        configs=Path("configs/synthetic"),
        source="data/source",
        target="data/target",
        paper=tuple(PaperRow(*row) for row in paper),
        paper_identity=identity or {},
    )


def experiment(*directions, **more):
    """An experiment of these directions, or of one."""
    return Experiment(title="A world", directions=directions or (direction(),), **more)
