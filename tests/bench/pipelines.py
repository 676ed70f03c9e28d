"""The training pipelines alone, against what the networks' steps eat on the same cores.

    python tests/bench/pipelines.py [--gan SECONDS] [--reid SECONDS]

JPEG files of Market-1501's form and size, batches and networks of the paper's. Each
step is timed first, unless its seconds are given (those of `training.py`, say).
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from measure import Side, print_machine, print_table, seconds
from PIL import Image

FILE_SIZE = 128, 64
PEOPLE, CAMERAS, IMAGES = 64, 6, 640
GAN = {"image_size": (128, 64), "batch_size": 16, "n_critic": 5}
REID = {"image_size": (256, 128), "batch_size": 32, "dropout_units": 1024}
READ = 2560  # images to a measurement
RUNS = 5


def write_images(folder):
    """Write JPEGs of about 4 kB, as Market-1501's are, and return samples of them."""
    from tfipgan.data.filenames import Sample

    rng = np.random.default_rng(0)
    height, width = FILE_SIZE
    samples = []
    for k in range(IMAGES):
        person, camera = k % PEOPLE, k % CAMERAS + 1
        path = folder / f"{person + 1:04d}_c{camera}s1_{k:06d}_01.jpg"
        coarse = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
        noise = rng.integers(-12, 13, (height, width, 3))
        pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path, quality=90)
        samples.append(Sample(str(path), person + 1, camera))
    return samples


def rates(samples, make, images_per_step):
    """Return {cache: images/s of each run}, with and without in turns."""
    steps = READ // images_per_step

    def consume(iterator):
        for _ in range(steps):
            next(iterator)

    found = {False: [], True: []}
    for _ in range(RUNS):
        for cache, times in found.items():
            iterator = iter(make(samples, cache))
            next(iterator)  # filled, traced, and the first batches made
            times.append(steps * images_per_step / seconds(consume, iterator)[0])
    return found


def make_gan(samples, cache):
    from tfipgan.data.labels import DomainMap, LabelMap
    from tfipgan.data.pipelines import gan_batches

    half = len(samples) // 2
    source, target = samples[:half], samples[half:]
    maps = LabelMap.from_samples(source), DomainMap.from_samples(target)
    return gan_batches(source, target, *maps, seed=0, cache=cache, **GAN)


def make_reid(samples, cache):
    from tfipgan.data.labels import LabelMap
    from tfipgan.data.pipelines import reid_batches

    labels = LabelMap.from_samples(samples)
    return reid_batches(samples, labels, seed=0, cache=cache, **REID)


def step_seconds(name, *words):
    """Return the median seconds of a network's step, in a process of its own."""
    side = Side(str(Path(__file__).parent / "training.py"), name, *words)
    times = [side.seconds() for _ in range(3)]
    side.close()
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gan", type=float, help="seconds of a step of the GAN")
    parser.add_argument("--reid", type=float, help="seconds of a step of the re-ID")
    given = parser.parse_args()
    cases = [
        ("gan_batches", make_gan, 16 * 5, given.gan or step_seconds("--gan", "1")),
        ("reid_batches", make_reid, 32, given.reid or step_seconds("--reid")),
    ]
    print_machine("tensorflow", "keras")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        samples = write_images(Path(folder))
        for name, make, images, step in cases:
            for cache, found in rates(samples, make, images).items():
                rate, eaten = statistics.median(found), images / step
                rows.append(
                    [
                        f"{name}, {'cached' if cache else 'from files'}",
                        f"{rate:.0f}",
                        f"{min(found):.0f} to {max(found):.0f}",
                        f"{eaten:.1f}",
                        f"{rate / eaten:.0f}",
                    ]
                )
    columns = ["pipeline alone", "images/s", "runs", "the step eats", "times as much"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
