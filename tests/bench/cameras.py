"""One generator for all cameras against two for each: networks, parameters, seconds.

    python tests/bench/cameras.py OUT [--cameras 1 2 4 8] [--epochs 4] [--identities 80]

The paper's Figure 5. In the built-in world, whose target has as many cameras, the
whole trainings of `synthetic/stargan` and of `synthetic/camstyle` are run with as many
epochs, and each translates the source's training images. Prints docs/comparators.md's
table and draws OUT/cameras.png. Seconds are of this process's CPU, which other work on
the machine does not count into.
"""

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

from measure import print_machine, print_table

from tfipgan.config import load_config
from tfipgan.data.datasets import read_dataset
from tfipgan.files.tensor_file import load_arrays
from tfipgan.reports.plotting import LINES, MARKERS, new_figure, save, tidy
from tfipgan.runs.run import generator_runs, load_translator
from tfipgan.training.camstyle import train_camstyle
from tfipgan.training.cyclegan import train_cyclegan
from tfipgan.training.ipgan import train_gan
from tfipgan.translation.dataset import translate_dataset
from tfipgan.weights.checkpoints import latest_checkpoint
from tfipgan.world.datasets import synthesize
from tfipgan.world.record import WorldOptions

ONE, PAIRS = "one generator (StarGAN)", "CycleGANs (CamStyle)"
COLUMNS = [
    "cameras",
    "of",
    "generators",
    "parameters of all networks, millions",
    "training, CPU s",
    "translating, CPU s",
]
IMAGES_PER_CAMERA = 2


def train_one(config, source, target, cameras, out):
    """Train the one generator; a single camera is a target as a whole."""
    domains = "cameras" if cameras > 1 else "one"
    config = replace(config, gan=replace(config.gan, target_domains=domains))
    return train_gan(config, source, target, None, out, progress=False)


def train_pairs(config, source, target, cameras, out):
    """Train CamStyle's; for a single camera it is a CycleGAN."""
    if cameras > 1:
        return train_camstyle(config, source, target, out, progress=False)
    gan = replace(config.gan, method="cyclegan", target_domains="one")
    return train_cyclegan(replace(config, gan=gan), source, target, out, progress=False)


def parameters(run):
    """Return how many values all networks of a run have."""
    count = 0
    for own in generator_runs(run):
        for file in latest_checkpoint(own.checkpoints).glob("*.safetensors"):
            if file.stem not in ("optimizers", "arrays"):
                arrays, _ = load_arrays(file)
                count += sum(math.prod(array.shape) for array in arrays.values())
    return count


def measure(train, config, source, target, cameras, out):
    """Return a row's numbers after its first two."""
    started = time.process_time()
    run = train(config, source, target, cameras, out / "gan")
    trained = time.process_time()
    root = Path(source[0].path).parent
    translate_dataset(
        load_translator(run), source, root, out / "images", progress=False
    )
    done = time.process_time()
    generators = 1 if train is train_one else 2 * cameras
    return [generators, parameters(run) / 1e6, trained - started, done - trained]


def draw(found, path):
    """Draw parameters and seconds by the number of cameras."""
    figure = new_figure(9.0, 3.4)
    titles = ("Parameters, millions", "Training, CPU s", "Translating, CPU s")
    for place, (axes, title) in enumerate(
        zip(figure.subplots(1, 3), titles, strict=True), start=1
    ):
        for name, line, marker in zip((ONE, PAIRS), LINES, MARKERS, strict=False):
            rows = [(cameras, row) for cameras, kind, row in found if kind == name]
            cameras = [count for count, _ in rows]
            values = [row[place] for _, row in rows]
            axes.plot(cameras, values, line, marker=marker, label=name)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("cameras of the target")
        axes.set_xticks(cameras)
        axes.set_ylim(bottom=0)
        tidy(axes)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=2, frameon=False)
    save(figure, path)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--identities", type=int, default=80)
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True)
    world = WorldOptions(
        identities=options.identities,
        test_identities=2,
        cameras=max(2, *options.cameras),
        images_per_camera=IMAGES_PER_CAMERA,
    )
    synthesize(options.out / "world", world)
    source, every = (
        read_dataset(options.out / "world" / name, splits=("train",)).train
        for name in ("source", "target")
    )
    found = []
    for cameras in options.cameras:
        target = [s for s in every if s.camera_id <= cameras]
        for kind, name, train in (
            (ONE, "stargan", train_one),
            (PAIRS, "camstyle", train_pairs),
        ):
            epochs = ("gan.constant_epochs=0", f"gan.decay_epochs={options.epochs}")
            config = load_config(f"synthetic/{name}", epochs)
            out = options.out / f"{name}_{cameras}"
            numbers = measure(train, config, source, target, cameras, out)
            found.append((cameras, kind, numbers))
    print_machine("tensorflow", "keras")
    print(f"{len(source)} images of the source, {options.epochs} epochs:\n")
    print_table(
        COLUMNS,
        [
            [cameras, kind, row[0], f"{row[1]:.2f}", f"{row[2]:.0f}", f"{row[3]:.1f}"]
            for cameras, kind, row in found
        ],
    )
    draw(found, options.out / "cameras.png")


if __name__ == "__main__":
    main()
