"""The run folder: what a training run leaves, and how other stages read it.

RUN/run.json         kind of the run, and the versions it was made with
RUN/config.yaml      the resolved config
RUN/labels.json      identities in the order of their labels (trained re-ID runs)
RUN/domains.json     the target's cameras in the order of their domains (GAN runs)
RUN/checkpoints/     the last checkpoints, see `tfipgan.checkpoints`
RUN/best/            the best, if one was chosen
RUN/metrics.jsonl    a line of numbers every few steps
RUN/tensorboard/     the same for TensorBoard
RUN/samples/         sheets of translated images (GAN runs)
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from tfipgan import __version__
from tfipgan.checkpoints import latest_checkpoint, load_network
from tfipgan.config import Config, load_config, save_config
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.networks import (
    build_discriminator,
    build_generator,
    build_reid_network,
)
from tfipgan.output_file import require_new_folder, written_aside

RESUME = "--resume to go on with this run"

_MAKERS = {
    "gan": "`tfipgan train-gan` or `import-weights`",
    "reid": "`tfipgan train-reid` or `import-weights`",
}


@dataclass(frozen=True)
class Run:
    """A run folder and what its small files say.

    Attributes:
        path: the folder.
        kind: "gan" or "reid".
        config: the resolved config of the training run.
        labels: of a re-ID run that was trained; None of one that was imported, which
            has a backbone only, and of GAN runs.
        domains: of a GAN run, else None.
        imported: name of the file that its weights came from; None if it was trained.
    """

    path: Path
    kind: str
    config: Config
    labels: LabelMap | None = None
    domains: DomainMap | None = None
    imported: str | None = None

    @property
    def checkpoints(self) -> Path:
        """The folder of the last checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The folder of the best checkpoint, which need not be there."""
        return self.path / "best"


def create_run(
    path: str | os.PathLike,
    kind: str,
    config: Config,
    labels: LabelMap | None = None,
    domains: DomainMap | None = None,
    imported: str | None = None,
) -> Run:
    """Make a new run folder; `Run` says what the arguments are.

    Raises:
        InputError: there is something at the path already.
    """
    path = Path(path)
    require_new_folder(path, RESUME)
    path.mkdir(parents=True, exist_ok=True)
    save_config(config, path / "config.yaml")
    if labels is not None:
        labels.save(path / "labels.json")
    if domains is not None:
        domains.save(path / "domains.json")
    about = {
        "kind": kind,
        "tfipgan": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    if imported is not None:
        about["imported"] = imported
    # Last, because it is what makes the folder a run.
    with written_aside(path / "run.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return Run(path, kind, config, labels, domains, imported)


def start_run(
    path: str | os.PathLike,
    kind: str,
    config: Config,
    *,
    labels: LabelMap | None = None,
    domains: DomainMap | None = None,
    resume: bool = False,
) -> Run:
    """Make a new run folder, or open the one to go on with.

    Args:
        path, kind, config, labels, domains: as for `create_run`.
        resume: whether a run may be there; it must be of the same config and labels.

    Raises:
        InputError: something is there and `resume` is off, or it is another run.
    """
    if not (resume and (Path(path) / "run.json").exists()):
        return create_run(path, kind, config, labels, domains)
    run = open_run(path, kind)
    for what, found, expected in (
        ("config", run.config, config),
        ("identities", run.labels, labels),
        ("cameras", run.domains, domains),
    ):
        if found != expected:
            raise InputError(
                f"{path} is a run with another {what}; --resume goes on with the same "
                "config and data: give those, or another --out"
            )
    return run


def open_run(path: str | os.PathLike, kind: str) -> Run:
    """Read a run folder's small files.

    Args:
        path: the folder.
        kind: "gan" or "reid", what the run must be.

    Raises:
        InputError: not a run folder, or one of another kind, or a damaged one.
    """
    path = Path(path)
    about_path = path / "run.json"
    if not about_path.is_file():
        raise InputError(
            f"{path} is not a run folder (it has no run.json); expected one that "
            f"{_MAKERS[kind]} made"
        )
    try:
        about = json.loads(about_path.read_text())
        found, imported = about["kind"], about.get("imported")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{about_path} is damaged ({error!r}); expected a JSON object with a kind"
        ) from error
    if found != kind:
        raise InputError(
            f"{path} is a run of kind {found!r}, expected {kind!r}: give one that "
            f"{_MAKERS[kind]} made"
        )
    config = load_config(path / "config.yaml")
    labels = domains = None
    if kind == "gan":
        domains = DomainMap.load(path / "domains.json")
    elif imported is None:
        labels = LabelMap.load(path / "labels.json")
    return Run(path, kind, config, labels, domains, imported)


def require_classifier(run: Run) -> LabelMap:
    """Return a re-ID run's labels; InputError if it is imported and so has none."""
    if run.labels is None:
        raise InputError(
            f"{run.path} was imported from {run.imported} and can tell no identities, "
            "it gives descriptors only: give a run that `tfipgan train-reid` trained"
        )
    return run.labels


def load_generator(run: Run) -> Generator:
    """Build the run's generator with the weights of its last checkpoint.

    Raises:
        InputError: there is no checkpoint, or one of another network.
    """
    generator = build_generator(run.config.gan, run.domains.num_domains)
    _restore(run.checkpoints, "generator", generator)
    return generator


def load_discriminator(run: Run) -> Discriminator:
    """Build the run's domain discriminator; as `load_generator`."""
    discriminator = build_discriminator(run.config.gan, run.domains.num_domains)
    _restore(run.checkpoints, "discriminator", discriminator)
    return discriminator


def load_reid_network(run: Run) -> ReidNetwork:
    """Build the run's re-ID network with its best weights, or its last if none is best.

    Of an imported run, which has no labels, it has no classifier.

    Raises:
        InputError: there is no checkpoint, or one of another network.
    """
    num_classes = None if run.labels is None else len(run.labels)
    network = build_reid_network(run.config.backbone, run.config.reid, num_classes)
    folder = run.best if latest_checkpoint(run.best) else run.checkpoints
    _restore(folder, "network", network)
    return network


def _restore(folder: Path, name: str, network) -> None:
    latest = latest_checkpoint(folder)
    if latest is None:
        raise InputError(
            f"{folder} has no checkpoint; expected a run that was trained for at least "
            "one epoch"
        )
    try:
        load_network(latest, name, network)
    except InputError as error:
        raise InputError(
            f"{latest} does not fit the network that {folder.parent}/config.yaml "
            f"describes: {error}"
        ) from error
