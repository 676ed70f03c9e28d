"""Made-up results of `tfipgan reproduce`, for tests of what is shown of them."""

from pathlib import Path

from tfipgan.experiments.experiment import Direction, Experiment, PaperRow

FORTH = "source_to_target"


def run(row, network="baseline", seed=0, rank=0.5, mean_ap=0.25, **more):
    """An entry of the results; rank-5 and rank-10 are a tenth and two above rank-1."""
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
        "measured": {},
        "experiment": "synthetic",
        "world": {},
        "datasets": {"source": f"a{seed}", "target": f"b{seed}"},
        "config": {"reid": {"seed": seed, "reid": {"epochs": 3}}},
        "versions": {"python": "3.11.7", "machine": "2 cores"},
        "commands": [
            {
                "command": f"tfipgan train-reid --config <a> --set seed={seed}",
                "seconds": 5400.0,
            }
        ],
    } | more


def runs(row, network, mean_aps, **more):
    """A line a seed."""
    return [
        run(row, network, seed, mean_ap=mean_ap, **more)
        for seed, mean_ap in enumerate(mean_aps)
    ]


def translated(row, seed=0, independent=0.5, d_sem=0.75, real=None, **quality):
    """An entry of a row whose images were measured."""
    measured = {
        "semantic_accuracy": d_sem,
        "quality": {
            "accuracy": 0.9,
            "real_accuracy": 0.95,
            "distance": 0.012,
            "source_distance": 0.2,
            "floor": -0.00001,
            "cameras": [],
        }
        | quality,
    } | (real or {})
    return run(row, seed=seed, identity_accuracy=independent, measured=measured)


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
    return Experiment(
        "world", title="A world", directions=directions or (direction(),), **more
    )
