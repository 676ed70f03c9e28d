"""The start of a training run: its folder made or found again, and held alone."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tfipgan.config import Config, save_config, to_dict
from tfipgan.data.filenames import Sample
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.errors import InputError, first_few
from tfipgan.files.lock import locked
from tfipgan.files.output_file import remove_stale_files
from tfipgan.runs.run import Run, create_run, open_run

LOCK, IMAGES, LEFT_OUT = ".lock", "images.json", "left_out.json"
SHOWN = 5
_WEIGHTS = "weights_sha256"
# What a message calls a digest's owner.
_DECIDES = {"semantic": "semantic discriminator", "model": "run to adapt"}

logger = logging.getLogger(__name__)


@contextmanager
def start_run(
    path: str | os.PathLike,
    kind: str,
    config: Config,
    *,
    images: Mapping[str, Sequence[Sample]],
    labels: LabelMap | None = None,
    domains: DomainMap | None = None,
    adapted: str | None = None,
    digests: Mapping[str, str] | None = None,
    left_out: Mapping[str, str] | None = None,
    resume: bool = False,
    extendable: Sequence[str] = (),
) -> Iterator[Run]:
    """Give a new run folder, or the one to go on with, to this process alone.

    What killed processes left half-written is removed.

    Args:
        path, kind, config, labels, domains, adapted: as for `create_run`.
        images: what it is trained on, by what they are; the run remembers the names,
            identities and cameras. Their folder may move.
        digests: of what else decides the training, by what it is: of the weights of
            "semantic", the semantic discriminator, or of "model", the run to adapt.
            Each is kept as NAME.json.
        left_out: why each image that isn't used could not be read, by path.
        resume: whether a run may be there; it must be of the same config, labels,
            images and digests. One of an earlier version may not know its images, or
            its semantic discriminator.
        extendable: names of config values that may be higher than the run's, such as
            "reid.epochs": then the run's config is changed, and a line in the log says
            so.

    Raises:
        InputError: something is there and `resume` is off; or it is another run, with
            the difference named; or another process trains it.
    """
    path = Path(path)
    with ExitStack() as held:
        if resume and (path / "run.json").exists():
            held.enter_context(locked(path / LOCK, str(path)))
            run = open_run(path, kind)
            longer = _raised(to_dict(run.config), to_dict(config), extendable)
            _require_same(run, config, labels, domains, images, digests or {}, longer)
            if longer:
                save_config(config, path / "config.yaml")
                run = replace(run, config=config)
                logger.info("%s goes on with %s", path, ", ".join(longer.values()))
            for folder in (path, run.checkpoints, run.best, path / "samples"):
                remove_stale_files(folder)
            yield run
            return

        def write_extra(folder: Path) -> None:
            # Held from before the folder has its name.
            held.enter_context(locked(folder / LOCK, str(path)))
            _write(folder / IMAGES, {name: _rows(s) for name, s in images.items()})
            for name, digest in (digests or {}).items():
                _write(folder / f"{name}.json", {_WEIGHTS: digest})
            if left_out:
                _write(folder / LEFT_OUT, dict(left_out))

        _remove_stale_folders(path)
        yield create_run(
            path,
            kind,
            config,
            labels,
            domains,
            adapted=adapted,
            write_extra=write_extra,
        )


def run_identity(
    config: Config,
    images: Mapping[str, Sequence[Sample]],
    digests: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return what must be the same on all workers of a run, by what it is of.

    The arguments are those of `start_run`.
    """
    rows = {
        f"list of {name} images": json.dumps(_rows(s)) for name, s in images.items()
    }
    others = {_DECIDES.get(name, name): text for name, text in (digests or {}).items()}
    return {"config": json.dumps(to_dict(config)), **rows, **others}


def _raised(saved, current, extendable):
    """Return {name: words} of the config values that may be higher, and are."""
    return {
        key: f"{key} {new}, {old} before"
        for key, old, new in _pairs(saved, current)
        if key in extendable and new > old
    }


def _remove_stale_folders(path):
    """Remove folders of processes that were killed before theirs had its name."""
    for folder in path.parent.glob(f".{path.name}.*.tmp"):
        try:
            with locked(folder / LOCK, str(path)):
                shutil.rmtree(folder)
        except (InputError, FileNotFoundError):
            pass  # not killed: it is at it


def _require_same(run, config, labels, domains, images, digests, longer):
    if run.imported is not None:
        raise InputError(
            f"{run.path} was imported from {run.imported} and not trained, so there is "
            "no training to go on with: start a new run from its weights"
        )
    differences = {
        "config": _config_difference(to_dict(run.config), to_dict(config), longer),
        "number of datasets": _count_difference(run.labels, labels),
        "identities": _numbers_difference(run.labels, labels, "class_ids"),
        "cameras": _numbers_difference(run.domains, domains, "cameras"),
    }
    path = run.path / IMAGES
    if path.exists():
        saved = _read(path)
        for name, samples in images.items():
            found = _images_difference(saved.get(name, []), _rows(samples))
            differences[f"{name} images"] = found
        for name in saved.keys() - images.keys():
            differences[f"{name} images"] = f"{len(saved[name])} there, none here"
    for name, current in digests.items():
        saved = _read_digest(run.path / f"{name}.json")
        if saved and saved != current:
            differences[_DECIDES.get(name, name)] = (
                f"its weights have the digest {saved[:12]} there, {current[:12]} here"
            )
    for what, difference in differences.items():
        if difference:
            raise InputError(
                f"{run.path} is a run with another {what} ({difference}); --resume "
                "goes on with the same config and data: give those, or another --out"
            )


def _config_difference(saved, current, longer):
    changes = [
        f"{key} is {old} there, {new} here"
        for key, old, new in _pairs(saved, current)
        if old != new and key not in longer
    ]
    return first_few(changes, SHOWN, counted=True)


def _pairs(saved, current, prefix=""):
    """Yield (key, value there, value here) of two configs."""
    for key, old in saved.items():
        if isinstance(old, dict):
            yield from _pairs(old, current[key], f"{key}.")
        else:
            yield prefix + key, old, current[key]


def _count_difference(saved, current):
    old, new = (len(m.datasets) or 1 if m else 1 for m in (saved, current))
    return "" if old == new else f"{old} there, {new} here"


def _numbers_difference(saved, current, attribute):
    old, new = (set(getattr(m, attribute)) if m else set() for m in (saved, current))
    if old == new:
        return ""
    several = [f"{len(old)} there, {len(new)} here"]
    several += [f"{min(old - new)} is only there"] if old - new else []
    several += [f"{min(new - old)} is only here"] if new - old else []
    return ", ".join(several)


def _images_difference(saved, current):
    if saved == current:
        return ""
    ends = zip([*saved, None], [*current, None], strict=False)
    old, new = next((old, new) for old, new in ends if old != new)
    return (
        f"{len(saved)} there, {len(current)} here, the first that differs is "
        f"{_row_text(old)} there, {_row_text(new)} here"
    )


def _row_text(row):
    if row is None:
        return "none"
    name, person, camera = row
    return f"{name} (person {person}, camera {camera})"


def _rows(samples):
    """Return [name, identity, camera] of each image, in order.

    Names are relative to the folder that holds them all, wherever it is.
    """
    folders = {os.path.dirname(sample.path) for sample in samples}
    top = os.path.commonpath(folders) if folders else ""
    return [
        [s.path.removeprefix(top).lstrip(os.sep), s.person_id, s.camera_id]
        for s in samples
    ]


def _write(path, content):
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _read(path):
    try:
        content = json.loads(path.read_bytes())
        if any(len(row) != 3 for rows in content.values() for row in rows):
            raise ValueError("a row has not three values")
        return content
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}); expected the names of the run's images: "
            "remove it to go on without comparing them"
        ) from error


def _read_digest(path):
    """Return the digest that a run was started with; None if it knows none."""
    if not path.exists():
        return None
    try:
        digest = json.loads(path.read_bytes())[_WEIGHTS]
        if not isinstance(digest, str):
            raise ValueError("no digest")
        return digest
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} is damaged ({error!r}); expected the digest of a network's "
            "weights: remove it to go on without comparing them"
        ) from error
