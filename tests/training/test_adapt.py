"""Adaptation runs: what they leave and read, resuming, devices, what they refuse.

The clustering is `near_clusters` of tests/helpers.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.clustering import agreement
from tfipgan.config import load_config
from tfipgan.data.labels import LabelMap
from tfipgan.errors import ConfigError, InputError, TrainingError
from tfipgan.evaluation.features import extract_features
from tfipgan.files.worker import ALONE
from tfipgan.models import ReidNetwork
from tfipgan.models.from_config import build_reid_network
from tfipgan.models.resnet import BLOCK_COUNTS
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.runs.pretrained import load_pretrained_backbone, resolve_weights
from tfipgan.runs.run import (
    create_run,
    load_reid_network,
    open_run,
    require_classifier,
)
from tfipgan.training import adapt, runner, target_method
from tfipgan.training.adapt import adapt_clusters
from tfipgan.training.cluster_memory import find_proxies
from tfipgan.training.cluster_training import ClusterTraining
from tfipgan.training.loop import StepLoop
from tfipgan.training.strategy import make_strategy
from tfipgan.weights.checkpoints import save_checkpoint
from tfipgan.weights.variables import named_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from near_clusters import clustering, near_clusters

STEPS, EPOCHS = 3, 2
VALUES = (
    f"adapt.epochs={EPOCHS}",
    f"adapt.steps={STEPS}",
    "adapt.batch_clusters=3",
    "adapt.images_per_cluster=2",
    "adapt.decay_epoch=1",
    "adapt.pad_crop=2",
    "adapt.learning_rate=0.01",
    "adapt.sheet_every_epochs=2",
)


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """What takes the time is tracing: the shallowest network that has it all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BLOCK_COUNTS, 34, (1, 1, 0, 0))
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
def train(config, tiny_samples, start, tmp_path, monkeypatch):
    """`adapt_clusters` to the tiny target in tmp_path, for what isn't given."""
    monkeypatch.setattr(runner, "METRICS_EVERY", 1)
    # A checkpoint after every step, so that there are some in the middle of an epoch.
    monkeypatch.setattr(runner, "SAVE_SECONDS", -1)

    def call(samples=None, name="run", config=config, start=start, **options):
        given = {
            "cluster": near_clusters,
            "memory_bytes": 2**20,
            "devices": ["CPU:0"],
            "progress": False,
        }
        samples = tiny_samples[1] if samples is None else samples
        return adapt_clusters(
            config, start, samples, tmp_path / name, **given | options
        )

    return call


@pytest.fixture(scope="module")
def whole(config, tiny_samples, start, tmp_path_factory):
    """An adaptation in one go, with checkpoints of its last three steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "METRICS_EVERY", 1)
        patch.setattr(runner, "SAVE_SECONDS", -1)
        return adapt_clusters(
            config,
            start,
            tiny_samples[1],
            tmp_path_factory.mktemp("runs") / "adapted",
            cluster=near_clusters,
            memory_bytes=2**20,
            devices=["CPU:0"],
            progress=False,
        )


@pytest.fixture
def require_same(checkpoint_values):
    """Function of two run folders: fails unless all of them is the same, to the bit."""

    def compare(found, expected):
        files = [p.relative_to(expected) for p in (expected / "clusters").iterdir()]
        for name in (*files, "metrics.jsonl", "config.yaml", "run.json", "images.json"):
            assert (found / name).read_bytes() == (expected / name).read_bytes(), name
        # Not their files' bytes: safetensors writes its words in any order.
        values, right = (
            checkpoint_values(p / "checkpoints") for p in (found, expected)
        )
        assert values.keys() == right.keys()
        for name, array in right.items():
            np.testing.assert_array_equal(values[name], array, err_msg=name)

    return compare


def test_the_run_folder(whole, config, tiny_samples, start):
    assert sorted(p.name for p in whole.path.iterdir()) == [
        ".lock", "checkpoints", "clusters", "config.yaml", "images.json",
        "metrics.jsonl", "model.json", "run.json", "tensorboard",
    ]  # fmt: skip
    run = open_run(whole.path, "reid")
    assert (run.labels, run.imported, run.adapted) == (None, None, "start")
    assert run.config.backbone == start.config.backbone
    assert run.config.reid == start.config.reid
    assert run.config.adapt == config.adapt
    (rows,) = json.loads((whole.path / "images.json").read_bytes()).values()
    assert {person for _, person, _ in rows} == {-2}
    assert [camera for *_, camera in rows] == [s.camera_id for s in tiny_samples[1]]


def test_its_numbers(whole):
    records = read_metrics(whole.path / "metrics.jsonl")
    steps = [r for r in records if "adapt/loss" in r]
    assert [r["step"] for r in steps] == [1, 2, 3, 4, 5, 6]
    # 0 for a batch whose clusters are of one camera each.
    losses = [r["adapt/camera_loss"] for r in steps]
    assert min(losses) >= 0 and max(losses) > 0
    rates = [r["adapt/learning_rate"] for r in steps]
    np.testing.assert_allclose(rates, [0.01, 0.01] + [0.001] * 4, rtol=1e-6)
    epochs = [r for r in records if "adapt/clusters" in r]
    assert [r["step"] for r in epochs] == [3, 6]
    each = []
    for number, record in enumerate(epochs, 1):
        path = whole.path / "clusters" / f"clusters_{number:04d}.json"
        about = json.loads(path.read_bytes())
        assert about.pop("labels").keys() == {
            name
            for name, *_ in json.loads((whole.path / "images.json").read_bytes())[
                "target"
            ]
        }
        assert about["epoch"] == number
        assert (about["settings"]["k"], about["quality"]["outliers"]) == (2, 0.5)
        labels = [*json.loads(path.read_bytes())["labels"].values()]
        assert record["adapt/clusters"] == max(labels) + 1
        outliers = labels.count(-1) / len(labels)
        assert record["adapt/outliers"] == outliers
        assert 1 <= record["adapt/cameras_per_cluster"] <= 3
        assert record["adapt/silhouette"] == about["quality"]["silhouette"] == 0.25
        expected = pytest.approx(1 * (1.5 - 1) * 0.25 * 0.5**0.5)
        assert record["adapt/score"] == about["score"] == expected
        assert record.get("adapt/agreement") == about["agreement"]
        each.append(np.array(labels))
    assert "adapt/agreement" not in epochs[0]
    assert epochs[1]["adapt/agreement"] == agreement(each[1], each[0])
    sheets = sorted(p.name for p in (whole.path / "clusters").glob("*.png"))
    assert sheets == ["clusters_0001.png", "clusters_0002.png"]


def test_its_network_is_the_start_s_trained_on(whole, start, tiny_samples):
    network, before = load_reid_network(whole), load_reid_network(start)
    assert network.head is None
    there = named_weights(before)
    moved = [
        name
        for name, variable in named_weights(network).items()
        if not np.array_equal(variable.numpy(), there[name].numpy())
    ]
    assert len(moved) == len(named_weights(network))
    features = extract_features(network, tiny_samples[1][:3], (32, 16))
    assert features.features.shape == (3, 8)
    with pytest.raises(InputError, match="was adapted from start and can tell no iden"):
        require_classifier(open_run(whole.path, "reid"))


def test_another_training_starts_from_it(whole):
    backbone = replace(whole.config.backbone, weights=str(whole.path))
    backbone = resolve_weights(backbone)
    network = build_reid_network(backbone, whole.config.reid, 3)
    load_pretrained_backbone(network, backbone)
    found, expected = (
        named_weights(n.backbone)["stem.kernel"]
        for n in (network, load_reid_network(whole))
    )
    np.testing.assert_array_equal(found, expected)


def test_identities_are_never_read(train, whole, tiny_samples, require_same):
    others = [
        replace(s, person_id=k % 7, distractor=k % 2 == 0)
        for k, s in enumerate(tiny_samples[1])
    ]
    run = train(others)
    require_same(run.path, whole.path)


@pytest.mark.parametrize("step", [2, 4])
def test_killed_within_an_epoch_it_goes_on_to_the_bit(
    train, whole, killed_after, monkeypatch, require_same, step
):
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
        path = "run"
    else:
        path = killed_after(whole, step).name
    run = train(name=path, resume=True)
    require_same(run.path, whole.path)


@pytest.fixture(scope="module")
def with_source(config, tiny_samples, start, tmp_path_factory):
    """As `whole`, with the source's people beside the clusters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "METRICS_EVERY", 1)
        patch.setattr(runner, "SAVE_SECONDS", -1)
        return adapt_clusters(
            config,
            start,
            tiny_samples[1],
            tmp_path_factory.mktemp("runs") / "adapted",
            source=tiny_samples[0],
            cluster=near_clusters,
            memory_bytes=2**20,
            devices=["CPU:0"],
            progress=False,
        )


def test_people_of_a_source_are_classes(with_source, whole, checkpoint_values):
    images = json.loads((with_source.path / "images.json").read_bytes())
    assert {person for _, person, _ in images["target"]} == {-2}
    assert len({person for _, person, _ in images["source"]}) == 5
    values = checkpoint_values(with_source.path / "checkpoints")
    labels = values["arrays/labels"]
    assert len(labels) == 30
    clusters = labels.max() + 1
    assert values["arrays/memory"].shape == (clusters + 5, 8)
    cameras = [camera for *_, camera in images["target"]]
    pairs = {(c, k) for c, k in zip(labels, cameras, strict=True) if c >= 0}
    known = {(person, camera) for _, person, camera in images["source"]}
    assert values["arrays/proxies"].shape == (len(pairs) + len(known), 8)
    # The numbers and files are of the target's clusters, and the first epoch's are
    # those without a source.
    first = [
        json.loads((run.path / "clusters" / "clusters_0001.json").read_bytes())
        for run in (with_source, whole)
    ]
    assert first[0] == first[1]
    *_, last = read_metrics(with_source.path / "metrics.jsonl")
    assert last["adapt/clusters"] == clusters
    assert last["adapt/cameras_per_cluster"] == len(pairs) / clusters


def test_a_batch_has_as_many_images_of_the_source(
    config, start, tiny_samples, monkeypatch
):
    target, source = tiny_samples[1], tiny_samples[0]
    labels = np.array([k // 3 if k < 12 else -1 for k in range(30)])
    method = adapt.AdaptMethod(config, start, target, near_clusters, 2**20, source)
    method.prepare()
    assert method.batch_size == 2 * 3 * 2
    method.labels_of_images = labels
    method._proxies = find_proxies(labels, method._cameras)
    pairs, given = method._proxies, {}
    made = target_method.reid_batches
    keep = lambda *a, **k: given.update(s=a[0], order=k["order"]) or made(*a, **k)  # noqa: E731
    monkeypatch.setattr(target_method, "reid_batches", keep)
    first, *others = method.batches(STEPS, 2 * STEPS, ALONE)
    assert len(others) == STEPS - 1
    rows = [given["s"][k] for k in given["order"].images[: method.batch_size]]
    assert first["identities"].numpy().tolist() == [s.person_id for s in rows]
    ofs = {s.path: k for k, s in enumerate([*target, *source])}
    known = sorted({(s.person_id, s.camera_id) for s in source})
    for number, row in enumerate(rows):
        place = ofs[row.path]
        if number < 6:
            assert place < 12
            proxy = row.person_id
            assert pairs.clusters[proxy] == labels[place]
            assert pairs.cameras[proxy] == target[place].camera_id
        else:
            of = source[place - 30]
            number = row.person_id - len(pairs.clusters)
            assert known[number] == (of.person_id, of.camera_id)
    groups = [[ofs[r.path] for r in rows[k : k + 2]] for k in range(6, 12, 2)]
    assert all(source[a - 30].person_id == source[b - 30].person_id for a, b in groups)


def test_with_a_source_the_target_s_identities_are_never_read(
    train, with_source, tiny_samples, require_same
):
    others = [replace(s, person_id=k % 7) for k, s in enumerate(tiny_samples[1])]
    run = train(others, source=tiny_samples[0])
    require_same(run.path, with_source.path)


def test_with_a_source_it_goes_on_to_the_bit(
    train, with_source, killed_after, tiny_samples, require_same
):
    path = killed_after(with_source, 4)
    with pytest.raises(InputError, match="is a run with another source images"):
        train(name=path.name, source=None, resume=True)
    people = [replace(s, person_id=s.person_id + 1) for s in tiny_samples[0]]
    with pytest.raises(InputError, match="is a run with another source images"):
        train(name=path.name, source=people, resume=True)
    run = train(name=path.name, source=tiny_samples[0], resume=True)
    require_same(run.path, with_source.path)


def test_clusters_are_of_the_mirror_images_too(train, start, tiny_samples):
    seen = []

    def cluster(features, *rest):
        seen.append(features)
        return near_clusters(features, *rest)

    train(cluster=cluster)
    network, samples = load_reid_network(start), tiny_samples[1]
    expected, alone = (
        extract_features(network, samples, (32, 16), flip=flip).features
        for flip in (True, False)
    )
    np.testing.assert_allclose(seen[0], expected, atol=1e-5)
    assert np.abs(seen[0] - alone).max() > 1e-3


def test_its_step_is_traced_once_though_clusters_change(train, monkeypatch):
    traces, counts = [], []
    every_step = StepLoop.steps

    def watched(self, *arguments):
        yield from every_step(self, *arguments)
        traces.append(self.traces)

    def more_each_time(features, *rest):
        counts.append(2 + 3 * len(counts))
        return clustering(np.arange(len(features)) % counts[-1])

    monkeypatch.setattr(StepLoop, "steps", watched)
    train(cluster=more_each_time)
    assert (counts, traces) == ([2, 5], [1, 1])


def test_fewer_clusters_than_a_batch_takes(train, caplog):
    train(cluster=lambda features, *rest: clustering(np.arange(len(features)) % 2))
    found = [line for line in caplog.messages if "fewer clusters" in line]
    assert len(found) == 2
    assert found[0].startswith("epoch 1 has fewer clusters than a batch takes (3), so")


@pytest.mark.parametrize("vanished", [0, 1])
def test_clusters_that_vanish(train, vanished, tmp_path):
    calls = []

    def cluster(features, *rest):
        calls.append(1)
        if len(calls) == 1:
            return near_clusters(features, *rest)
        return clustering([-1] * (len(features) - vanished) + [0] * vanished)

    with pytest.raises(TrainingError) as raised:
        train(cluster=cluster)
    line = str(raised.value)
    assert line.startswith(f"epoch 2: 30 images make {vanished} clusters, expected at")
    assert "step-00000003, stays; start from a stronger run" in line
    assert load_reid_network(open_run(tmp_path / "run", "reid")).head is None


def test_a_start_that_is_too_weak(train):
    with pytest.raises(TrainingError, match=r"^epoch 1: 30 images make 0 clusters, .*"):
        train(cluster=lambda features, *rest: clustering([-1] * len(features)))


@pytest.mark.parametrize(
    ("cameras", "why"),
    [
        (lambda k: -1, "30 of 30 images have no camera number: clusters are made wit"),
        (lambda k: -1 if k == 4 else k % 3, "1 of 30 images have no camera number: "),
        (lambda k: 7, "all images are of one camera: clusters are made without camer"),
    ],
)
def test_without_cameras(train, tiny_samples, caplog, cameras, why):
    seen = []

    def cluster(features, cameras, settings, memory_bytes):
        seen.append((cameras, settings.min_samples, memory_bytes))
        return near_clusters(features, cameras, settings, memory_bytes)

    samples = [replace(s, camera_id=cameras(k)) for k, s in enumerate(tiny_samples[1])]
    run = train(samples, cluster=cluster)
    assert any(line.startswith(why) for line in caplog.messages)
    assert seen == [(None, 4, 2**20)] * 2
    (first, *_) = read_metrics(run.path / "metrics.jsonl")
    assert "adapt/loss" in first
    assert "adapt/camera_loss" not in first


def test_fewer_images_than_a_batch(train, tiny_samples):
    pair = clustering([0, 1, 0])
    run = train(tiny_samples[1][:3], cluster=lambda *arguments: pair)
    assert open_run(run.path, "reid").labels is None


def test_no_image(train):
    with pytest.raises(InputError, match="^no target image, expected some to adapt to"):
        train([])


def test_a_classifier_of_cameras_is_no_start(train, start, tmp_path):
    config = start.config
    cameras = replace(config, reid=replace(config.reid, labels="camera"))
    start = replace(start, config=cameras)
    with pytest.raises(InputError, match="was trained with reid.labels camera, so its"):
        train(start=start)
    assert not (tmp_path / "run").exists()


def test_a_start_that_has_diverged(train, tmp_path, monkeypatch):
    broken = lambda start: with_nan(load_reid_network(start))  # noqa: E731
    monkeypatch.setattr(target_method, "load_start", broken)
    with pytest.raises(InputError, match="values that are NaN or infinite and was not"):
        train()
    assert not (tmp_path / "run").exists()


def with_nan(network):
    kernel = named_weights(network)["backbone.stem.kernel"]
    kernel.assign(tf.fill(kernel.shape, np.nan))
    return network


def test_resumed_from_another_start_is_refused(train, whole, killed_after, config):
    path = killed_after(whole, 4)
    other = replace(whole, adapted="other")
    with pytest.raises(InputError, match="is a run with another run to adapt"):
        train(name=path.name, start=other, resume=True)


def test_crops_wider_than_the_image(train, config):
    padded = replace(config, adapt=replace(config.adapt, pad_crop=16))
    with pytest.raises(ConfigError, match=r"adapt.pad_crop: .* \[32, 16\], found 16"):
        train(config=padded)


def cluster_training():
    """A step that stands far from rounding: a large epsilon, and few clusters."""
    network = ReidNetwork(None, depth=34, width=2, neck="bnneck")
    network.extract_features(tf.zeros((1, 64, 32, 3)))
    draw = np.random.default_rng(0)
    for variable in network.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(draw.normal(0, 0.1, variable.shape))
    optimizer = keras.optimizers.Adam(0.002, epsilon=1e-2)
    optimizer.build(network.trainable_variables)
    model = ClusterTraining(
        network,
        optimizer,
        weight_decay=0.05,
        temperature=0.5,
        momentum=0.4,
        lambda_camera=0.7,
        camera_temperature=0.3,
        camera_negatives=2,
    )
    size = network.extract_features(tf.zeros((1, 64, 32, 3))).shape[1]
    model.set_memories(
        *(unit(draw.normal(size=(rows, size))) for rows in (3, 6)),
        np.repeat([0, 1, 2], 2),
        np.array([1, 2] * 3),
    )
    return model


def unit(rows):
    return np.float32(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_two_devices_are_one(two_devices):
    draw = np.random.default_rng(3)
    rows = {
        "images": draw.random((8, 64, 32, 3)).astype(np.float32),
        # A cluster's rows are on both devices, and their order decides.
        "identities": np.int32([0, 2, 1, 4, 1, 0, 3, 5]),
    }
    found = []
    for devices in (two_devices[:1], two_devices):
        names = [name.removeprefix("/device:") for name in devices]
        strategy = make_strategy(names)
        with strategy.scope():
            model = cluster_training()
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4, drop_remainder=True)
        loop = StepLoop(model.train_step, strategy)
        terms = [
            {name: float(value) for name, value in step.items()}
            for _, step in loop.steps(batches, 0, 2)
        ]
        weights = {n: v.numpy() for n, v in named_weights(model.network).items()}
        found.append((terms, {**weights, **model.memories()}))
    (terms, values), (terms_of_two, values_of_two) = found
    for one, two in zip(terms, terms_of_two, strict=True):
        assert one.keys() == {"adapt/loss", "adapt/camera_loss", "adapt/gradient_norm"}
        assert two == pytest.approx(one, rel=1e-4)
    for name, value in values.items():
        np.testing.assert_allclose(
            values_of_two[name], value, rtol=1e-4, atol=1e-4, err_msg=name
        )
