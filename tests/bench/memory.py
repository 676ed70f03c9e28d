"""Peak memory of each command, by the number of images in the dataset.

    python tests/bench/memory.py [SIZE ..]

A dataset is a few small images under many names. The networks are tiny, so that what
the numbers grow by is the dataset's.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import print_machine, print_table

SIZES = 1_000, 10_000, 100_000
# A training and a translation are ended then: they hold all of what they will.
SECONDS = 75
LOOK_SECONDS = 0.25
IMAGES, IDENTITIES, CAMERAS, QUERIES = 20, 100, 6, 100
TINY = (
    "gan.image_size=[32, 16]", "gan.width=4", "gan.num_blocks=1", "gan.num_layers=4",
    "gan.constant_epochs=1", "gan.decay_epochs=0",
    "reid.image_size=[32, 16]", "backbone.width=4", "reid.fc_units=8",
    "reid.epochs=1", "reid.decay_epoch=1",
)  # fmt: skip


def make_images(folder):
    """Write a few JPEGs of the data's usual size; return their paths."""
    import numpy as np
    from PIL import Image

    paths = [folder / f"{number}.jpg" for number in range(IMAGES)]
    noise = np.random.default_rng(0)
    for path in paths:
        pixels = noise.integers(0, 256, (16, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((64, 128)).save(path)
    return paths


def make_dataset(root, size, images):
    """Give the images so many names in the train split and the gallery."""
    names = [
        f"{k % IDENTITIES + 1:04d}_c{k // IDENTITIES % CAMERAS + 1}s1_{k:06d}_00.jpg"
        for k in range(size)
    ]
    for split, some in (
        ("bounding_box_train", names),
        ("query", names[:QUERIES]),
        ("bounding_box_test", names[:QUERIES]),
    ):
        (root / split).mkdir(parents=True)
        for place, name in enumerate(some):
            os.link(images[place % IMAGES], root / split / name)


def peak(*words, limit=float("inf")):
    """Run `tfipgan`; return (peak MiB, MiB grown in the last quarter of its time)."""
    command = [sys.executable, "-W", "ignore", "-m", "tfipgan.cli", *map(str, words)]
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        resident = []
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            resident.append(_resident(process.pid))
            if time.monotonic() - started > limit:
                process.send_signal(signal.SIGKILL)
                ended = os.wait4(process.pid, 0)
                break
            time.sleep(LOOK_SECONDS)
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, -signal.SIGKILL):
            log.seek(0)
            sys.exit(log.read().decode())
    late = len(resident) * 3 // 4
    grown = max(resident[late:]) - max(resident[:late] or [0])
    print(f"{words[0]}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return usage.ru_maxrss / 2**10, max(0, grown)


def _resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def measure(folder, dataset, models):
    """Return {command: peak} on a dataset; the models are made by the first call."""
    train = dataset / "bounding_box_train"
    config = ["--config", "synthetic/ipgan"]
    for word in TINY:
        config += ["--set", word]
    reid, gan = folder / "reid", folder / "gan"
    semantic = models.get("reid", reid)
    peaks = {"inspect": peak("inspect", dataset)}
    common = ["--threads", 1]
    peaks["train-reid"] = peak(
        "train-reid", *config, "--data", dataset, "--out", reid, *common, limit=SECONDS
    )
    peaks["train-gan"] = peak(
        "train-gan", *config, "--source", dataset, "--target", dataset,
        "--semantic", semantic, "--out", gan, *common, limit=SECONDS,
    )  # fmt: skip
    models.setdefault("reid", reid)
    models.setdefault("gan", gan)
    peaks["translate"] = peak(
        "translate", "--model", models["gan"], "--source", dataset,
        "--out", folder / "translated", *common, limit=SECONDS,
    )  # fmt: skip
    features = {"query": dataset / "query", "gallery": train}
    for name, images in features.items():
        features[name] = folder / f"{name}.npz"
        peaks["extract"] = peak(
            "extract", "--model", models["reid"], "--images", images,
            "--out", features[name], *common,
        )  # fmt: skip
    peaks["evaluate"] = peak(
        "evaluate", "--query", features["query"], "--gallery", features["gallery"]
    )
    peaks["identity-accuracy"] = peak(
        "identity-accuracy", "--classifier", models["reid"], "--images", train, *common
    )
    return peaks


def main(sizes):
    print_machine("tensorflow", "numpy", "Pillow")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ["TFIPGAN_CACHE"] = str(folder / "cache")
        images, models, peaks = make_images(folder), {}, []
        for size in sizes:
            dataset = folder / str(size) / "dataset"
            make_dataset(dataset, size, images)
            peaks.append(measure(dataset.parent, dataset, models))
    columns = [f"{size:,} images, MiB" for size in sizes]
    rows = []
    for command in peaks[0]:
        found = [results[command][0] for results in peaks]
        each = (found[-1] - found[0]) * 2**20 / (sizes[-1] - sizes[0])
        rows.append(
            [command, *(f"{mib:,.0f}" for mib in found), f"{each:,.0f}"]
            + [f"{peaks[-1][command][1]:.0f}"]
        )
    print_table(["", *columns, "bytes an image", "late growth, MiB"], rows)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
