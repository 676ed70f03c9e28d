"""The run folder: what a training run leaves, and how other stages read it.

RUN/run.json         kind of the run, and the versions it was made with
RUN/config.yaml      the resolved config
RUN/labels.json      identities in the order of their labels (re-ID runs)
RUN/domains.json     the target's cameras in the order of their domains (GAN runs)
RUN/checkpoints/     the last checkpoints; RUN/best/ the best, if one was chosen
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
from tfipgan.config import Config, load_config, save_config
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.models import Generator, ReidNetwork
from tfipgan.networks import build_generator, build_reid_network
from tfipgan.output_file import require_new_folder, written_aside
from tfipgan.variables import named_variables

RESUME = "--resume to go on with this run"

_MAKERS = {"gan": "train-gan", "reid": "train-reid"}


@dataclass(frozen=True)
class Run:
    """A run folder and what its small files say.

    Attributes:
        path: the folder.
        kind: "gan" or "reid".
        config: the resolved config of the training run.
        labels: of a re-ID run, else None.
        domains: of a GAN run, else None.
    """

    path: Path
    kind: str
    config: Config
    labels: LabelMap | None = None
    domains: DomainMap | None = None

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
) -> Run:
    """Make a new run folder.

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
    # Last, because it is what makes the folder a run.
    with written_aside(path / "run.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")
    return Run(path, kind, config, labels, domains)


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
            f"`tfipgan {_MAKERS[kind]}` made"
        )
    try:
        found = json.loads(about_path.read_text())["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{about_path} is damaged ({error!r}); expected a JSON object with a kind"
        ) from error
    if found != kind:
        raise InputError(
            f"{path} is a run of kind {found!r}, expected {kind!r}: give one that "
            f"`tfipgan {_MAKERS[kind]}` made"
        )
    config = load_config(path / "config.yaml")
    if kind == "gan":
        return Run(path, kind, config, domains=DomainMap.load(path / "domains.json"))
    return Run(path, kind, config, labels=LabelMap.load(path / "labels.json"))


def load_generator(run: Run) -> Generator:
    """Build the run's generator with the weights of its last checkpoint.

    Raises:
        InputError: there is no checkpoint, or one of another network.
    """
    generator = build_generator(run.config.gan, run.domains.num_domains)
    _restore(run.checkpoints, generator=generator)
    return generator


def load_reid_network(run: Run) -> ReidNetwork:
    """Build the run's re-ID network with its best weights, or its last if none is best.

    Raises:
        InputError: there is no checkpoint, or one of another network.
    """
    network = build_reid_network(run.config.reid, len(run.labels))
    folder = run.best if run.best.exists() else run.checkpoints
    _restore(folder, network=network)
    return network


def _restore(folder: Path, **objects) -> None:
    latest = tf.train.latest_checkpoint(str(folder))
    if latest is None:
        raise InputError(
            f"{folder} has no checkpoint; expected a run that was trained for at least "
            "one epoch"
        )
    try:
        variables = {name: named_variables(owner) for name, owner in objects.items()}
        status = tf.train.Checkpoint(**variables).restore(latest)
        status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{latest} does not fit the network that {folder.parent}/config.yaml "
            f"describes: {reason}"
        ) from error
