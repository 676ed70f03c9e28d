"""One version of a model in memory: its signatures, and how they are run."""

import logging
import threading

import tensorflow as tf

from tfipgan.errors import InputError
from tfipgan.export.warmup import WARMUP_FILE, read_warmup_log
from tfipgan.files.utf8_path import utf8_path
from tfipgan.serving.prediction import prepare
from tfipgan.serving.status import RequestError, first_line

log = logging.getLogger(__name__)


class Servable:
    """A SavedModel in a session, as the stock server runs it.

    Attributes:
        name: name of the model.
        version: int.
        signatures: {name: `SignatureDef`}.

    A request that resolved to this version holds it with `hold` and lets it go with
    `release`; `close` waits for all of them.
    """

    def __init__(self, name, version, path):
        """Load a version and play its warm-up records.

        Args:
            name: name of the model.
            version: int.
            path: the version's folder.

        Raises:
            InputError: no SavedModel with the tag `serve`, or one that can't be loaded,
                or a warm-up record that fails.
        """
        self.name = name
        self.version = version
        self._requests = 0
        self._changed = threading.Condition()
        config = tf.compat.v1.ConfigProto()
        config.gpu_options.allow_growth = True
        # A session doesn't see these by itself.
        threads = tf.config.threading
        config.intra_op_parallelism_threads = threads.get_intra_op_parallelism_threads()
        config.inter_op_parallelism_threads = threads.get_inter_op_parallelism_threads()
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            self.signatures = self._load(path)
            self._warm_up(path)
        except BaseException:
            self._session.close()
            raise

    def hold(self):
        """Keep this version in memory until `release`."""
        with self._changed:
            self._requests += 1

    def release(self):
        """End a `hold`."""
        with self._changed:
            self._requests -= 1
            self._changed.notify_all()

    def close(self):
        """Free the memory as soon as no request holds this version."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests == 0)
        self._session.close()

    def cancel(self):
        """End what is being run; nothing can be run after it."""
        self._session.close()

    def run(self, signature_name, inputs, outputs, timeout=None):
        """Run a signature.

        Args:
            signature_name: a key of `signatures`.
            inputs: {alias: array}.
            outputs: aliases to compute.
            timeout: seconds after which the run is given up, or None.

        Returns:
            {alias: array} of `outputs`.

        Raises:
            tf.errors.OpError: an operation failed, or the time is over.
        """
        signature = self.signatures[signature_name]
        feeds = {signature.inputs[alias].name: inputs[alias] for alias in inputs}
        fetches = {alias: signature.outputs[alias].name for alias in outputs}
        milliseconds = 0 if timeout is None else max(1, round(timeout * 1000))
        options = tf.compat.v1.RunOptions(timeout_in_ms=milliseconds)
        return self._session.run(fetches, feeds, options=options)

    def _load(self, path):
        load = tf.compat.v1.saved_model.loader.load
        try:
            with self._session.graph.as_default(), utf8_path(path) as named:
                meta_graph = load(self._session, ["serve"], named)
        except tf.errors.OpError as error:
            raise InputError(f"{path} can't be loaded: {first_line(error)}") from error
        except Exception as error:
            # A torn saved_model.pb may fail anywhere in the reading of the graph.
            text = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{path} can't be loaded: {text}") from error
        return dict(meta_graph.signature_def)

    def _warm_up(self, path):
        file = path / WARMUP_FILE
        for number, entry in enumerate(read_warmup_log(path), 1):
            kind = entry.WhichOneof("log_type")
            if kind != "predict_log":
                log.warning("%s: record %d is a %s, left out", file, number, kind)
                continue
            try:
                call = prepare(self, entry.predict_log.request)
                self.run(call.signature_name, call.inputs, call.outputs)
            except RequestError as error:
                raise _bad_record(file, number, error.text) from error
            except tf.errors.OpError as error:
                raise _bad_record(file, number, first_line(error)) from error
            except ValueError as error:
                text = " ".join(str(error).split())
                raise _bad_record(file, number, text) from error


def _bad_record(file, number, why):
    return InputError(f"{file}: warm-up fails at record {number}: {why}")
