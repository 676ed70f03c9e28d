"""Run folders from elsewhere, through the commands: what differs is said in words."""

import json
import pickle
import shutil

import numpy as np
import pytest
import yaml

from tfipgan.files.tensor_file import load_arrays, save_arrays


@pytest.fixture
def copy_of(tmp_path):
    """Function of (run, changes): path of a copy whose files say something else.

    `config` is {"section.key": value}, `labels` and `domains` are numbers; `arrays` a
    function of the arrays of each network's file.
    """

    def copy(run, config=None, labels=None, domains=None, arrays=None):
        path = shutil.copytree(run.path, tmp_path / "run")
        if config:
            values = yaml.safe_load((path / "config.yaml").read_text())
            for key, value in config.items():
                section, _, name = key.partition(".")
                values[section][name] = value
            (path / "config.yaml").write_text(yaml.safe_dump(values))
        if labels:
            (path / "labels.json").write_text(json.dumps({"person_ids": labels}))
        if domains:
            (path / "domains.json").write_text(json.dumps({"cameras": domains}))
        for file in path.glob("checkpoints/*/*.safetensors"):
            if arrays and file.stem != "optimizers":
                save_arrays(file, arrays(load_arrays(file)[0]))
        return path

    return copy


@pytest.fixture
def words(tiny_world, tiny_overrides, tiny_reid_run, tmp_path):
    """Function of (command, run): the command line that gives it the run."""
    source, target = tiny_world / "source", tiny_world / "target"
    settings = [word for value in tiny_overrides for word in ("--set", value)]
    training = ["--config", "synthetic/ipgan", *settings, "--devices", "CPU:0"]
    gan = ["train-gan", *training, "--source", source, "--target", target]

    def line(command, run):
        out = ["--out", tmp_path / "out"]
        if command == "translate":
            return [command, "--model", run, "--source", source, *out]
        if command == "extract":
            images = source / "query"
            return [command, "--model", run, "--images", images, *out]
        if command == "evaluate":
            return [command, "--model", run, "--data", target]
        if command == "identity-accuracy":
            images = source / "bounding_box_train"
            return [command, "--classifier", run, "--images", images]
        if command == "train-gan":
            return [*gan, "--semantic", run, *out]
        if command == "backbone.weights":
            more = ["--set", f"backbone.weights={run}", "--data", source]
            return ["train-reid", *training, *more, *out]
        more = ["--set", f"{command}={run}", "--semantic", tiny_reid_run.path]
        return [*gan, *more, *out]

    return line


MISFIT = ".safetensors does not fit and was not taken: "


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"domains": [1, 2, 3, 4]},
            "4 domains, expected 5; of another shape: stem.kernel is (7, 7, 7, 4), "
            "expected (7, 7, 8, 4)",
        ),
        ({"config": {"gan.width": 8}}, "width 4, expected 8; of another shape: stem"),
        (
            {"config": {"gan.num_blocks": 2}},
            "1 residual blocks, expected 2; missing: blocks.1.conv1.kernel, ",
        ),
        (
            {"config": {"gan.residual": False}},
            "residual true, expected false; missing: to_image.kernel; unused: to_resi",
        ),
        (
            {"config": {"gan.upsampling": "transposed"}},
            "upsampling resize, expected transposed; of another shape: up.0.kernel i",
        ),
        (
            {"config": {"gan.conditioning": "normalization"}},
            "conditioning planes, expected normalization; of another shape: stem.ker",
        ),
    ],
)
def test_a_generator(copy_of, words, refused, tiny_gan_run, changes, expected):
    run = copy_of(tiny_gan_run, **changes)
    for command in ("translate", "gan.generator_weights"):
        assert MISFIT + expected in refused(1, *words(command, run))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("gan.residual=false", "residual true, expected false; missing: to_image.ker"),
        ("gan.upsampling=transposed", "upsampling resize, expected transposed; of an"),
        ("gan.conditioning=normalization", "conditioning planes, expected normali"),
    ],
)
def test_a_generator_to_start_from(words, refused, tiny_gan_run, setting, expected):
    line = refused(
        1, *words("gan.generator_weights", tiny_gan_run.path), "--set", setting
    )
    assert line.startswith(f"gan.generator_weights: {tiny_gan_run.path} ")
    assert expected in line


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "backbone.ibn",
            "a",
            "ibn none, expected a; missing: backbone.blocks.0.norms.0",
        ),
        ("backbone.depth", 34, "depth 18, expected 34; of another shape: backbone.blo"),
        ("backbone.width", 2, "width 4, expected 2; of another shape: backbone.stem.k"),
        ("reid.fc_units", 9, "8 values before the classifier, expected 9; of another "),
    ],
)
def test_a_reid_network(copy_of, words, refused, tiny_reid_run, key, value, expected):
    run = copy_of(tiny_reid_run, config={key: value})
    assert MISFIT + expected in refused(1, *words("extract", run))


def test_another_number_of_identities(copy_of, words, refused, tiny_reid_run):
    run = copy_of(tiny_reid_run, labels=[1, 2, 3, 4, 5, 99])
    expected = (
        "5 identities, expected 6; of another shape: head.classifier.kernel is (8, 5), "
        "expected (8, 6), head.classifier.bias is (5,), expected (6,)"
    )
    for command in ("extract", "evaluate", "identity-accuracy", "train-gan"):
        assert MISFIT + expected in refused(1, *words(command, run)), command
    assert MISFIT + expected in refused(1, *words("backbone.weights", run))


def test_a_backbone_of_another_depth(copy_of, words, refused, tiny_reid_run):
    run = copy_of(tiny_reid_run, config={"backbone.depth": 34})
    line = refused(1, *words("backbone.weights", run))
    assert "has depth 34, this network has 18: set backbone.depth to 34" in line


def test_values_that_are_not_finite(copy_of, words, refused, tiny_reid_run):
    def spoil(arrays):
        kernel = arrays["backbone.stem.kernel"].copy()
        kernel[3, 3, 0, 0] = np.nan
        return {**arrays, "backbone.stem.kernel": kernel}

    run = copy_of(tiny_reid_run, arrays=spoil)
    for command in ("extract", "train-gan", "backbone.weights"):
        line = refused(1, *words(command, run))
        assert "NaN or infinite and was not taken: backbone.stem.kernel; look" in line


def test_a_discriminator_of_more_layers_than_there_can_be(refused, tmp_path):
    """Its images' size, 2 ** layers times the kernel's, has thousands of digits."""
    arrays = {f"main.{i}.weight": np.zeros((1, 1, 1, 1)) for i in range(15000)}
    file = tmp_path / "net.safetensors"
    save_arrays(file, {**arrays, "conv2.weight": np.zeros((3, 1, 1, 1))})
    line = refused(
        1, "import-weights", "--kind", "stargan-discriminator", "--from", file,
        "--cameras", "1,2", "--out", tmp_path / "run",
    )  # fmt: skip
    assert "has 15000 convolutions, expected a discriminator of at most 12" in line


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_is_unpickled(
    copy_of, words, tfipgan, tiny_reid_run, tiny_world, tmp_path
):
    planted = tmp_path / "planted"
    plain = pickle.dumps(Planted(planted))
    tag = f"seed: !!python/object/apply:builtins.open [{planted}, w]\n".encode()

    def runs(command, run):
        result = tfipgan(*map(str, words(command, run)))
        assert result.exit_code != 0 and not planted.exists(), result.output
        assert result.stderr.startswith("Error: ")
        assert len(result.stderr.splitlines()) == 1, result.stderr

    def evaluates(path):
        result = tfipgan("evaluate", "--query", path, "--gallery", path)
        assert result.exit_code == 1 and not planted.exists()
        assert "not a readable .npz file" in result.stderr

    for name in ("run.json", "config.yaml", "labels.json", "network.safetensors"):
        for content in (plain, tag):
            run = copy_of(tiny_reid_run)
            for file in run.rglob(name):
                file.write_bytes(content)
            runs("extract", run)
            shutil.rmtree(run)

    features = tmp_path / "features.npz"
    good = {
        "features": np.ones((1, 2), np.float32),
        "person_ids": np.ones(1, np.int64),
        "camera_ids": np.ones(1, np.int64),
        "paths": np.array(["a"]),
    }
    objects = np.array([Planted(planted)], object)
    for name in good:
        np.savez(features, **{**good, name: objects})
        evaluates(features)
    np.save(tmp_path / "one.npy", objects, allow_pickle=True)
    evaluates(tmp_path / "one.npy")
    features.write_bytes(plain)
    evaluates(features)

    config = tmp_path / "config.yaml"
    config.write_bytes(tag)
    result = tfipgan(
        "train-reid", "--config", config, "--data", tiny_world / "source",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 2 and "could not determine a constr" in result.stderr
    data = shutil.copytree(tiny_world / "source", tmp_path / "data")
    (data / "dataset.yaml").write_bytes(tag)
    result = tfipgan("inspect", data)
    assert result.exit_code == 1 and "could not determine a constr" in result.stderr
    assert not planted.exists()
    pickle.loads(plain).close()
    assert planted.exists(), "the trap does not work"


def test_a_checkpoint_of_pytorch_is_read_as_weights_only(refused, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    planted, file = tmp_path / "planted", tmp_path / "net.pth"
    file.write_bytes(pickle.dumps({"conv1.weight": Planted(planted)}))
    line = refused(
        1, "import-weights", "--kind", "resnet", "--from", file, "--out", tmp_path / "r"
    )
    assert "can't be read as weights only" in line and not planted.exists()


def test_a_runs_config_stands_on_no_other_file(
    copy_of, words, refused, tiny_reid_run, tmp_path
):
    run = copy_of(tiny_reid_run)
    (tmp_path / "other.yaml").write_text("seed: 1\n")
    with open(run / "config.yaml", "a") as file:
        file.write(f"base: {tmp_path / 'other.yaml'}\n")
    line = refused(2, *words("extract", run))
    assert "config.yaml: unknown key base" in line
