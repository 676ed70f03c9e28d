"""The run folder: what a training run leaves, and how other stages read it.

RUN/run.json         kind of the run, and the versions it was made with
RUN/config.yaml      the resolved config
RUN/labels.json      identities in the order of their labels (runs of `train-reid`);
                     with reid.labels camera, cameras; of several datasets, whose
RUN/domains.json     the target's cameras in the order of their domains (GAN runs); 0
                     alone if the whole target is one domain
RUN/images.json      the images it is trained on, for --resume
RUN/semantic.json    digest of the semantic discriminator's weights, for --resume
RUN/model.json       digest of the weights that `adapt` goes on from, for --resume
RUN/left_out.json    images that couldn't be read, and why; if there were any
RUN/checkpoints/     the last checkpoints, see `tfipgan.weights.checkpoints`
RUN/best/            the best, if one was chosen
RUN/metrics.jsonl    a line of numbers every few steps
RUN/tensorboard/     the same for TensorBoard
RUN/samples/         sheets of translated images (GAN runs)
RUN/clusters/        each epoch's clusters, and sheets of them (runs of `adapt`)
RUN/camera_03/       a GAN run of its own for each camera (gan.method camstyle), which
                     has the checkpoints, the numbers and the sheets then
RUN/.lock            held while a process trains
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from tfipgan import __version__
from tfipgan.config import Config, load_saved_config, save_config
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.files.output_file import atomic_folder, require_new_folder
from tfipgan.models import Discriminator, Generator, ReidNetwork
from tfipgan.models.from_config import (
    build_discriminator,
    build_generator,
    build_reid_network,
)
from tfipgan.models.translator import CameraTranslators, Translator
from tfipgan.weights.checkpoints import (
    intact_checkpoint,
    latest_checkpoint,
    list_checkpoints,
    load_network,
)

RESUME = "--resume to go on with this run"

_MAKERS = {
    "gan": "`tfipgan train-gan` or `import-weights`",
    "reid": "`tfipgan train-reid`, `adapt` or `import-weights`",
}


@dataclass(frozen=True)
class Run:
    """A run folder and what its small files say.

    Attributes:
        path: the folder.
        kind: "gan" or "reid".
        config: the resolved config of the training run.
        labels: of a re-ID run that was trained, where config.reid.labels says what the
            numbers are; None of one that was imported or adapted, which gives
            features only, and of GAN runs.
        domains: of a GAN run, else None.
        imported: name of the file that its weights came from; None if it was trained.
        adapted: name of the re-ID run that it was adapted from, without labels; else
            None.
    """

    path: Path
    kind: str
    config: Config
    labels: LabelMap | None = None
    domains: DomainMap | None = None
    imported: str | None = None
    adapted: str | None = None

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
    adapted: str | None = None,
    write_extra: Callable[[Path], object] | None = None,
) -> Run:
    """Make a new run folder, whole or not at all; `Run` says what the arguments are.

    Args:
        write_extra: called with the folder before it has its name, to write more into
            it.

    Raises:
        InputError: there is something at the path already.
    """
    path = Path(path)
    require_new_folder(path, RESUME)
    try:
        with atomic_folder(path, replace=False) as temporary:
            if write_extra is not None:
                write_extra(temporary)
            save_config(config, temporary / "config.yaml")
            if labels is not None:
                labels.save(temporary / "labels.json")
            if domains is not None:
                domains.save(temporary / "domains.json")
            about = {
                "kind": kind,
                "tfipgan": __version__,
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
            }
            for name, origin in (("imported", imported), ("adapted", adapted)):
                if origin is not None:
                    about[name] = origin
            (temporary / "run.json").write_text(json.dumps(about, indent=2) + "\n")
    except OSError:
        # Another process may have been faster.
        require_new_folder(path, RESUME)
        raise
    return Run(path, kind, config, labels, domains, imported, adapted)


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
        about = json.loads(about_path.read_bytes())
        found, imported = about["kind"], about.get("imported")
        adapted = about.get("adapted")
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InputError(
            f"{about_path} is damaged ({error!r}); expected a JSON object with a kind"
        ) from error
    if found != kind:
        raise InputError(
            f"{path} is a run of kind {found!r}, expected {kind!r}: give one that "
            f"{_MAKERS[kind]} made"
        )
    config = load_saved_config(path / "config.yaml")
    labels = domains = None
    if kind == "gan":
        domains = DomainMap.load(path / "domains.json")
    elif imported is None and adapted is None:
        labels = LabelMap.load(path / "labels.json")
    return Run(path, kind, config, labels, domains, imported, adapted)


def require_classifier(run: Run) -> LabelMap:
    """Return the identities that a re-ID run tells apart.

    Raises:
        InputError: it is imported or adapted and so tells nothing apart, or it tells
            cameras, or
            people of several datasets.
    """
    return _require_labels(run, "person", "identities")


def require_camera_classifier(run: Run) -> LabelMap:
    """Return the cameras that a re-ID run tells apart, as its class_ids.

    Raises:
        InputError: it is imported or adapted and so tells nothing apart, or it tells
            identities, or cameras of several datasets.
    """
    return _require_labels(run, "camera", "cameras")


def _require_labels(run: Run, wanted: str, classes: str) -> LabelMap:
    if run.labels is None:
        made = f"{'adapted' if run.adapted else 'imported'} from"
        raise InputError(
            f"{run.path} was {made} {run.adapted or run.imported} and can tell no "
            f"{classes}, it gives features only: give a run that `tfipgan "
            "train-reid` trained"
        )
    found = run.config.reid.labels
    if found != wanted:
        raise InputError(
            f"{run.path} was trained with reid.labels {found} and can tell no "
            f"{classes}: give a run of `tfipgan train-reid` with reid.labels {wanted}"
        )
    if run.labels.datasets:
        raise InputError(
            f"{run.path} was trained on {len(run.labels.datasets)} datasets, whose "
            f"{classes} it keeps apart, and the number in an image's name does not say "
            "of which it is: give a run of `tfipgan train-reid` on the one dataset"
        )
    return run.labels


def camera_folder(run: Run, camera: int) -> Path:
    """Return the folder of a camera's own run, of a run with gan.method camstyle."""
    return run.path / f"camera_{camera:02d}"


def generator_runs(run: Run) -> tuple[Run, ...]:
    """Return the GAN runs that have a run's generators, most often itself alone.

    With gan.method camstyle they are those of the cameras, in the order of the domains.

    Raises:
        InputError: the training has not come to all cameras yet.
    """
    if run.config.gan.method != "camstyle":
        return (run,)
    for camera in run.domains.cameras:
        folder = camera_folder(run, camera)
        if not list_checkpoints(folder / "checkpoints"):
            raise InputError(
                f"{run.path} has no network for camera {camera} yet ({folder}); "
                "`tfipgan train-gan` with --resume goes on with its training"
            )
    return tuple(open_run(camera_folder(run, c), "gan") for c in run.domains.cameras)


def load_generator(run: Run) -> Generator:
    """Build the run's generator with the weights of its last checkpoint.

    A damaged checkpoint is a warning, and the one before it is taken.

    Raises:
        InputError: there is no checkpoint, or one of another network, or all are
            damaged; the run has a generator for each camera.
    """
    return _load_generator(run)[0]


def _load_generator(run: Run) -> tuple[Generator, Path]:
    _require_one(run)
    generator = build_generator(run.config.gan, run.domains.num_domains)
    return generator, _restore(run.checkpoints, "generator", generator)


def load_translator(run: Run) -> Translator | CameraTranslators:
    """Return what translates to the run's target cameras; as `load_generator`."""
    return load_translator_and_checkpoints(run)[0]


def load_translator_and_checkpoints(
    run: Run,
) -> tuple[Translator | CameraTranslators, list[Path]]:
    """As `load_translator`, with the checkpoint's folder of each of its networks.

    While the run is still trained, it may have another last checkpoint soon after.
    """
    cameras, image_size = run.domains.cameras, run.config.gan.image_size
    runs = generator_runs(run)
    if runs == (run,):
        generator, checkpoint = _load_generator(run)
        return Translator(generator, cameras, image_size), [checkpoint]
    loaded = [load_translator_and_checkpoints(each) for each in runs]
    translators = [translator for translator, _ in loaded]
    checkpoints = [checkpoint for _, (checkpoint,) in loaded]
    return CameraTranslators(translators, cameras, image_size), checkpoints


def load_discriminator(run: Run) -> Discriminator:
    """Build the run's domain discriminator; as `load_generator`."""
    _require_one(run)
    discriminator = build_discriminator(run.config.gan, run.domains.num_domains)
    _restore(run.checkpoints, "discriminator", discriminator)
    return discriminator


def _require_one(run: Run) -> None:
    if run.config.gan.method == "camstyle":
        example = camera_folder(run, run.domains.cameras[0])
        raise InputError(
            f"{run.path} has networks for each camera (gan.method camstyle), expected "
            f"a run of one: give that of a camera, such as {example}"
        )


def load_reid_network(run: Run, precision: str = "float32") -> ReidNetwork:
    """Build the run's re-ID network with its best weights, or its last if none is best.

    Of an imported or adapted run, which has no labels, it has no classifier. As for
    `load_generator`, a damaged checkpoint is a warning; the last does not stand in for
    the best. It computes in `precision`, whatever it was trained in.

    Raises:
        InputError: there is no checkpoint, or one of another network, or all are
            damaged.
    """
    return load_reid_network_and_checkpoint(run, precision)[0]


def load_reid_network_and_checkpoint(
    run: Run, precision: str = "float32"
) -> tuple[ReidNetwork, Path]:
    """As `load_reid_network`, with the folder of the checkpoint that it is of."""
    num_classes = None if run.labels is None else len(run.labels)
    config = run.config
    network = build_reid_network(config.backbone, config.reid, num_classes, precision)
    folder = run.best if latest_checkpoint(run.best) else run.checkpoints
    return network, _restore(folder, "network", network)


def _restore(folder: Path, name: str, network) -> Path:
    """Give a network the weights of the last whole checkpoint; return that."""
    checkpoint = intact_checkpoint(folder)
    if checkpoint is None:
        raise InputError(
            f"{folder} has no checkpoint; expected a run that was trained for at least "
            "one epoch"
        )
    try:
        load_network(checkpoint, name, network)
    except InputError as error:
        raise InputError(
            f"{checkpoint} does not fit the network that {folder.parent}/config.yaml "
            f"describes: {error}"
        ) from error
    return checkpoint
