"""The models of a folder: their versions, loaded and exchanged while requests run."""

import dataclasses
import logging
import threading
import time
from pathlib import Path

import grpc
from tensorflow_serving.apis import get_model_status_pb2

from tfipgan.errors import InputError
from tfipgan.export.versions import read_versions
from tfipgan.serving.servable import Servable
from tfipgan.serving.status import RequestError

log = logging.getLogger(__name__)

State = get_model_status_pb2.ModelVersionStatus.State


class ModelStore:
    """Every model folder in a folder, each with numbered versions.

    Which models there are is settled at the start; their versions are looked for again
    and again. Of each model the highest version that loads is served, and those with a
    label; or all. A new version is loaded while the old one answers. A version that
    can't be loaded is tried again when its files change.
    """

    def __init__(self, root, *, all_versions=False, labels=(), on_change=None):
        """Look for models; nothing is loaded yet.

        Args:
            root: the folder.
            all_versions: serve all versions of each model.
            labels: (model, label, version) tuples.
            on_change: function of (model, version, state), called after each change.

        Raises:
            InputError: no model there, or a label for none of them.
        """
        self._root = Path(root)
        self._all_versions = all_versions
        self._on_change = on_change or (lambda name, version, state: None)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._poller = None
        # What files a folder held when it was looked at last, by path.
        self._seen = {}
        self._models = {name: {} for name in _find_models(self._root)}
        self._labels = {name: {} for name in self._models}
        for name, label, version in labels:
            if name not in self._models:
                raise InputError(
                    f"label {label}: no model {name} in {root}; expected one of "
                    f"{', '.join(self._models)}"
                )
            self._labels[name][label] = version

    @property
    def names(self):
        """Names of the models, a list."""
        return list(self._models)

    def load(self):
        """Load the versions that are there.

        Raises:
            InputError: a model has no version that loads, or a label points to none.
        """
        for name in self._models:
            self._update(name, first=True)
            available = self._available(name)
            if not available:
                raise InputError(self._why_none(name))
            for label, version in self._labels[name].items():
                if version not in available:
                    raise InputError(
                        f"label {label}: version {version} of {name} is not served; "
                        f"expected one of {', '.join(map(str, sorted(available)))}"
                    )

    def watch(self, seconds):
        """Look for other versions every so many seconds, until `close`."""
        self._poller = threading.Thread(
            target=self._poll, args=(seconds,), name="versions", daemon=True
        )
        self._poller.start()

    def close(self):
        """Unload all versions; requests must have ended, or `close` waits for them."""
        self._stopping.set()
        if self._poller is not None:
            self._poller.join()
        for name in self._models:
            for version in self._available(name):
                self._unload(name, version, wait=True)

    def cancel(self):
        """End what is being run; whoever waits for it gets an error."""
        for name in self._models:
            for servable in self._available(name).values():
                servable.cancel()

    def is_ready(self):
        """Whether each model has a version that answers."""
        return all(self._available(name) for name in self._models)

    def hold(self, spec):
        """Return the version that a request asks for; the caller must `release` it.

        Args:
            spec: `ModelSpec`.

        Returns:
            `Servable`.

        Raises:
            RequestError: NOT_FOUND for a version that isn't served, INVALID_ARGUMENT
                for a label that isn't known or no name.
        """
        if not spec.name:
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."
            )
        choice = spec.WhichOneof("version_choice")
        wanted = None
        if choice == "version_label":
            wanted = self._labels.get(spec.name, {}).get(spec.version_label)
            if wanted is None:
                raise RequestError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Unrecognized servable version label: {spec.version_label}",
                )
        elif choice == "version":
            wanted = spec.version.value
        with self._lock:
            available = _available(self._models.get(spec.name, {}))
            version = max(available, default=None) if wanted is None else wanted
            if version in available:
                available[version].hold()
                return available[version]
        asked = f"Latest({spec.name})"
        if wanted is not None:
            asked = f"Specific({spec.name}, {wanted})"
        raise RequestError(
            grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}"
        )

    def status(self, spec):
        """Return the state of one version, or of all that are known.

        Args:
            spec: `ModelSpec`; a label in it is ignored, as the stock server does.

        Returns:
            List of (version, state, error text or None), highest version first.

        Raises:
            RequestError: NOT_FOUND.
        """
        with self._lock:
            entries = dict(self._models.get(spec.name, {}))
        if not entries:
            raise RequestError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find any versions of model {spec.name}",
            )
        if spec.HasField("version"):
            number = spec.version.value
            if number not in entries:
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find version {number} of model {spec.name}",
                )
            entries = {number: entries[number]}
        return [
            (number, entry.state, entry.error)
            for number, entry in sorted(entries.items(), reverse=True)
        ]

    def _poll(self, seconds):
        while not self._stopping.wait(seconds):
            for name in self._models:
                try:
                    self._update(name)
                except OSError as error:
                    # A file share that is away for a while takes no model with it.
                    log.warning("%s: %s; versions stay as they are", name, error)

    def _update(self, name, first=False):
        """Load what should be served, then unload what should not."""
        keep = set()
        found = read_versions(self._root / name)
        for version, path in reversed(found.items()):
            labelled = version in self._labels[name].values()
            wanted = self._all_versions or labelled or not keep
            if wanted and not self._stopping.is_set():
                if version in self._available(name) or self._load(
                    name, version, path, first
                ):
                    keep.add(version)
        if found and not keep:
            # One that is served is better than none, even if its folder has gone.
            return
        for version in self._available(name).keys() - keep:
            if not self._stopping.is_set():
                self._unload(name, version)

    def _load(self, name, version, path, first):
        """Whether the version is loaded now."""
        files = _look_at(path)
        entry = self._models[name].get(version)
        if entry is not None and entry.error is not None and entry.files == files:
            return False
        if entry is not None and entry.state == State.UNLOADING:
            return False
        settled = first or self._seen.get(path) == files
        self._seen[path] = files
        if not settled or "saved_model.pb" not in files:
            # Still being written, as far as one can see.
            self._set(name, version, State.START)
            return False
        self._set(name, version, State.LOADING)
        start = time.monotonic()
        try:
            servable = Servable(name, version, path)
        except (InputError, OSError) as error:
            self._set(name, version, State.END, error=str(error), files=files)
            log.error("%s version %d is not served: %s", name, version, error)
            return False
        self._set(name, version, State.AVAILABLE, servable)
        seconds = time.monotonic() - start
        log.info("%s version %d is served, loaded in %.1f s", name, version, seconds)
        return True

    def _unload(self, name, version, wait=False):
        servable = self._models[name][version].servable
        self._set(name, version, State.UNLOADING)

        def finish():
            servable.close()
            self._set(name, version, State.END)
            log.info("%s version %d is unloaded", name, version)

        # A long request must not keep the next version from being loaded.
        thread = threading.Thread(target=finish, name="unload", daemon=True)
        thread.start()
        if wait:
            thread.join()

    def _set(self, name, version, state, servable=None, error=None, files=None):
        with self._lock:
            old = self._models[name].get(version)
            self._models[name][version] = _Entry(state, servable, error, files)
        if old is None or old.state != state:
            self._on_change(name, version, state)

    def _available(self, name):
        with self._lock:
            return _available(self._models[name])

    def _why_none(self, name):
        with self._lock:
            entries = sorted(self._models[name].items(), reverse=True)
        for version, entry in entries:
            path = self._root / name / str(version)
            return entry.error or (
                f"{path} holds no saved_model.pb; expected a SavedModel: export it "
                "again"
            )
        return f"{self._root / name} holds no version; expected a folder such as 1"


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A version at one moment."""

    state: int
    servable: Servable | None
    error: str | None
    # What the folder held when the version failed.
    files: dict | None


def _available(entries):
    return {
        version: entry.servable
        for version, entry in entries.items()
        if entry.state == State.AVAILABLE
    }


def _find_models(root):
    if not root.is_dir():
        raise InputError(f"{root} is no folder; expected one with a folder for a model")
    if read_versions(root):
        raise InputError(
            f"{root} holds versions itself; expected a folder of models: "
            f"give {root.resolve().parent}"
        )
    folders = sorted(
        path for path in root.iterdir() if path.is_dir() and path.name[0] != "."
    )
    if not folders:
        raise InputError(
            f"{root} is empty; expected a folder for each model, such as "
            f"{root / 'extractor' / '1'}: run tfipgan export"
        )
    models = [path.name for path in folders if _holds_versions(path)]
    if not models:
        raise InputError(
            f"{root} holds no version of a model; expected folders with a number for "
            f"a name, such as {folders[0] / '1'}: run tfipgan export"
        )
    return models


def _holds_versions(folder):
    try:
        return bool(read_versions(folder))
    except PermissionError as error:
        # A disk's lost+found, say; a model's folder would be missed by who asks.
        log.warning("%s is passed over: %s", folder, error.strerror)
        return False


def _look_at(folder):
    """{relative path: (size, time)} of all files below a folder."""
    files = {}
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:
            # Renamed or removed since it was listed: someone is at work here.
            continue
        if not path.is_dir():
            name = path.relative_to(folder).as_posix()
            files[name] = (stat.st_size, stat.st_mtime_ns)
    return files
