"""`tfipgan import-weights`: public checkpoints become runs that other commands take."""

import functools
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfipgan.data.datasets import read_images
from tfipgan.data.images import decode_image, to_signed
from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.features import extract_features
from tfipgan.files.tensor_file import save_arrays
from tfipgan.models import Discriminator, Generator, ResNet
from tfipgan.runs.run import (
    load_discriminator,
    load_generator,
    load_reid_network,
    open_run,
)
from tfipgan.weights import load_pytorch_state_dict
from tfipgan.weights.pytorch_names import pytorch_shapes

GOLDEN = Path(__file__).parents[1] / "golden" / "weights.py"


def weights_of(network):
    """{PyTorch name: array}: values made of names and shapes."""
    spec = importlib.util.spec_from_file_location("golden_weights", GOLDEN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.state_dict(pytorch_shapes(network))


@functools.cache
def small_resnet():
    """`weights_of` a ResNet-18 of width 2; made once, because it takes a second."""
    return weights_of(ResNet(18, width=2))


@pytest.fixture
def file(tmp_path):
    """Function of (network, changes): path of a checkpoint; None leaves a name out.

    Without a network it is that of `small_resnet`.
    """

    def write(network=None, **changes):
        weights = small_resnet() if network is None else weights_of(network)
        arrays = {**weights, **changes}
        path = tmp_path / "net.safetensors"
        save_arrays(path, {n: a for n, a in arrays.items() if a is not None})
        return path

    return write


@pytest.fixture
def imported(tfipgan, tmp_path):
    """Function of (kind, file, words): the path that the command printed."""

    def run(kind, path, *words):
        out = tmp_path / "runs" / kind
        words = ["--kind", kind, "--from", path, "--out", out, *words]
        result = tfipgan("import-weights", *words)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{out}\n"
        return out

    return run


def test_help_lists_the_kinds(tfipgan):
    text = tfipgan("import-weights", "--help").stdout
    for kind in ("stargan-generator", "stargan-discriminator", "resnet"):
        assert kind in text


def test_cameras_in_another_order(file, imported):
    """As of a script that sorts them as text: each camera keeps its own weights."""
    images = tf.random.stateless_uniform((4, 16, 8, 3), (1, 2), -1, 1)
    generator = Generator(num_domains=4, width=2, num_blocks=1)
    load_pytorch_state_dict(generator, weights_of(generator))
    run = open_run(
        imported("stargan-generator", file(generator), "--cameras", "1,10,2"), "gan"
    )
    assert run.domains.cameras == (1, 2, 10)
    loaded = load_generator(run)
    # The file's domains are 1, 10, 2 and the source, the run's 1, 2, 10 and that.
    theirs, ours = tf.one_hot([0, 1, 2, 3], 4), tf.one_hot([0, 2, 1, 3], 4)
    expected = generator((images, theirs))
    np.testing.assert_allclose(loaded((images, ours)), expected, atol=1e-6)
    assert np.abs(loaded((images, theirs)) - expected).max() > 1e-3
    discriminator = Discriminator(4, (16, 8), 2, 2)
    load_pytorch_state_dict(discriminator, weights_of(discriminator))
    words = ["--cameras", "1,10,2", "--image-size", "16x8"]
    run = open_run(
        imported("stargan-discriminator", file(discriminator), *words), "gan"
    )
    _, expected = discriminator(images)
    _, got = load_discriminator(run)(images)
    np.testing.assert_allclose(
        np.asarray(got)[:, [0, 2, 1, 3]], expected, rtol=1e-5, atol=1e-6
    )


def test_a_generator_translates(tfipgan, file, imported, tiny_world, tmp_path):
    # The running statistics that StarGAN saves, and never uses, don't matter.
    norm = {f"main.1.running_{name}": np.ones(4) for name in ("mean", "var")}
    path = file(
        Generator(4, 4, 2), **norm, **{"main.1.num_batches_tracked": np.ones(())}
    )
    run_path = imported(
        "stargan-generator", path, "--cameras", "2,3,6", "--image-size", "36x20"
    )
    run = open_run(run_path, "gan")
    assert run.domains.cameras == (2, 3, 6) and run.imported == "net.safetensors"
    gan = run.config.gan
    assert (gan.image_size, gan.width, gan.num_blocks) == ((36, 20), 4, 2)
    out = tmp_path / "translated"
    result = tfipgan(
        "translate", "--model", run_path, "--source", tiny_world / "source",
        "--out", out, "--image-format", "png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {s.camera_id for s in read_images(out)} == {2, 3, 6}
    first = min(out.rglob("*_to_c3.png"))
    source = min((tiny_world / "source" / "bounding_box_train").iterdir())
    assert first.stem == f"{source.stem}_to_c3"
    # The same weights in a network of its own.
    generator = Generator(4, 4, 2)
    load_pytorch_state_dict(generator, weights_of(generator))
    image = to_signed(decode_image(source.read_bytes(), (36, 20)))[None]
    expected = (generator((image, tf.one_hot([1], 4)))[0] + 1) * 127.5
    with Image.open(first) as written:
        np.testing.assert_allclose(np.asarray(written), expected, atol=1)


def test_the_defaults_are_the_papers(file, imported):
    run = open_run(
        imported("stargan-generator", file(Generator(3, 2, 1)), "--cameras", "1,2"),
        "gan",
    )
    assert run.config.gan.image_size == (128, 64)
    run = open_run(imported("resnet", file()), "reid")
    assert run.config.reid.image_size == (256, 128)
    assert run.config.backbone.mean == (0.485, 0.456, 0.406)
    assert run.config.backbone.std == (0.229, 0.224, 0.225)


def test_a_discriminator(file, imported):
    network = Discriminator(3, (48, 32), 4, 4)
    path = imported(
        "stargan-discriminator", file(network), "--cameras", "1,5",
        "--image-size", "48x32",
    )  # fmt: skip
    run = open_run(path, "gan")
    assert (run.config.gan.width, run.config.gan.num_layers) == (4, 4)
    load_pytorch_state_dict(network, weights_of(network))
    images = tf.random.stateless_normal((2, 48, 32, 3), (1, 2))
    for ours, theirs in zip(
        load_discriminator(run)(images), network(images), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_the_sizes_are_those_of_the_file(file, imported):
    run = open_run(imported("resnet", file(ResNet(34, "b", 2))), "reid")
    backbone = run.config.backbone
    assert (backbone.depth, backbone.ibn, backbone.width) == (34, "b", 2)


@pytest.mark.parametrize(("depth", "ibn"), [(18, "a"), (50, None)])
def test_a_resnet_extracts(tfipgan, file, imported, tiny_world, tmp_path, depth, ibn):
    network = ResNet(depth, ibn, 4)
    head = {"fc.weight": np.ones((1000, 7)), "fc.bias": np.ones(1000)}
    path = imported(
        "resnet", file(network, **head), "--image-size", "40x24",
        "--mean", "0.5,0.4,0.3", "--std", "0.2,0.3,0.4",
    )  # fmt: skip
    images, out = tiny_world / "target" / "query", tmp_path / "q.npz"
    words = ["--model", path, "--images", images, "--out", out]
    result = tfipgan("extract", *words)
    assert result.exit_code == 0, result.output
    run = open_run(path, "reid")
    backbone = run.config.backbone
    assert (backbone.depth, backbone.ibn, backbone.width) == (depth, ibn, 4)
    assert not backbone.stride_first and run.labels is None
    # What it should say, by the network and the numbers alone.
    load_pytorch_state_dict(network, weights_of(network))
    features = FeatureSet.load(out)
    loaded = load_reid_network(run)
    expected = extract_features(loaded, read_images(images), (40, 24), 3)
    np.testing.assert_allclose(features.features, expected.features, atol=1e-6)
    image = tf.random.stateless_uniform((1, 40, 24, 3), (3, 4))
    pooled = tf.reduce_mean(
        network((image - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]), axis=(1, 2)
    )
    np.testing.assert_allclose(loaded.pool(image), pooled, rtol=1e-5, atol=1e-6)


@pytest.fixture
def usage(tfipgan, file, tmp_path):
    """Function of (kind, words): what a wrong use is told, in the last line."""

    def run(kind, *words):
        path = file()
        out = tmp_path / "out"
        words = ["--kind", kind, "--from", path, "--out", out, *words]
        result = tfipgan("import-weights", *words)
        assert result.exit_code == 2 and not out.exists()
        return result.stderr.splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stargan-generator"], "--kind stargan-generator needs --cameras"),
        (["stargan-discriminator"], "--kind stargan-discriminator needs --cameras"),
        (["resnet", "--cameras", "1,2"], "--cameras is not for --kind resnet"),
        (["stargan-generator", "--cameras", "1,2", "--mean", "1,1,1"],
         "--mean is not for --kind stargan-generator"),
        (["stargan-generator", "--cameras", "1,2", "--std", "1,1,1"], "--std is not"),
        (["stargan-generator", "--cameras", "1;2"], "'1;2', expected numbers such as"),
        (["stargan-generator", "--cameras", "1,2", "--last-stride", "1"],
         "--last-stride is not for --kind stargan-generator"),
        (["stargan-generator", "--cameras", "1,2", "--pooling", "gem"], "--pooling is"),
        (["stargan-discriminator", "--cameras", "1,2", "--neck", "none"], "--neck is"),
        (["resnet", "--last-stride", "3"], "'3' is not one of '1', '2'"),
        (["resnet", "--image-size", "128"], "'128', expected HEIGHTxWIDTH"),
        (["resnet", "--mean", "1,1"], "'1,1', expected three numbers"),
        (["resnet", "--std", "a,b,c"], "'a,b,c', expected three numbers"),
        (["resnet", "--std", "0,1,1"], "backbone.std: expected three numbers greater"),
        (["resnet", "--image-size", "0x4"], "'0x4', expected HEIGHTxWIDTH, such as"),
        (["other"], "'other' is not one of"),
    ],
)  # fmt: skip
def test_wrong_use(usage, words, expected):
    assert expected in usage(*words)


def resnet(**changes):
    return lambda: None, "resnet", [], changes


def generator(*words, **changes):
    words = ["--cameras", "1,2", *words]
    return lambda: Generator(3, 2, 1), "stargan-generator", words, changes


def discriminator(*words, **changes):
    words = ["--cameras", "1,2", "--image-size", "16x8", *words]
    make = lambda: Discriminator(3, (16, 8), 2, 3)  # noqa: E731
    return make, "stargan-discriminator", words, changes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (resnet(**{"bn1.weight": None, "layer5.x": np.ones(2), "aux.y": np.ones(1)}),
         r"missing: bn1\.weight; unexpected: aux\.y, layer5\.x;"),
        (resnet(**{"bn1.running_var": np.full(2, np.nan)}), r"finite: bn1\.running_v"),
        (resnet(**{"layer4.1.conv1.weight": None}), "2, 2, 2, 1 basic blocks .* exp"),
        (resnet(**{"layer1.0.conv3.weight": np.ones(1)}), "2, 2 bottleneck blocks"),
        (resnet(**{"conv1.weight": None}), r"not of a ResNet: expected .* found 99 n"),
        (resnet(**{"conv1.weight": np.ones(3)}), r"found shape \(3,\)"),
        (generator(**{"main.0.weight": None}), "not of a StarGAN generator: expected"),
        (generator("--cameras", "1,2,3"), "3 domains, which is 2 cameras .* found 3"),
        (generator("--cameras", "2,2"), "2 after 2 in cameras; expected rising"),
        (generator("--image-size", "30x20"), "multiples of 4"),
        (generator(**{"main.9.main.0.weight": None}), r"missing: main\.9\.main\.0\.w"),
        (discriminator("--image-size", "16x16"), "of 16x8 images .* --image-size 16x8"),
        (discriminator(**{"conv1.bias": np.ones(1)}), r"unexpected: conv1\.bias"),
        (discriminator(**{"conv2.weight": None}), "not of a StarGAN discriminator"),
    ],
)  # fmt: skip
def test_what_does_not_fit(file, refused, tmp_path, given, expected):
    make, kind, words, changes = given
    path = file(make(), **changes)
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "runs" / "out"
    words = ["--kind", kind, "--from", path, "--out", out, *words]
    code = 2 if "multiples" in expected else 1
    line = refused(code, "import-weights", *words)
    assert re.search(expected, line), line
    assert sorted(tmp_path.rglob("*")) == before


def test_more_names_to_leave_out(file, imported):
    more = {"classifier.weight": np.ones((751, 16)), "head.bias": np.ones(9)}
    path = file(**more)
    imported("resnet", path, "--ignore", "head.", "--ignore", "other.")


def test_the_file_and_the_folder(file, refused, tmp_path):
    out = tmp_path / "runs"
    words = ["import-weights", "--kind", "resnet", "--out", out, "--from"]
    assert "none.safetensors" in refused(1, *words, tmp_path / "none.safetensors")
    path = file()
    (out / "mine").mkdir(parents=True)
    assert "exists and is not empty" in refused(1, *words, path)
    assert [p.name for p in out.iterdir()] == ["mine"]


# What re-ID checkpoints have around a ResNet-18 of width 2: 16 features.
NECK = {
    "bottleneck.weight": np.linspace(0.5, 2, 16, dtype="f4"),
    "bottleneck.bias": np.zeros(16, "f4"),
    "bottleneck.running_mean": np.linspace(-1, 1, 16, dtype="f4"),
    "bottleneck.running_var": np.linspace(2, 1, 16, dtype="f4"),
    "bottleneck.num_batches_tracked": np.array(7),
}
CLASSIFIER = {"classifier.weight": np.ones((751, 16), "f4")}


@pytest.fixture
def reid_file(tmp_path):
    """Function of (changes): path of BoT's checkpoint; None leaves a name out."""

    def write(**changes):
        arrays = {f"base.{n}": a for n, a in small_resnet().items()}
        arrays |= {**NECK, **CLASSIFIER, "gap.p": np.array([2.5], "f4"), **changes}
        path = tmp_path / "net.safetensors"
        save_arrays(path, {n: a for n, a in arrays.items() if a is not None})
        return path

    return write


TODAY = ("--last-stride", "1", "--pooling", "gem", "--neck", "bnneck")


def test_a_reid_checkpoint_with_its_neck(reid_file, imported, caplog):
    run = open_run(imported("resnet", reid_file(), *TODAY), "reid")
    backbone = run.config.backbone
    assert (backbone.last_stride, backbone.pooling) == (1, "gem")
    assert run.config.reid.neck == "bnneck"
    assert "is left out" not in caplog.text
    # What it should say, by the ResNet and the numbers alone.
    resnet = ResNet(18, width=2, last_stride=1)
    load_pytorch_state_dict(resnet, weights_of(resnet))
    images = tf.random.stateless_uniform((2, 48, 32, 3), (3, 4))
    maps = resnet((images - backbone.mean) / backbone.std).numpy().astype("f8")
    pooled = (np.maximum(maps, 1e-6) ** 2.5).mean((1, 2)) ** (1 / 2.5)
    scale = NECK["bottleneck.weight"] / np.sqrt(NECK["bottleneck.running_var"] + 1e-5)
    after = (pooled - NECK["bottleneck.running_mean"]) * scale
    expected = after / np.linalg.norm(after, axis=1, keepdims=True)
    embedded = load_reid_network(run).extract_features(images)
    np.testing.assert_allclose(embedded, expected, rtol=1e-3, atol=1e-5)


def test_a_reid_checkpoint_without_it(reid_file, imported, caplog):
    run = open_run(imported("resnet", reid_file()), "reid")
    assert run.config.backbone.last_stride == 2 and run.config.reid.neck == "none"
    (line,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert line.endswith(
        "net.safetensors has more between its last map and its feature, which is "
        "left out: gap.p (--pooling gem takes it), bottleneck (--neck bnneck takes it)"
    )
    plain = ResNet(18, width=2)
    load_pytorch_state_dict(plain, small_resnet())
    backbone, images = run.config.backbone, tf.zeros((1, 48, 32, 3))
    pooled = tf.reduce_mean(plain((images - backbone.mean) / backbone.std), (1, 2))
    np.testing.assert_allclose(load_reid_network(run).pool(images), pooled, rtol=1e-4)


def test_a_row_of_modules_and_a_p_that_no_file_knows(file, tmp_path, imported, caplog):
    places = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    arrays = {}
    for name, array in small_resnet().items():
        first, _, rest = name.partition(".")
        arrays[f"module.base.{places[first]}.{rest}"] = array
    feat = {"module.feat.weight": np.ones((9, 16), "f4")}
    path = tmp_path / "row.safetensors"
    save_arrays(path, {**arrays, **feat})
    caplog.set_level("INFO", "tfipgan")
    row = open_run(imported("resnet", path, "--pooling", "gem"), "reid")
    assert "has no p of GeM: it is 3" in caplog.text
    assert "which is left out: feat.weight" in caplog.text
    network = load_reid_network(row)
    resnet = ResNet(18, width=2)
    load_pytorch_state_dict(resnet, weights_of(resnet))
    for ours, theirs in zip(network.backbone.variables, resnet.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (dict.fromkeys(NECK), r"has no neck \(.*, found --neck bnneck: give none, or"),
        ({"feat.weight": np.ones((16, 16), "f4")}, r"before its neck \(feat\.weight\)"),
        (
            {"bottleneck.bias": np.linspace(-0.25, 0, 16, dtype="f4")},
            r"neck with a shift \(bottleneck\.bias is up to 0\.25\), expected 0 as",
        ),
        ({"bottleneck.running_mean": None}, "lacks bottleneck.running_mean of its n"),
        (
            {"bottleneck.weight": np.ones(15, "f4")},
            r"bottleneck\.weight is of shape \(15,\), expected \(16,\)",
        ),
        (
            {"bottleneck.running_var": np.full(16, np.nan, "f4")},
            "is not of finite floa",
        ),
        (
            {"bottleneck.weight": np.ones(16, "i4")},
            r"weight \(int32\) is not of finite",
        ),
        ({"gap.p": np.array([0.0], "f4")}, "gap.p is 0, expected a p above 0"),
        ({"gap.p": np.ones(16, "f4")}, r"gap\.p is of shape \(16,\), expected \(1,\)"),
        ({"feat_bn.weight": np.ones(16, "f4")}, r"has 2 necks \(bottleneck, feat_bn\)"),
        ({"base.NL_1.g": np.ones(1)}, r"unexpected: NL_1\.g;"),
        ({"neck.x": np.ones(1)}, r"unexpected: neck\.x;"),
    ],
)
def test_what_does_not_fit_of_a_reid_checkpoint(
    reid_file, refused, tmp_path, changes, expected
):
    path, out = reid_file(**changes), tmp_path / "runs"
    words = ["--kind", "resnet", "--from", path, "--out", out, *TODAY]
    line = refused(1, "import-weights", *words)
    assert re.search(expected, line), line
    assert not out.exists()


def test_an_imported_resnet_can_tell_no_identities(
    refused, file, imported, tiny_world, tmp_path, tiny_overrides
):
    path = imported("resnet", file(), "--image-size", "32x16")
    source = tiny_world / "source"
    images = source / "bounding_box_train"
    line = refused(1, "identity-accuracy", "--classifier", path, "--images", images)
    assert "was imported from net.safetensors and can tell no identities" in line
    settings = [word for value in tiny_overrides for word in ("--set", value)]
    line = refused(
        1, "train-gan", "--config", "synthetic/ipgan", *settings, "--source", source,
        "--target", tiny_world / "target", "--semantic", path, "--out", tmp_path / "x",
    )  # fmt: skip
    assert "can tell no identities" in line
    assert not (tmp_path / "x").exists()


def test_trainings_start_from_imported_weights(
    tfipgan, refused, file, imported, tiny_world, tmp_path, tiny_overrides
):
    cameras = ["--cameras", "1,2,3"]
    g = imported("stargan-generator", file(Generator(4, 4, 1)), *cameras)
    d_file = file(Discriminator(4, (32, 16), 4, 4))
    d = imported("stargan-discriminator", d_file, *cameras, "--image-size", "32x16")
    settings = [word for value in tiny_overrides for word in ("--set", value)]
    data = ["--source", tiny_world / "source", "--target", tiny_world / "target"]

    def words(*more):
        start = ["train-gan", "--config", "synthetic/ipgan", *settings]
        # Rates of 0 leave the weights as they come.
        still = [
            "gan.lambda_semantic=0",
            "gan.learning_rate=1e-30",
            "gan.batch_size=20",
            # The gradient penalty takes long to trace.
            "gan.adversarial=vanilla",
            "gan.n_critic=1",
            # Public weights are of the paper's generator.
            "gan.residual=false",
            "gan.upsampling=transposed",
            "gan.conditioning=planes",
        ]
        still += ["gan.constant_epochs=1", "gan.decay_epochs=0", *more]
        start += [word for value in still for word in ("--set", value)]
        return [*start, *data, "--devices", "CPU:0", "--out", tmp_path / "gan"]

    wrong = (
        (f"gan.generator_weights={d}", "gan.generator_weights: .* has no generator"),
        (f"gan.generator_weights={tmp_path}", "gan.generator_weights: .* not a run"),
        (f"gan.discriminator_weights={g}", "has no discriminator, only generator"),
    )
    for value, expected in wrong:
        assert re.search(expected, refused(1, *words(value)))
    result = tfipgan(
        *words(f"gan.generator_weights={g}", f"gan.discriminator_weights={d}")
    )
    assert result.exit_code == 0, result.output
    run = open_run(tmp_path / "gan", "gan")
    images = tf.random.stateless_normal((2, 32, 16, 3), (1, 2))
    labels = tf.one_hot([0, 3], 4)
    theirs = load_generator(open_run(g, "gan"))((images, labels))
    np.testing.assert_allclose(load_generator(run)((images, labels)), theirs, atol=1e-5)
    theirs = load_discriminator(open_run(d, "gan"))(images)[1]
    np.testing.assert_allclose(load_discriminator(run)(images)[1], theirs, rtol=1e-4)


def test_the_run_says_what_it_is(file, imported):
    path = imported("resnet", file())
    about = json.loads((path / "run.json").read_text())
    assert about["kind"] == "reid" and about["imported"] == "net.safetensors"
    assert sorted(p.name for p in path.iterdir()) == [
        "checkpoints", "config.yaml", "run.json",
    ]  # fmt: skip


def test_a_file_of_pytorch_without_it(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "resnet50_ibn_b.pth").touch()
    line = refused(
        1, "import-weights", "--kind", "resnet",
        "--from", tmp_path / "resnet50_ibn_b.pth", "--out", tmp_path / "run",
    )  # fmt: skip
    assert "pip install torch" in line and not (tmp_path / "run").exists()
