"""Exported models: their answers, what they refuse, and all of a version or nothing."""

import functools
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import config_pb2, saved_model_pb2

from tfipgan import __version__
from tfipgan.config import to_dict
from tfipgan.data.images import (
    ImageEncoding,
    decode_image,
    signed_to_bytes,
    to_signed,
    to_unit,
)
from tfipgan.data.labels import DomainMap
from tfipgan.errors import InputError
from tfipgan.evaluation.features import extract_features
from tfipgan.export import saved_models as export
from tfipgan.export.modules import translator_signatures
from tfipgan.export.saved_models import ABOUT_FILE, export_extractor, export_translator
from tfipgan.export.warmup import read_warmup
from tfipgan.models.inference import InferenceNetwork
from tfipgan.models.translator import Translator
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import (
    load_generator,
    load_translator,
    load_translator_and_checkpoints,
    open_run,
)
from tfipgan.translation.dataset import translate_dataset

SIZE = (32, 16)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of the exported models."""
    return tmp_path_factory.mktemp("served") / "models"


@pytest.fixture(scope="module")
def translator(tiny_gan_run, models):
    """The translator's version folder."""
    return export_translator(tiny_gan_run, models)


@pytest.fixture(scope="module")
def extractor(tiny_reid_run, models):
    """The extractor's version folder."""
    return export_extractor(tiny_reid_run, models)


@pytest.fixture(scope="module")
def stock():
    """Function of (folder, signature, inputs): runs it as TensorFlow Serving does.

    In a TensorFlow 1 session, by a callable, which checks no shapes before the graph.
    Gives arrays by name, of all outputs or of those in `only`.
    """
    sessions = {}

    def run(folder, signature, only=None, **inputs):
        if folder not in sessions:
            session = tf.compat.v1.Session(graph=tf.Graph())
            with session.graph.as_default():
                load = tf.compat.v1.saved_model.load
                sessions[folder] = session, load(session, ["serve"], str(folder))
        session, meta = sessions[folder]
        definition = meta.signature_def[signature]
        assert set(inputs) == set(definition.inputs)
        outputs = only or sorted(definition.outputs)
        options = config_pb2.CallableOptions(
            feed=[definition.inputs[name].name for name in inputs],
            fetch=[definition.outputs[name].name for name in outputs],
        )
        answers = session._make_callable_from_options(options)(*inputs.values())
        return dict(zip(outputs, answers, strict=True))

    yield run
    for session, _ in sessions.values():
        session.close()


@pytest.fixture(scope="module")
def files(tiny_samples):
    """Five image files of the source."""
    return [Path(sample.path).read_bytes() for sample in tiny_samples[0][:5]]


def strings(values):
    return np.array(values, object)


def cameras_of(*numbers):
    return np.array(numbers, np.int32)


def images_of(rows, size=SIZE):
    return np.full((rows, *size, 3), 0.25, np.float32)


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# ---------------------------------------------------------------------- the answers


def test_names_dtypes_and_shapes(translator, extractor):
    files = ("image_bytes", tf.string, [-1])
    camera = ("camera", tf.int32, [-1])
    images = ("images", tf.float32, [-1, 32, 16, 3])
    embedding = ("embedding", tf.float32, [-1, 32])
    assert translator.parts[-2:] == ("translator", "1")
    assert extractor.parts[-2:] == ("extractor", "1")
    for folder, expected in (
        (
            translator,
            {
                "serving_default": ([files, camera], [files]),
                "tensor": ([images, camera], [images]),
                "all_cameras": (
                    [files],
                    [
                        ("image_bytes", tf.string, [-1, 3]),
                        ("cameras", tf.int32, [-1, 3]),
                    ],
                ),
            },
        ),
        (
            extractor,
            {
                "serving_default": ([files], [embedding]),
                "tensor": ([images], [embedding]),
            },
        ),
    ):
        saved = saved_model_pb2.SavedModel.FromString(
            (folder / "saved_model.pb").read_bytes()
        )
        (meta,) = saved.meta_graphs
        found = {}
        for name, definition in meta.signature_def.items():
            if name == "__saved_model_init_op":
                continue
            assert definition.method_name == "tensorflow/serving/predict"
            found[name] = tuple(
                [
                    (
                        key,
                        tf.as_dtype(info.dtype),
                        [d.size for d in info.tensor_shape.dim],
                    )
                    for key, info in sorted(infos.items())
                ]
                for infos in (definition.inputs, definition.outputs)
            )
        assert found == {
            name: tuple(sorted(side, key=lambda item: item[0]) for side in sides)
            for name, sides in expected.items()
        }


def test_the_generator_answers(tiny_gan_run, translator, stock, files):
    images = to_signed(tf.stack([decode_image(file, SIZE) for file in files])).numpy()
    camera = cameras_of(3, 1, 2, 2, 3)
    one_hot = tf.one_hot(camera - 1, 4)
    expected = load_generator(tiny_gan_run)((images, one_hot)).numpy()
    got = stock(translator, "tensor", images=images, camera=camera)["images"]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    # The cameras' styles are told apart, so the numbers say something.
    other = stock(translator, "tensor", images=images, camera=cameras_of(1, 1, 1, 1, 1))
    assert abs(other["images"][0] - expected[0]).max() > 1e-3


def test_the_files_of_translate(
    tiny_gan_run, tiny_samples, translator, stock, files, tmp_path
):
    samples = tiny_samples[0][: len(files)]
    translate_dataset(
        load_translator(tiny_gan_run), samples, os.path.dirname(samples[0].path),
        tmp_path / "out", progress=False,
    )  # fmt: skip
    expected = [
        [
            (tmp_path / "out" / f"{Path(s.path).stem}_to_c{camera}.jpg").read_bytes()
            for camera in (1, 2, 3)
        ]
        for s in samples
    ]
    answer = stock(translator, "all_cameras", image_bytes=strings(files))
    assert answer["image_bytes"].tolist() == expected
    assert answer["cameras"].dtype == np.int32
    assert answer["cameras"].tolist() == [[1, 2, 3]] * len(files)
    camera = cameras_of(2, 3, 1, 1, 2)
    answer = stock(
        translator, "serving_default", image_bytes=strings(files), camera=camera
    )
    assert answer["image_bytes"].tolist() == [
        row[k - 1] for row, k in zip(expected, camera, strict=True)
    ]


def test_the_features_of_extract(
    tiny_network, tiny_samples, extractor, stock, files, tmp_path
):
    expected = extract_features(tiny_network, tiny_samples[0][:5], SIZE).features
    got = stock(extractor, "serving_default", image_bytes=strings(files))["embedding"]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    images = tf.stack([decode_image(file, SIZE) for file in files]).numpy()
    got = stock(extractor, "tensor", images=images)["embedding"]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    unfolded = tiny_network.extract_features(to_unit(images)).numpy()
    np.testing.assert_allclose(got, unfolded, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert abs(got[0] - got[1]).max() > 1e-3


class Shift:
    """Stands in for the generator: says in red which domain it was asked for."""

    def __call__(self, inputs):
        images, domains = inputs
        assert domains.shape[-1] == 4
        domain = tf.argmax(domains, axis=-1) + 10 * tf.cast(
            tf.reduce_sum(domains, axis=-1) != 1, tf.int64
        )
        red = tf.cast(domain, tf.float32)[:, None, None, None] / 10
        return tf.concat([images[..., :1] * 0 + red, images[..., 1:]], axis=-1)


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_camera_is_the_targets_own_number(files, eagerly):
    functions = translator_signatures(
        Translator(Shift(), (2, 5, 90), SIZE), ImageEncoding("png")
    )
    tf.config.run_functions_eagerly(eagerly)
    try:
        camera = tf.constant([90, 2, 5])
        tensor = functions["tensor"](tf.zeros((3, *SIZE, 3)), camera)["images"]
        default = functions["serving_default"](tf.constant(files[:3]), camera)
        answers = functions["all_cameras"](tf.constant(files[:2]))
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(tensor[:, 0, 0, 0], [0.2, 0, 0.1])

    def reds(encoded):
        return [int(tf.io.decode_png(file)[0, 0, 0]) for file in encoded]

    levels = [128, 140, 153]  # (1 + domain / 10) * 127.5
    assert reds(default["image_bytes"]) == [levels[2], levels[0], levels[1]]
    assert [reds(row) for row in answers["image_bytes"]] == [levels] * 2
    assert answers["cameras"].numpy().tolist() == [[2, 5, 90]] * 2


def test_png(tiny_gan_run, stock, files, tmp_path):
    folder = export_translator(tiny_gan_run, tmp_path, image_format="png")
    answer = stock(
        folder,
        "serving_default",
        image_bytes=strings(files),
        camera=cameras_of(*[2] * 5),
    )
    images = to_signed(tf.stack([decode_image(file, SIZE) for file in files]))
    one_hot = tf.one_hot([1] * 5, 4)
    pixels = signed_to_bytes(load_generator(tiny_gan_run)((images, one_hot)))
    for file, expected in zip(answer["image_bytes"], pixels.numpy(), strict=True):
        assert file.startswith(b"\x89PNG")
        got = tf.io.decode_png(file).numpy()
        np.testing.assert_allclose(got.astype(int), expected.astype(int), atol=1)
    assert json.loads((folder / ABOUT_FILE).read_text())["image_format"] == "png"


def test_images_of_every_kind(translator, extractor, stock, tmp_path):
    """Sizes and formats that differ within a batch: resized in the graph."""
    kinds = {"a.jpg": ((50, 31), "RGB"), "b.png": ((9, 70), "RGBA")}
    kinds |= {"c.bmp": ((16, 32), "RGB"), "d.png": ((20, 20), "L")}
    contents = []
    for number, (name, (size, mode)) in enumerate(kinds.items()):
        path = tmp_path / name
        image = Image.effect_noise(size, 60 + 10 * number).convert(mode)
        image.save(path)
        contents.append(path.read_bytes())
    together = stock(extractor, "serving_default", image_bytes=strings(contents))
    for row, content in zip(together["embedding"], contents, strict=True):
        images = decode_image(content, SIZE)[None].numpy()
        alone = stock(extractor, "tensor", images=images)["embedding"]
        np.testing.assert_allclose(row, alone[0], atol=1e-5)
    answer = stock(translator, "all_cameras", image_bytes=strings(contents))
    assert answer["image_bytes"].shape == (4, 3)


def test_what_lies_hidden_makes_no_difference(translator, extractor, stock, tmp_path):
    """Transparent images, as clients of all kinds send them: in the graph on white."""
    noise = np.random.default_rng(3).integers(0, 256, (3, 40, 20, 4), np.uint8)
    noise[:, 10:, 5:] = noise[0, 10:, 5:]  # what is seen is the same
    noise[:, :10, :, 3], noise[:, :, :5, 3] = 0, 0
    white = Image.new("RGB", (20, 40), "white")
    first = Image.fromarray(noise[0])
    white.paste(first.convert("RGB"), mask=first)
    contents = []
    for image in (*map(Image.fromarray, noise), white):
        image.save(tmp_path / "image.png")
        contents.append((tmp_path / "image.png").read_bytes())
    assert len(set(contents)) == 4
    rows = stock(extractor, "serving_default", image_bytes=strings(contents))
    np.testing.assert_allclose(rows["embedding"], rows["embedding"][[3] * 4], atol=1e-6)
    files = stock(translator, "all_cameras", image_bytes=strings(contents))
    pixels = [[_int16(file) for file in row] for row in files["image_bytes"]]
    assert np.abs(np.array(pixels) - pixels[3]).max() <= 1


def _int16(file):
    return tf.io.decode_image(file).numpy().astype(np.int16)


def test_no_rows(translator, extractor, stock):
    none, no_camera = strings([]), cameras_of()
    answer = stock(translator, "serving_default", image_bytes=none, camera=no_camera)
    assert answer["image_bytes"].shape == (0,)
    answer = stock(translator, "tensor", images=images_of(0), camera=no_camera)
    assert answer["images"].shape == (0, *SIZE, 3)
    answer = stock(translator, "all_cameras", image_bytes=none)
    assert answer["image_bytes"].shape == answer["cameras"].shape == (0, 3)
    for name, inputs in (
        ("serving_default", {"image_bytes": none}),
        ("tensor", {"images": images_of(0)}),
    ):
        assert stock(extractor, name, **inputs)["embedding"].shape == (0, 32)


# ------------------------------------------------------------------ what is refused


GOOD = b"not reached"


def bomb(format, size=(6000, 8000)):
    """An image file of one colour: some ten kilobytes for 48 million pixels."""
    file = io.BytesIO()
    Image.new("L", size).save(file, format)
    return file.getvalue()


SHAPE = r"images must have shape \[N 32 16 3\], found\] \["
REFUSED = {
    "size": ("tensor", {"images": images_of(2, (16, 16))}, SHAPE + "2 16 16 3"),
    "turned": ("tensor", {"images": images_of(2, (16, 32))}, SHAPE + "2 16 32 3"),
    "one image": ("tensor", {"images": images_of(2)[0]}, SHAPE + "32 16 3"),
    "scalar": ("tensor", {"images": np.float32(1)}, SHAPE + r"\]"),
    "one file": (
        "serving_default",
        {"image_bytes": strings(GOOD)},
        r"image_bytes must have shape \[N\], found\] \[\]",
    ),
    "table of files": (
        "serving_default",
        {"image_bytes": strings([[GOOD], [GOOD]])},
        r"image_bytes must have shape \[N\], found\] \[2 1\]",
    ),
    "noise": (
        "serving_default",
        {"image_bytes": strings([b"\x00\xff" * 50_000] * 2)},
        "Unknown image file format",
    ),
    "bombs": (
        "serving_default",
        {"image_bytes": strings([bomb("PNG"), bomb("JPEG")])},
        r"image of\] \[6000\] \[x\] \[8000\] \[pixels, more than\] \[33554432\]",
    ),
    "another format": (
        "serving_default",
        {"image_bytes": strings([bomb("GIF", (2, 2)), bomb("WEBP", (2, 2))])},
        "One of JPEG, PNG, BMP required",
    ),
    "nothing": ("serving_default", {"image_bytes": strings([b"", b""])}, "is empty"),
    "not finite": (
        "tensor",
        {"images": images_of(2) * np.float32("nan")},
        r"images must be finite, in \[.* : Tensor had NaN",
    ),
}
OF_THE_TRANSLATOR = {
    "no camera of the target": (
        {"camera": cameras_of(3, 4)},
        r"camera must be one of 1, 2, 3, found\] \[4\]",
    ),
    "no camera at all": (
        {"camera": cameras_of(-1, 0)},
        r"one of 1, 2, 3, found\] \[-1 0\]",
    ),
    "one camera": (
        {"camera": np.int32(1)},
        r"camera must have shape \[N\], found\] \[\]",
    ),
    "table of cameras": (
        {"camera": cameras_of(1, 2)[:, None]},
        r"camera must have shape \[N\], found\] \[2 1\]",
    ),
    "fewer cameras": (
        {"camera": cameras_of(1)},
        r"must have as many rows, found\] \[2\] \[and\] \[1\]",
    ),
}


@pytest.fixture(scope="module")
def assert_refused(stock):
    """Function of (folder, signature, inputs, message): all ways to run it refuse."""
    load = functools.cache(lambda folder: tf.saved_model.load(str(folder)))

    def check(folder, signature, inputs, message):
        error = tf.errors.InvalidArgumentError
        with pytest.raises(error, match=message):
            stock(folder, signature, **inputs)
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        with pytest.raises(error, match=message):
            load(folder).signatures[signature](**tensors)

    return check


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse(translator, extractor, assert_refused, case):
    signature, inputs, message = REFUSED[case]
    assert_refused(extractor, signature, inputs, message)
    with_camera = {**inputs, "camera": cameras_of(1, 2)}
    assert_refused(translator, signature, with_camera, message)
    if "image_bytes" in inputs:
        assert_refused(translator, "all_cameras", inputs, message)


@pytest.mark.parametrize("signature", ["serving_default", "tensor"])
@pytest.mark.parametrize("case", OF_THE_TRANSLATOR)
def test_the_translator_refuses(translator, assert_refused, files, case, signature):
    inputs, message = OF_THE_TRANSLATOR[case]
    images = {"images": images_of(2)}
    if signature == "serving_default":
        images = {"image_bytes": strings(files[:2])}
    assert_refused(translator, signature, {**images, **inputs}, message)


def test_an_output_of_ones_choice_is_checked_too(translator, stock):
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have shape"):
        stock(translator, "all_cameras", ["cameras"], image_bytes=strings([[GOOD]]))


# ------------------------------------------------------------- what is in the folder


def test_warmup_requests_of_every_signature_run(translator, extractor, stock):
    for folder, names in (
        (translator, ["serving_default", "tensor", "all_cameras"]),
        (extractor, ["serving_default", "tensor"]),
    ):
        requests = list(read_warmup(folder))
        assert [
            (name, {len(x) for x in inputs.values()}) for name, inputs in requests
        ] == [(name, {rows}) for name in names for rows in (1, 4)]
        for name, inputs in requests:
            for output in stock(folder, name, **inputs).values():
                assert len(output) == len(next(iter(inputs.values())))
        assert (
            folder / "assets.extra" / "tf_serving_warmup_requests"
        ).stat().st_size < 1e5


def test_what_the_model_says_of_itself(
    translator, extractor, tiny_gan_run, tiny_reid_run
):
    for folder, run in ((translator, tiny_gan_run), (extractor, tiny_reid_run)):
        about = json.loads((folder / ABOUT_FILE).read_text())
        assert about["model"] == folder.parent.name
        assert about["run"] == run.path.name and about["imported"] is None
        assert (run.path / "checkpoints" / about["checkpoint"]).is_dir()
        assert about["config"] == to_dict(run.config)
        assert about["image_size"] == [32, 16]
        assert about["versions"] == {
            "tfipgan": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        }
        assert about["trained_with"]["kind"] == run.kind
        assert about["metrics"] == read_metrics(run.path / "metrics.jsonl")[-5:]
        assert len(about["metrics"]) == 5
        named = {name for s in about["signatures"].values() for name in s["inputs"]}
        assert named == set(about["inputs"])
        named = {name for s in about["signatures"].values() for name in s["outputs"]}
        assert named == set(about["outputs"])
    about = json.loads((translator / ABOUT_FILE).read_text())
    assert about["cameras"] == [1, 2, 3] and about["image_format"] == "jpeg"
    assert about["signatures"]["all_cameras"] == {
        "inputs": {"image_bytes": {"dtype": "string", "shape": [None]}},
        "outputs": {
            "image_bytes": {"dtype": "string", "shape": [None, 3]},
            "cameras": {"dtype": "int32", "shape": [None, 3]},
        },
    }
    about = json.loads((extractor / ABOUT_FILE).read_text())
    assert about["person_ids"] == list(tiny_reid_run.labels.class_ids)


def test_the_weights_are_there_once_and_batch_norm_not_at_all(extractor, tiny_network):
    reader = tf.train.load_checkpoint(str(extractor / "variables" / "variables"))
    shapes = [
        shape
        for name, shape in reader.get_variable_to_shape_map().items()
        if not name.startswith("_")
    ]
    expected = [v.shape for v in InferenceNetwork(tiny_network).variables]
    assert sorted(shapes) == sorted(list(shape) for shape in expected)


def test_tensorflows_own_tool_reads_and_runs_it(translator, extractor, tmp_path):
    np.save(tmp_path / "images.npy", images_of(2))
    script = (
        "import sys\n"
        "from tensorflow.python.tools import saved_model_cli\n"
        "for words in [line.split() for line in sys.stdin]:\n"
        "    sys.argv = ['saved_model_cli', *words]\n"
        "    try:\n"
        "        saved_model_cli.main()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, end.code\n"
    )
    lines = (
        f"show --all --dir {translator}\n"
        f"run --dir {extractor} --tag_set serve --signature_def tensor"
        f" --inputs images={tmp_path}/images.npy --outdir {tmp_path}/out\n"
    )
    tool = subprocess.run(
        [sys.executable, "-c", script], input=lines, capture_output=True, text=True
    )
    assert tool.returncode == 0, tool.stderr
    for name in ("serving_default", "tensor", "all_cameras"):
        assert f"signature_def['{name}']" in tool.stdout
    assert "inputs['image_bytes'] tensor_info" in tool.stdout
    assert np.load(tmp_path / "out" / "embedding.npy").shape == (2, 32)


# ------------------------------------------------------------- a version, or nothing


def test_the_next_version(tiny_reid_run, extractor, models):
    before = tree(extractor)
    (models / "extractor" / "007").mkdir()
    (models / "extractor" / "notes").write_text("9")
    folder = export_extractor(tiny_reid_run, models)
    assert folder == models / "extractor" / "8"
    assert tree(folder) == before == tree(extractor)
    names = {path.name for path in (models / "extractor").iterdir()}
    assert names == {"1", "007", "8", "notes"}


def test_a_version_that_is_there_is_not_replaced(tiny_reid_run, extractor, models):
    with pytest.raises(InputError, match="extractor/1 exists; .* another --version"):
        export_extractor(tiny_reid_run, models, version=1)


def test_a_failure_on_the_way_leaves_nothing(tiny_reid_run, tmp_path, monkeypatch):
    seen = []

    def fail(folder, *rest):
        seen.append(tree(tmp_path / "models"))
        raise KeyboardInterrupt("on the way")

    monkeypatch.setattr(export, "write_warmup", fail)
    with pytest.raises(KeyboardInterrupt, match="on the way"):
        export_extractor(tiny_reid_run, tmp_path / "models")
    # The model was being written, under no number.
    assert any(name.endswith("saved_model.pb") for name in seen[0])
    assert not any(part.isdigit() for name in seen[0] for part in name.split("/"))
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_not_the_networks(tiny_reid_run, tmp_path, monkeypatch):
    class Off(InferenceNetwork):
        def __call__(self, images):
            return super().__call__(images) + 2e-5

    monkeypatch.setattr(export, "InferenceNetwork", Off)
    with pytest.raises(
        InputError, match=r"does not answer as .* 2\.\d*e-05.* most 1e-05"
    ):
        export_extractor(tiny_reid_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["tensor", "serving_default", "all_cameras"])
def test_each_of_the_translators_answers_is_compared(
    tiny_gan_run, tmp_path, monkeypatch, wrong
):
    def off(*args):
        functions = translator_signatures(*args)
        right = functions[wrong]

        def changed(**inputs):
            outputs = right(**inputs)
            if "images" in outputs:
                return {"images": outputs["images"] * 1.001}
            files = tf.roll(outputs["image_bytes"], 1, axis=0)
            return {**outputs, "image_bytes": files}

        specs = {spec.name: spec for spec in right.input_signature}
        functions[wrong] = _Named(changed, specs)
        return functions

    monkeypatch.setattr(export, "translator_signatures", off)
    with pytest.raises(InputError, match="does not answer as the network"):
        export_translator(tiny_gan_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


class _Named:
    """A function with keyword inputs, as far as the export looks at it."""

    def __init__(self, function, specs):
        self.input_signature = list(specs.values())
        self._function = tf.function(function, autograph=False)
        self._specs = specs

    def get_concrete_function(self):
        return self._function.get_concrete_function(**self._specs)


def test_a_network_that_training_has_broken(tiny_gan_run, tmp_path, monkeypatch):
    def broken(run):
        translator, checkpoints = load_translator_and_checkpoints(run)
        variable = translator.networks[0].variables[0]
        variable.assign(variable * np.nan)
        return translator, checkpoints

    monkeypatch.setattr(export, "load_translator_and_checkpoints", broken)
    with pytest.raises(InputError, match="values that are not finite: its training"):
        export_translator(tiny_gan_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_before_any_work(
    tiny_gan_run, tiny_reid_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "load_translator_and_checkpoints", None)
    monkeypatch.setattr(export, "load_reid_network_and_checkpoint", None)
    with pytest.raises(InputError, match="'gif', expected one of jpeg, png"):
        export_translator(tiny_gan_run, tmp_path, image_format="gif")
    for run, function in (
        (tiny_gan_run, export_translator),
        (tiny_reid_run, export_extractor),
    ):
        with pytest.raises(InputError, match="version is 0, expected 1 to"):
            function(run, tmp_path, version=0)
        with pytest.raises(InputError, match="no images found"):
            function(run, tmp_path, check_images=tmp_path)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="file is a file; expected a folder"):
            function(run, tmp_path / "file")
        (tmp_path / "file").unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_no_request_can_name(tiny_gan_run, tmp_path):
    far = replace(tiny_gan_run, domains=DomainMap((1, 2, 2**31)))
    with pytest.raises(InputError, match="camera 2147483648 .* above 2147483647"):
        export_translator(far, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_people_of_several_datasets_have_no_numbers(tiny_reid_run, files, tmp_path):
    """Those of their names would be taken for each other's."""
    labels = replace(tiny_reid_run.labels, datasets=((1, 2), (1, 2, 3)))
    folder = export_extractor(replace(tiny_reid_run, labels=labels), tmp_path)
    about = json.loads((folder / ABOUT_FILE).read_text())
    assert about["person_ids"] is None


def test_an_imported_run_and_images_of_ones_own(
    tiny_reid_run, tiny_network, tiny_world, stock, files, tmp_path
):
    from tfipgan.models.from_config import build_reid_network
    from tfipgan.runs.run import create_run
    from tfipgan.weights.checkpoints import save_checkpoint

    config = tiny_reid_run.config
    network = build_reid_network(config.backbone, config.reid, None)
    network.backbone.set_weights(tiny_network.backbone.get_weights())
    run = create_run(tmp_path / "run", "reid", config, imported="resnet.pth")
    save_checkpoint(run.checkpoints, 0, {"network": network})
    folder = export_extractor(
        open_run(run.path, "reid"),
        tmp_path / "models",
        version=20,
        check_images=tiny_world / "target" / "query",
    )
    assert folder.name == "20"
    about = json.loads((folder / ABOUT_FILE).read_text())
    assert about["person_ids"] is None and about["imported"] == "resnet.pth"
    assert about["metrics"] == []
    images = tf.stack([decode_image(file, SIZE) for file in files])
    got = stock(folder, "serving_default", image_bytes=strings(files))["embedding"]
    expected = tiny_network.extract_features(to_unit(images)).numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
