"""Runs as SavedModels, which TensorFlow Serving runs as they are.

MODELS/<name>/<version>/saved_model.pb, variables/      the graph and the weights
MODELS/<name>/<version>/assets.extra/tfipgan.json       what it is, and made of what
.../assets.extra/tf_serving_warmup_requests             see `tfipgan.export.warmup`
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfipgan import __version__
from tfipgan.config import to_dict
from tfipgan.data.datasets import read_images
from tfipgan.data.images import (
    ImageEncoding,
    decode_image,
    encode_image,
    signed_to_bytes,
    to_signed,
    to_unit,
)
from tfipgan.data.local_images import MAX_PIXELS, converted
from tfipgan.data.readable import check_readable
from tfipgan.errors import InputError
from tfipgan.export.modules import (
    extractor_signatures,
    translator_signatures,
)
from tfipgan.export.versions import publish_version, require_free_version
from tfipgan.export.warmup import read_warmup, write_warmup
from tfipgan.files.utf8_path import utf8_path
from tfipgan.models.inference import InferenceNetwork
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import (
    Run,
    generator_runs,
    load_reid_network_and_checkpoint,
    load_translator_and_checkpoints,
)
from tfipgan.translation.graph import for_each_camera
from tfipgan.world.datasets import synthesize
from tfipgan.world.record import WorldOptions

ABOUT_FILE = Path("assets.extra", "tfipgan.json")
TOLERANCE = 1e-5
# Of the pixels of files, 0 to 255, on average: a value on the edge between two whole
# ones may fall to either side.
FILE_TOLERANCE = 0.5
CHECK_IMAGES = 4
METRICS_KEPT = 5

_FILES_IN = (
    f"JPEG, PNG or BMP files of at most {MAX_PIXELS:,} pixels, resized to image_size"
)


def export_translator(
    run: Run,
    models: str | os.PathLike,
    *,
    version: int | None = None,
    image_format: str | None = None,
    check_images: str | os.PathLike | None = None,
) -> Path:
    """Write a GAN run's generator, or all of them, as models/translator/<version>.

    `translator_signatures` says what it answers. Before it has its name it is loaded
    and compared with the network on images.

    Args:
        run: of kind "gan".
        models: the folder of the models; made if it is missing.
        version: its number; None is one more than the highest there is.
        image_format: "jpeg" or "png", of the images that come out; None is the run's
            translation.format.
        check_images: a folder of images to compare on, the first four; None is four
            of the built-in world.

    Returns:
        The version's folder.

    Raises:
        InputError: the version is taken, an unknown format, images that can't be read,
            a run that can't be loaded, or an answer that is not the network's.
    """
    settings = run.config.translation
    encoding = ImageEncoding(image_format or settings.format, settings.quality)
    folder = Path(models) / "translator"
    require_free_version(folder, version)
    files = _check_files(check_images)
    translator, checkpoints = load_translator_and_checkpoints(run)
    cameras, size = translator.cameras, translator.image_size
    if max(cameras) > tf.int32.max:
        raise InputError(
            f"camera {max(cameras)} of {run.path} is above {tf.int32.max}, the highest "
            "that a request can name: renumber the target's cameras"
        )

    def check(call: Callable) -> None:
        # Each image for each camera, in the order of all_cameras.
        images = to_signed(_decoded(files, size))
        images, places = for_each_camera(images, len(cameras))
        camera = np.tile(np.array(cameras, np.int32), len(files))
        expected = translator(images, places)
        _require_finite(run, expected)
        got = call("tensor", images=images, camera=camera)["images"]
        _require_near(run, got, expected, TOLERANCE, np.max)
        pixels = [
            _pixels(encode_image(image, encoding))
            for image in signed_to_bytes(expected)
        ]
        repeated = tf.repeat(tf.constant(files), len(cameras))
        default = call("serving_default", image_bytes=repeated, camera=camera)
        answers = call("all_cameras", image_bytes=tf.constant(files))
        for encoded in (default["image_bytes"], answers["image_bytes"]):
            got = [_pixels(contents) for contents in tf.reshape(encoded, [-1])]
            _require_near(run, got, pixels, FILE_TOLERANCE, np.mean)
        _require_near(run, np.ravel(answers["cameras"]), camera, 0, np.max)

    written = "PNG files"
    if encoding.format == "jpeg":
        written = f"JPEG files, quality {encoding.quality}, 4:4:4"
    about = {
        "cameras": list(cameras),
        "image_format": encoding.format,
        "inputs": {
            "image_bytes": _FILES_IN,
            "images": "RGB in [-1, 1]",
            "camera": "the target's own camera number, one of cameras",
        },
        "outputs": {
            "image_bytes": written,
            "images": "RGB in [-1, 1]",
            "cameras": "of the columns of image_bytes",
        },
    }
    return _export(
        run,
        folder,
        version,
        translator_signatures(translator, encoding),
        check,
        {"image_size": list(size), **about, **_about_generators(run, checkpoints)},
        files[0],
        cameras[0],
    )


def export_extractor(
    run: Run,
    models: str | os.PathLike,
    *,
    version: int | None = None,
    check_images: str | os.PathLike | None = None,
) -> Path:
    """Write a re-ID run's network as models/extractor/<version>.

    `extractor_signatures` says what it answers. Batch norm is folded. Arguments,
    result and errors are those of `export_translator`.

    Args:
        run: of kind "reid", trained or imported.
    """
    size = run.config.reid.image_size
    folder = Path(models) / "extractor"
    require_free_version(folder, version)
    files = _check_files(check_images)
    network, checkpoint = load_reid_network_and_checkpoint(run)

    def check(call: Callable) -> None:
        images = _decoded(files, size)
        expected = network.extract_features(to_unit(images))
        _require_finite(run, expected)
        for answer in (
            call("tensor", images=images),
            call("serving_default", image_bytes=tf.constant(files)),
        ):
            _require_near(run, answer["embedding"], expected, TOLERANCE, np.max)

    # The classes of a classifier of cameras are no persons, and numbers of several
    # datasets are not those in their names.
    of_persons = (
        run.labels is not None
        and run.config.reid.labels == "person"
        and not run.labels.datasets
    )
    about = {
        "person_ids": list(run.labels.class_ids) if of_persons else None,
        "inputs": {
            "image_bytes": _FILES_IN,
            "images": "RGB in [0, 255]; the mean and deviation are taken inside",
        },
        "outputs": {
            "embedding": "L2-normalised; compared by Euclidean distance or cosine"
        },
    }
    return _export(
        run,
        folder,
        version,
        extractor_signatures(InferenceNetwork(network), size),
        check,
        {"image_size": list(size), **about, **_about_run(run, checkpoint)},
        files[0],
    )


def _export(run, folder, version, signatures, check, about, file, camera=None):
    """Write a SavedModel, check it as a client would see it, and give it its number."""

    def write(path: Path) -> None:
        graphs = {
            name: function.get_concrete_function()
            for name, function in signatures.items()
        }
        module = tf.Module(name=folder.name)
        # What the graphs read and no more: of a Keras network everything else that it
        # can do would be saved with it.
        module.weights = list(
            {v.ref(): v for graph in graphs.values() for v in graph.variables}.values()
        )
        with utf8_path(path) as named:
            tf.saved_model.save(module, named, signatures=graphs)
        write_warmup(path, folder.name, signatures, file, camera)
        described = {name: _described(graph) for name, graph in graphs.items()}
        contents = {"model": folder.name, **about, "signatures": described}
        text = json.dumps(contents, indent=2) + "\n"
        (path / ABOUT_FILE).write_text(text, encoding="utf-8")
        with utf8_path(path) as named:
            loaded = tf.saved_model.load(named).signatures
        # On a GPU these round to ten bits, which is more than the tolerance.
        kept = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            check(lambda name, **inputs: _called(loaded[name], inputs))
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(kept)
        # One that fails would keep the server from loading the model.
        for name, inputs in read_warmup(path):
            _called(loaded[name], inputs)

    return publish_version(folder, version, write)


def _called(signature, inputs: Mapping) -> dict:
    return signature(**{key: tf.convert_to_tensor(x) for key, x in inputs.items()})


def _check_files(folder) -> list[bytes]:
    """Return the first images of a folder, or drawn ones."""
    if folder is None:
        with tempfile.TemporaryDirectory() as world:
            few = WorldOptions(identities=2, test_identities=2, cameras=2)
            synthesize(Path(world), few)
            return _check_files(Path(world, "target", "bounding_box_train"))
    samples = read_images(folder, labelled=False)[:CHECK_IMAGES]
    samples, _ = check_readable(samples)
    return [
        converted(s.path) if s.needs_conversion else Path(s.path).read_bytes()
        for s in samples
    ]


def _decoded(files, size):
    return tf.stack([decode_image(contents, size) for contents in files])


def _pixels(contents):
    return tf.io.decode_image(contents).numpy().astype(np.float32)


def _require_finite(run, values) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"the network of {run.path} gives values that are not finite: its training "
            "has failed, see its metrics.jsonl; train again, with a lower learning rate"
        )


def _require_near(run, got, expected, tolerance, over) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        found = f"shape {got.shape} for {expected.shape}"
    else:
        difference = float(over(np.abs(got - expected)))
        if difference <= tolerance:
            return
        found = f"a difference of {difference:.3g}"
    raise InputError(
        f"the SavedModel does not answer as the network of {run.path} does: found "
        f"{found}, expected at most {tolerance:g}; nothing was exported: report this, "
        "with the versions of TensorFlow and Keras"
    )


def _about_generators(run, checkpoints: list[Path]) -> dict:
    """As `_about_run`; of a network for each camera, each one's checkpoint."""
    runs = generator_runs(run)
    about = [
        _about_run(each, checkpoint)
        for each, checkpoint in zip(runs, checkpoints, strict=True)
    ]
    if runs == (run,):
        return about[0]
    return {
        **about[0],
        "run": run.path.absolute().name,
        "checkpoint": [each["checkpoint"] for each in about],
        "metrics": [line for each in about for line in each["metrics"][-1:]],
        "config": to_dict(run.config),
    }


def _about_run(run, checkpoint: Path) -> dict:
    """Describe the run, the checkpoint of it that is exported, and the code."""
    versions = {
        "tfipgan": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return {
        "run": run.path.absolute().name,
        "imported": run.imported,
        "checkpoint": checkpoint.name,
        "versions": versions,
        "trained_with": json.loads((run.path / "run.json").read_bytes()),
        "metrics": read_metrics(run.path / "metrics.jsonl")[-METRICS_KEPT:],
        "config": to_dict(run.config),
    }


def _described(graph) -> dict:
    """Return dtypes and shapes of a signature; None is the batch."""

    def sizes(specs):
        return {
            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
            for name, spec in specs.items()
        }

    inputs = {spec.name: spec for spec in graph.structured_input_signature[0]}
    return {"inputs": sizes(inputs), "outputs": sizes(graph.structured_outputs)}
