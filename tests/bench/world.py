"""The built-in world in numbers: how strong its cameras are, and what they cost.

    python tests/bench/world.py OUT [--seeds 3] [--cameras]

First what each camera does to a picture, with OUT/world_cameras.png and
OUT/world_effects.png; with --cameras that is all. Then re-ID in both directions, by the
commands of this project, in OUT/seed0 and so on: six trainings a seed, about a minute
each. What is there already isn't done again.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from measure import print_machine, print_table
from world_cameras import draw_sheets, print_cameras

DIRECTIONS = {"source to target": ("source", "target")}
DIRECTIONS["target to source"] = ("target", "source")
ROWS = (
    "supervised",
    "direct transfer",
    "direct transfer, neutral cameras",
    "colour map",
)


def tfipgan(*words):
    """Run a command of this project on one thread."""
    words = [str(word) for word in words]
    print(f"tfipgan {shlex.join(words)}", file=sys.stderr, flush=True)
    command = [sys.executable, "-W", "ignore", "-m", "tfipgan.cli", *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


class Seed:
    """The trainings and tests of one world.

    Args:
        folder: for all of it.
        seed: of the world and of every training.
    """

    def __init__(self, folder, seed):
        self.folder = folder
        self.seed = seed

    def world(self, strength):
        """Return the folder of both datasets, drawn if it isn't there."""
        folder = self.folder / "data" / f"strength{strength}"
        if not (folder / "target").exists():
            words = "--seed", self.seed, "--strength", strength
            tfipgan("synthesize", folder, *words)
        return folder

    def colour_mapped(self, source, target):
        """Return the folder of `source`'s images in the colours of `target`."""
        folder = self.folder / "data" / f"{source}_as_{target}"
        if not folder.exists():
            world = self.world(1)
            write_colour_mapped(world / source, world / target, folder)
        return folder

    def metrics(self, row, source, target):
        """Return what `evaluate --json` wrote for a row of a direction."""
        config, strength, translated = "synthetic/direct_transfer", 1, ()
        trained_on = source
        if row == "supervised":
            config, trained_on = "synthetic/supervised", target
        elif row == "direct transfer, neutral cameras":
            strength = 0
        elif row == "colour map":
            config = "synthetic/ipgan"
            translated = "--translated", self.colour_mapped(source, target)
        world = self.world(strength)
        # Direct transfer one way and supervised the other are the same training.
        name = f"{trained_on}_as_{target}" if translated else trained_on
        run = self.folder / "runs" / f"{name}_strength{strength}"
        path = self.folder / "metrics" / f"{run.name}_on_{target}.json"
        if not path.exists():
            words = "--config", config, "--data", world / trained_on, *translated
            words += "--out", run, "--resume", "--set", f"seed={self.seed}"
            tfipgan("train-reid", *words, "--threads", 1, "--no-progress")
            path.parent.mkdir(exist_ok=True)
            words = "--model", run, "--data", world / target, "--json", path
            tfipgan("evaluate", *words, "--threads", 1, "--no-progress")
        return json.loads(path.read_text())


def write_colour_mapped(source, target, folder):
    """Write each training image of `source` in the colours of each target camera."""
    words = "--method", "colour-map", "--source", source, "--target", target
    tfipgan("translate", *words, "--out", folder, "--threads", 1, "--no-progress")


def print_reid(out, seeds):
    """Train and test all rows; print them with their means and deviations."""
    found = {}
    for seed in range(seeds):
        world = Seed(out / f"seed{seed}", seed)
        for direction, datasets in DIRECTIONS.items():
            for row in ROWS:
                metrics = world.metrics(row, *datasets)
                found.setdefault((direction, row), []).append(metrics)
    rows = []
    for names, of_seeds in found.items():
        cells = []
        for measure in ("rank-1", "mAP"):
            values = [metrics[measure] for metrics in of_seeds]
            cells.append(" ".join(f"{value:.3f}" for value in values))
            spread = statistics.stdev(values) if seeds > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} +- {spread:.3f}")
        rows.append([*names, *cells])
    print(f"Baseline network, configs/synthetic, seeds 0 to {seeds - 1}:\n")
    columns = ["direction", "row", "rank-1", "mean", "mAP", "mean"]
    print_table(columns, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cameras", action="store_true", help="no re-ID")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print_machine("numpy", "pillow")
    print_cameras(options.seeds)
    draw_sheets(options.out)
    if not options.cameras:
        print_reid(options.out, options.seeds)


if __name__ == "__main__":
    main()
