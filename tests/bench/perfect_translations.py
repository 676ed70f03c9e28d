"""What a generator without a fault would reach on the built-in world.

    tfipgan reproduce synthetic --out RUN --seeds 3
    python tests/bench/perfect_translations.py RUN OUT [--direction source_to_target]

The world is drawn, so each training image of one dataset can be drawn again as each
camera of the other would have shown it: same person, pose, place and light. These
images, and those of a colour map (`world.py`), are measured as `reproduce` measures the
generators': by the classifiers of RUN, and by re-ID networks trained on them. Printed
beside StarGAN and IPGAN of RUN. What is in OUT already isn't done again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from measure import print_machine, print_table
from world import tfipgan, write_colour_mapped

from tfipgan.world.datasets import redraw

DIRECTIONS = {
    "source_to_target": ("source", "target"),
    "target_to_source": ("target", "source"),
}
NETWORKS = {"baseline": "synthetic/ipgan", "ibn": "synthetic/ipgan_ibn"}
COLUMNS = [
    "images", "rank-1", "mAP", "IBN rank-1", "IBN mAP", "identity: independent",
    "identity: D_sem", "kernel distance",
]  # fmt: skip


def printed(*words):
    """Return what a command of this project prints."""
    command = [sys.executable, "-W", "ignore", "-m", "tfipgan.cli", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def measure(run, out, direction, kind, seed):
    """Return the numbers of a folder of images under one seed of `run`."""
    path = out / direction / "measured" / f"{kind}_{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    source, target = DIRECTIONS[direction]
    data, images = run / "data" / f"world_{seed}", out / direction / f"{kind}_{seed}"
    if not images.exists():
        if kind == "perfect":
            # As `tfipgan synthesize` draws by default, and `reproduce synthetic`.
            redraw(images, source, seed=seed)
        else:
            write_colour_mapped(data / source, data / target, images)
    classifiers = run / direction / f"seed_{seed}" / "shared"
    # D_sem is the source's own re-ID network, which `reproduce` trains once: the other
    # way round it is the supervised one.
    d_sem = "direct_transfer" if source == "source" else "supervised"
    first = run / "source_to_target" / f"seed_{seed}" / d_sem / "reid"
    folders = {"independent": classifiers / "independent", "d_sem": first}
    numbers = {
        name: float(
            printed(
                "identity-accuracy", "--classifier", folder,
                "--images", images, "--threads", 1,
            )
        )
        for name, folder in folders.items()
    }  # fmt: skip
    quality = out / direction / "measured" / f"{kind}_{seed}_quality.json"
    quality.parent.mkdir(parents=True, exist_ok=True)
    tfipgan(
        "translation-quality", "--translated", images, "--target", data / target,
        "--source", data / source, "--classifier", classifiers / "camera",
        "--json", quality, "--threads", 1,
    )  # fmt: skip
    numbers["distance"] = json.loads(quality.read_text())["distance"]
    for network, config in NETWORKS.items():
        trained = out / direction / "runs" / f"{kind}_{seed}_{network}"
        tfipgan(
            "train-reid", "--config", config, "--data", data / source,
            "--translated", images, "--out", trained, "--set", f"seed={seed}",
            "--resume", "--threads", 1, "--no-progress",
        )  # fmt: skip
        metrics = out / direction / "measured" / f"{kind}_{seed}_{network}.json"
        tfipgan(
            "evaluate", "--model", trained, "--data", data / target,
            "--json", metrics, "--threads", 1, "--no-progress",
        )  # fmt: skip
        found = json.loads(metrics.read_text())
        numbers[network] = {name: found[name] for name in ("rank-1", "mAP")}
    path.write_text(json.dumps(numbers))
    return numbers


def of_generator(run, direction, row, seed):
    """Return the same numbers of a generator's images, from what `reproduce` wrote."""
    first, *others = (
        json.loads(path.read_text())
        for path in (
            run / "results" / direction / f"{row}_{network}_seed{seed}.json"
            for network in NETWORKS
        )
    )
    numbers = {
        "independent": first["identity_accuracy"],
        "d_sem": first["measured"]["semantic_accuracy"],
        "distance": first["measured"]["quality"]["distance"],
    }
    return numbers | {found["network"]: found for found in (first, *others)}


def spread(values, percent=True):
    scale, digits = (100, 1) if percent else (1, 3)
    values = [scale * value for value in values]
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--direction", choices=DIRECTIONS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print_machine("tensorflow", "keras", "numpy", "pillow")
    seeds = range(options.seeds)
    for direction in options.direction or DIRECTIONS:
        rows = []
        for kind in ("perfect", "colour map", "stargan", "ipgan"):
            if kind in ("perfect", "colour map"):
                name = kind.replace(" ", "_")
                found = [
                    measure(options.run, options.out, direction, name, seed)
                    for seed in seeds
                ]
            else:
                found = [of_generator(options.run, direction, kind, s) for s in seeds]
            cells = [
                spread([numbers[network][name] for numbers in found])
                for network in NETWORKS
                for name in ("rank-1", "mAP")
            ]
            cells += [
                spread([numbers[name] for numbers in found])
                for name in ("independent", "d_sem")
            ]
            cells.append(spread([numbers["distance"] for numbers in found], False))
            rows.append([kind, *cells])
        print(f"{direction}, seeds 0 to {options.seeds - 1}, percent:\n")
        print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
