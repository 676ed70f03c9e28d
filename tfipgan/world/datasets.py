"""Two re-identification datasets, drawn from a seed.

With them every stage can run where no real dataset is available.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfipgan.errors import InputError, shorten_name
from tfipgan.world.folders import FOLDERS, atomic_folders, image_name, require_free
from tfipgan.world.network import JUNK_BOXES, STRANGERS, Network, Shot
from tfipgan.world.people import Person, draw_people
from tfipgan.world.record import WorldOptions, read_record, write_record

DATASETS = ("source", "target")
DISTRACTORS_PER_CAMERA = 2
JUNK_PER_CAMERA = 1
DEFAULTS = WorldOptions()
THREADS = min(4, os.cpu_count() or 1)
"""Images drawn at a time: most of the work is Pillow's and NumPy's, without the GIL."""


def synthesize(
    out: Path, options: WorldOptions = DEFAULTS
) -> dict[str, dict[str, int]]:
    """Write two datasets in Market-1501's form, `out`/source and `out`/target.

    Both have cameras 1..cameras, training identities 1..identities and, after them,
    test identities. Everybody is seen by two cameras or more, few people by all of
    them. A test identity has `images_per_camera` images in each camera that sees them,
    of which one is a query and the others are gallery images; a training identity has
    as many images as if all cameras saw them so often. The gallery also has distractors
    (0) and junk (-1). No person is in both datasets, though the numbers are. The same
    options give the same bytes. Returns the number of images by dataset and folder.

    Raises:
        InputError: a dataset that is already there.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: choose a folder to write the datasets to")
    for name in DATASETS:
        require_free(out / name)
    identities, test_identities = options.identities, options.test_identities
    people = _draw_everybody(options.seed, max(identities, test_identities))
    counts = {}
    with (
        atomic_folders(out, DATASETS) as temporary,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for number, name in enumerate(DATASETS):
            network = _network(options, number)
            train, test = people[number]
            writer = _Writer(temporary / name, network, options)
            key = (options.seed, number)
            work = [
                *(pool.submit(writer.train, n, train[n]) for n in range(identities)),
                *(pool.submit(writer.test, n, test[n]) for n in range(test_identities)),
                pool.submit(writer.others, key, test[:test_identities]),
            ]
            try:
                for part in work:
                    part.result()
            finally:
                for part in work:
                    part.cancel()
            write_record(temporary / name, name, options)
            counts[name] = {
                folder: sum(1 for _ in (temporary / name / folder).iterdir())
                for folder in FOLDERS
            }
    return counts


def redraw(out: Path, source: Path, target: Path) -> int:
    """Write a dataset's training images as the other one's cameras would show them.

    The same person, pose, place and light, by a camera with another look: what a
    generator without a fault would make of the image. source, target: the two datasets
    of one world. Files are named `<stem>_to_c<camera>.jpg`, as translated ones are.
    Returns their number.

    Raises:
        InputError: a dataset that `synthesize` didn't write, or one of another world;
            `out` is there and no empty folder.
    """
    out = Path(out)
    dataset, options = read_record(source)
    other, theirs = read_record(target)
    if (options, {dataset, other}) != (theirs, set(DATASETS)):
        raise InputError(
            f"{shorten_name(str(source))} is {dataset} of world {options.seed} and "
            f"{shorten_name(str(target))} is {other} of world {theirs.seed}; expected "
            "the source and the target of one `tfipgan synthesize`"
        )
    require_free(out)
    number = DATASETS.index(dataset)
    own, their_network = (_network(options, n) for n in (number, 1 - number))
    people = _draw_everybody(options.seed, options.identities)[number][0]

    def write(index: int) -> int:
        written = 0
        for shot in own.train_shots(index, options.images_per_camera):
            light = own.light(people[index], shot)
            stem = Path(image_name(index + 1, shot)).stem
            for camera, look in enumerate(their_network.looks, 1):
                file = temporary / out.name / f"{stem}_to_c{camera}.jpg"
                file.write_bytes(own.photograph(light, shot, look))
                written += 1
        return written

    with atomic_folders(out.parent, (out.name,)) as temporary:
        (temporary / out.name).mkdir()
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(write, range(options.identities)))


def _network(options: WorldOptions, number: int) -> Network:
    """Return the cameras of the source, 0, or the target, 1."""
    return Network(
        options.seed, number, options.cameras, options.image_size, options.strength
    )


def _draw_everybody(seed: int, count: int) -> list[tuple[list[Person], list[Person]]]:
    """Return (training, test) people of both datasets.

    All are drawn at once, so that nobody is in two of them.
    """
    a, b, c, d = draw_people((seed, len(DATASETS)), 4, count)
    return [(a, b), (c, d)]


class _Writer:
    """Writes the images of one dataset; its methods may be called in threads."""

    def __init__(self, folder: Path, network: Network, options: WorldOptions):
        self._network = network
        self._images = options.images_per_camera
        self._identities = options.identities
        self._train, self._query, self._gallery = (folder / n for n in FOLDERS)
        for split in (self._train, self._query, self._gallery):
            split.mkdir(parents=True)

    def train(self, index, person):
        for shot in self._network.train_shots(index, self._images):
            self._write(self._train, index + 1, shot, person)

    def test(self, index, person):
        for shot in self._network.test_shots(index, self._images):
            split = self._gallery if shot.image else self._query
            self._write(split, self._identities + index + 1, shot, person)

    def others(self, key, people):
        """Write the people of no identity, and the boxes that hold no whole person."""
        for camera in range(len(self._network.places)):
            (strangers,) = draw_people((*key, camera), 1, DISTRACTORS_PER_CAMERA)
            for number, person in enumerate(strangers):
                shot = Shot(STRANGERS, number, camera, number)
                self._write(self._gallery, 0, shot, person)
            for number in range(JUNK_PER_CAMERA):
                shot = Shot(JUNK_BOXES, number, camera, number)
                person = people[(camera + number) % len(people)]
                self._write(self._gallery, -1, shot, person)

    def _write(self, split, identity, shot, person):
        light = self._network.light(person, shot)
        look = self._network.looks[shot.camera]
        data = self._network.photograph(light, shot, look)
        (split / image_name(identity, shot)).write_bytes(data)
