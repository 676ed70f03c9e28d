"""PUL: its step, its rounds from one start, what a run leaves, resuming, devices."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.clustering.reliable import reliable_clusters
from tfipgan.config import load_config
from tfipgan.data.labels import LabelMap
from tfipgan.errors import ConfigError, InputError, TrainingError
from tfipgan.evaluation.features import extract_features
from tfipgan.models import ReidNetwork
from tfipgan.models.from_config import build_reid_network
from tfipgan.models.resnet import BLOCK_COUNTS
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.run import create_run, load_reid_network, open_run
from tfipgan.training import pul, runner
from tfipgan.training.loop import StepLoop
from tfipgan.training.pul import PulMethod, adapt_pul
from tfipgan.training.pul_training import PulTraining
from tfipgan.training.strategy import make_strategy
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.variables import named_weights

STEPS, ROUNDS = 3, 2
VALUES = (
    f"pul.rounds={ROUNDS}",
    f"pul.steps={STEPS}",
    "pul.clusters=6",
    "pul.reliability=0.99",
    "pul.batch_size=6",
    "pul.learning_rate=0.05",
    "adapt.pad_crop=2",
)


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """What takes the time is tracing: the shallowest network that has it all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BLOCK_COUNTS, 34, (1, 1, 0, 0))
        patch.setattr(runner, "METRICS_EVERY", 1)
        # A checkpoint after every step, so that there are some in mid-round.
        patch.setattr(runner, "SAVE_SECONDS", -1)
        yield


@pytest.fixture(scope="module")
def config(tiny_overrides):
    overrides = [*tiny_overrides, "backbone.depth=34", "reid.neck=bnneck", *VALUES]
    return load_config("synthetic/ipgan", overrides)


@pytest.fixture(scope="module")
def start(config, tmp_path_factory):
    """A re-ID run with a classifier of three people, as it was drawn."""
    keras.utils.set_random_seed(1)
    labels = LabelMap((1, 2, 5))
    path = tmp_path_factory.mktemp("runs") / "start"
    run = create_run(path, "reid", config, labels)
    network = build_reid_network(config.backbone, config.reid, len(labels))
    save_checkpoint(run.checkpoints, 0, {"network": network})
    return run


@pytest.fixture
def train(config, tiny_samples, start, tmp_path):
    """`adapt_pul` to the tiny target in tmp_path, for what isn't given."""

    def call(samples=None, name="run", config=config, start=start, **options):
        given = {"devices": ["CPU:0"], "progress": False, **options}
        samples = tiny_samples[1] if samples is None else samples
        return adapt_pul(config, start, samples, tmp_path / name, **given)

    return call


@pytest.fixture(scope="module")
def begun():
    """What `whole` had in its networks before and after each round's start."""
    return []


@pytest.fixture(scope="module")
def whole(config, tiny_samples, start, begun, tmp_path_factory):
    """A run in one go, with checkpoints of its last three steps."""
    renew = PulMethod.renew

    def watched(self, epoch):
        before = values_of(self)
        renew(self, epoch)
        begun.append((before, values_of(self)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PulMethod, "renew", watched)
        out = tmp_path_factory.mktemp("runs") / "adapted"
        return adapt_pul(
            config, start, tiny_samples[1], out, devices=["CPU:0"], progress=False
        )


def values_of(method):
    networks = method.networks.items()
    return {
        f"{name}.{variable}": values.numpy()
        for name, network in networks
        for variable, values in named_weights(network).items()
    } | {
        f"moment {k}": moment.numpy()
        for k, moment in enumerate(method.optimizers["optimizer"].momentums)
    }


@pytest.fixture
def require_same(checkpoint_values):
    """Function of two run folders: fails unless all of them is the same, to the bit."""

    def compare(found, expected):
        files = [p.relative_to(expected) for p in (expected / "clusters").iterdir()]
        for name in (*files, "metrics.jsonl", "config.yaml", "run.json", "images.json"):
            assert (found / name).read_bytes() == (expected / name).read_bytes(), name
        values, right = (
            checkpoint_values(p / "checkpoints") for p in (found, expected)
        )
        assert values.keys() == right.keys()
        for name, array in right.items():
            np.testing.assert_array_equal(values[name], array, err_msg=name)

    return compare


def test_the_run_is_a_reid_run(whole, start, tiny_samples):
    assert sorted(p.name for p in whole.path.iterdir()) == [
        ".lock", "checkpoints", "clusters", "config.yaml", "images.json",
        "metrics.jsonl", "model.json", "run.json", "tensorboard",
    ]  # fmt: skip
    run = open_run(whole.path, "reid")
    assert (run.labels, run.adapted) == (None, "start")
    network = load_reid_network(run)
    assert network.head is None
    assert extract_features(network, tiny_samples[1][:3], (32, 16)).features.shape[0]
    (rows,) = json.loads((whole.path / "images.json").read_bytes()).values()
    assert {person for _, person, _ in rows} == {-2}


def test_its_numbers_and_files(whole, config, start, tiny_samples):
    records = read_metrics(whole.path / "metrics.jsonl")
    steps = [r for r in records if "adapt/loss" in r]
    assert [r["step"] for r in steps] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= r["adapt/accuracy"] <= 1 for r in steps)
    assert {r["adapt/learning_rate"] for r in steps} == {0.05}
    rounds = [r for r in records if "adapt/clusters" in r]
    assert [r["step"] for r in rounds] == [3, 6]
    features = extract_features(load_reid_network(start), tiny_samples[1], (32, 16), 7)
    expected = reliable_clusters(features.features, 6, 0.99, config.seed)
    path = whole.path / "clusters" / "clusters_0001.json"
    about = json.loads(path.read_bytes())
    assert list(about["labels"].values()) == expected.tolist()
    assert about["settings"] == {"clusters": 6, "reliability": 0.99}
    assert about["quality"]["clusters"] == rounds[0]["adapt/clusters"] == 6
    assert 0 < rounds[0]["adapt/outliers"] == np.mean(expected < 0) < 0.8
    cameras = [s.camera_id for s in tiny_samples[1]]
    pairs = {(c, k) for c, k in zip(expected, cameras, strict=True) if c >= 0}
    assert rounds[0]["adapt/cameras_per_cluster"] == len(pairs) / 6
    names = sorted(p.name for p in (whole.path / "clusters").iterdir())
    assert names == [f"clusters_000{k}.{e}" for k in (1, 2) for e in ("json", "png")]


def test_each_round_begins_with_the_start_s_weights(whole, begun, start):
    there = named_weights(load_reid_network(start))
    assert len(begun) == ROUNDS
    moved = begun[1][0]
    for number, (_, after) in enumerate(begun):
        for name, values in after.items():
            if name.startswith("network."):
                right = there[name.removeprefix("network.")].numpy()
                np.testing.assert_array_equal(values, right, err_msg=name)
                assert (moved[name] != right).any(), name
            elif name.startswith("moment"):
                assert not values.any() and moved[name].any(), name
        assert not after["classifier.bias"].any()
        kernel = after["classifier.kernel"]
        assert 0.0007 < kernel.std() < 0.0013
        assert (begun[1 - number][1]["classifier.kernel"] != kernel).all()


def test_the_second_round_has_the_first_one_s_clusters(whole, begun, config, start):
    """What the first round has learnt makes the clusters, not the weights."""
    about = [
        json.loads((whole.path / "clusters" / f"clusters_000{k}.json").read_bytes())
        for k in (1, 2)
    ]
    assert about[0]["labels"] != about[1]["labels"]


def test_identities_are_never_read(train, whole, tiny_samples, require_same):
    others = [
        replace(s, person_id=k % 7, distractor=k % 2 == 0)
        for k, s in enumerate(tiny_samples[1])
    ]
    require_same(train(others).path, whole.path)


@pytest.mark.parametrize("step", [2, 4])
def test_killed_within_a_round_it_goes_on_to_the_bit(
    train, whole, killed_after, monkeypatch, require_same, step
):
    path = "run"
    if step == 2:  # of which the whole run has no checkpoint any more
        every_step = StepLoop.steps

        def broken_off(self, *arguments):
            for number, terms in every_step(self, *arguments):
                if number == step + 1:
                    raise KeyboardInterrupt
                yield number, terms

        monkeypatch.setattr(StepLoop, "steps", broken_off)
        with pytest.raises(KeyboardInterrupt):
            train()
        monkeypatch.setattr(StepLoop, "steps", every_step)
    else:
        path = killed_after(whole, step).name
    require_same(train(name=path, resume=True).path, whole.path)


def test_fewer_images_than_clusters(train, tiny_samples, tmp_path):
    with pytest.raises(InputError, match="^3 target images can't make 6 clusters: set"):
        train(tiny_samples[1][:3])
    with pytest.raises(InputError, match="^0 target images can't make 6 clusters"):
        train([])
    assert not (tmp_path / "run").exists()


def test_one_cluster_tells_nothing_apart(train, tmp_path, monkeypatch):
    calls = []

    def fewer(features, *rest):
        calls.append(len(features))
        labels = reliable_clusters(features, *rest)
        return labels if len(calls) == 1 else np.zeros_like(labels)

    monkeypatch.setattr(pul, "reliable_clusters", fewer)
    with pytest.raises(TrainingError) as raised:
        train()
    line = str(raised.value)
    assert line.startswith("round 2: 30 images make 1 clusters, expected at least 2 to")
    assert "step-00000003, stays; look for images or features that are all" in line
    assert load_reid_network(open_run(tmp_path / "run", "reid")).head is None


def test_images_that_are_all_alike(train, tiny_samples):
    alike = [replace(tiny_samples[1][0], camera_id=k % 3) for k in range(8)]
    line = (
        "^round 1: 8 images make 1 clusters, expected .* apart; nothing is lost; look"
    )
    with pytest.raises(TrainingError, match=line):
        train(alike)


def test_without_camera_numbers_and_with_all_images(
    train, tiny_samples, config, caplog
):
    loose = replace(config, pul=replace(config.pul, reliability=0.0, rounds=1, steps=1))
    samples = [replace(s, camera_id=-1) for s in tiny_samples[1]]
    run = train(samples, config=loose)
    assert "pul.reliability is 0: every image whose cosine is not" in caplog.text
    (found,) = (
        r for r in read_metrics(run.path / "metrics.jsonl") if "adapt/clusters" in r
    )
    assert (found["adapt/outliers"], found["adapt/cameras_per_cluster"]) == (0, 1)
    about = json.loads((run.path / "clusters" / "clusters_0001.json").read_bytes())
    assert about["quality"]["cameras_per_cluster"] == 0
    assert about["quality"]["images_per_cluster"] == 5


def test_what_is_refused_before_a_folder_is_made(train, start, config, tmp_path):
    cameras = replace(config, reid=replace(config.reid, labels="camera"))
    with pytest.raises(InputError, match="was trained with reid.labels camera, so its"):
        train(start=replace(start, config=cameras))
    padded = replace(config, adapt=replace(config.adapt, pad_crop=16))
    with pytest.raises(ConfigError, match=r"adapt.pad_crop: .* \[32, 16\], found 16"):
        train(config=padded)
    assert not (tmp_path / "run").exists()


def pul_training(neck="bnneck", dropout=0.25):
    network = ReidNetwork(None, depth=34, width=2, neck=neck)
    network.extract_features(tf.zeros((1, 64, 32, 3)))
    draw = np.random.default_rng(0)
    for variable in network.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(draw.normal(0, 0.1, variable.shape))
    size = network.extract_features(tf.zeros((1, 64, 32, 3))).shape[1]
    model = PulTraining(
        network, size, 5, dropout=dropout, learning_rate=0.05, momentum=0.6
    )
    model.classifier.kernel.assign(draw.normal(0, 0.5, model.classifier.kernel.shape))
    return model


def rows_of(count):
    draw = np.random.default_rng(3)
    return {
        "images": draw.random((count, 64, 32, 3)).astype(np.float32),
        "identities": np.int32(draw.integers(0, 5, count)),
        "dropout_noise": draw.random((count, 4)).astype(np.float32),
    }


@pytest.mark.parametrize(("neck", "dropout"), [("bnneck", 0.25), ("none", 0.0)])
def test_its_step_by_hand(neck, dropout):
    """Dropout, a linear classifier, cross-entropy, SGD with momentum: twice."""
    model, slow = pul_training(neck, dropout), pul_training(neck, dropout)
    batch = rows_of(6)
    moments = [np.zeros(v.shape) for v in slow.trainable_variables]
    kernel, bias = slow.classifier.kernel, slow.classifier.bias
    for _ in range(2):
        found = model.train_step({k: tf.constant(v) for k, v in batch.items()})
        with tf.GradientTape() as tape:
            pooled = slow.network.pool(batch["images"], training=True)
            if neck == "bnneck":
                pooled = slow.network.neck(pooled, training=True)
            kept = pooled * np.float32(batch["dropout_noise"] >= dropout)
            logits = tf.matmul(kept / (1 - dropout), kernel) + bias
            shares = tf.nn.softmax(logits)
            right = [shares[k, c] for k, c in enumerate(batch["identities"])]
            loss = -tf.reduce_mean(tf.math.log(tf.stack(right)))
        gradients = tape.gradient(loss, slow.trainable_variables)
        length = np.sqrt(sum(float(tf.reduce_sum(g**2)) for g in gradients))
        for k, (v, g) in enumerate(
            zip(slow.trainable_variables, gradients, strict=True)
        ):
            moments[k] = 0.6 * moments[k] - 0.05 * g.numpy()
            v.assign_add(np.float32(moments[k]))
        assert found.keys() == {"adapt/loss", "adapt/accuracy", "adapt/gradient_norm"}
        assert float(found["adapt/loss"]) == pytest.approx(float(loss), rel=1e-4)
        assert float(found["adapt/gradient_norm"]) == pytest.approx(length, rel=1e-4)
        hits = np.mean(np.argmax(logits, axis=1) == batch["identities"])
        assert float(found["adapt/accuracy"]) == pytest.approx(hits)
    for v, w in zip(model.trainable_variables, slow.trainable_variables, strict=True):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-3, atol=1e-5)


def test_two_devices_are_one(two_devices):
    """With a new start in between, which every device makes."""
    rows = rows_of(8)
    found = []
    for devices in (two_devices[:1], two_devices):
        names = [name.removeprefix("/device:") for name in devices]
        strategy = make_strategy(names)
        with strategy.scope():
            model = pul_training()
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4, drop_remainder=True)
        loop = StepLoop(model.train_step, strategy)
        terms = []
        for number in (0, 1):
            model.start_anew(7, number)
            terms += [
                {name: float(value) for name, value in step.items()}
                for _, step in loop.steps(batches, 0, 2)
            ]
        weights = {n: v.numpy() for n, v in named_weights(model.network).items()}
        found.append((terms, {**weights, "kernel": model.classifier.kernel.numpy()}))
    (terms, values), (terms_of_two, values_of_two) = found
    assert len(terms) == 4
    for one, two in zip(terms, terms_of_two, strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-5)
    for name, value in values.items():
        np.testing.assert_allclose(
            values_of_two[name], value, rtol=1e-4, atol=1e-4, err_msg=name
        )
