"""Versions: what is loaded when, what is left alone, and what is said about it."""

import shutil
import threading
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_pb2,
    prediction_log_pb2,
)

from tfipgan.errors import InputError
from tfipgan.serving.model_store import ModelStore

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50


def spec(name, version=None):
    made = model_pb2.ModelSpec(name=name)
    if version is not None:
        made.version.value = version
    return made


@pytest.fixture
def stores():
    made = []

    def make(*args, **options):
        made.append(ModelStore(*args, **options))
        made[-1].load()
        return made[-1]

    yield make
    for store in made:
        store.close()


def states(store, name="toy"):
    return [(number, state) for number, state, _ in store.status(spec(name))]


def latest(store, name="toy"):
    servable = store.hold(spec(name))
    servable.release()
    return servable.version


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(0.01)


def tear(folder):
    """Half a saved_model.pb, as an interrupted copy leaves it."""
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return folder


def test_latest_all_and_labels(write_version, stores, tmp_path):
    for version in (2, 9, 10):
        write_version(tmp_path, "toy", version)
    shutil.copytree(tmp_path / "toy" / "2", tmp_path / "toy" / "00000003")
    for name in ("next", "-4", "1.5", "99999999999999999999", ".11.part"):
        (tmp_path / "toy" / name).mkdir()
    (tmp_path / "toy" / "12").write_text("a file")
    (tmp_path / "notes").mkdir()
    assert states(stores(tmp_path)) == [(10, AVAILABLE)]
    store = stores(tmp_path, labels=[("toy", "old", 2)])
    assert states(store) == [(10, AVAILABLE), (2, AVAILABLE)]
    store = stores(tmp_path, all_versions=True)
    assert states(store) == [(number, AVAILABLE) for number in (10, 9, 3, 2)]
    assert latest(store) == 10 and store.names == ["toy"]


def test_new_version_while_the_old_one_answers(
    write_version, running, request_of, tmp_path
):
    write_version(tmp_path, "toy", 1)
    stop = threading.Event()
    seen, errors = [], []

    def ask(predict):
        request = request_of("toy", "sleep", seconds=np.array([0.002], np.float32))
        while not stop.is_set():
            try:
                result = predict(request, timeout=20)
            except grpc.RpcError as error:
                errors.append(error)
                return
            version = result.model_spec.version.value
            (value,) = result.outputs["seconds"].float_val
            assert abs(value - 0.002 * version) < 1e-6
            seen.append(version)

    with running(tmp_path) as served:
        threads = [
            threading.Thread(target=ask, args=(served.prediction.Predict,))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        until(lambda: seen)
        status = get_model_status_pb2.GetModelStatusRequest(model_spec=spec("toy"))
        health = health_pb2_grpc.HealthStub(served.channel)

        def state():
            entries = served.model.GetModelStatus(status).model_version_status
            answer = health.Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            return [(entry.version, entry.state) for entry in entries]

        write_version(tmp_path, "toy", 2)
        until(lambda: state() == [(2, AVAILABLE), (1, END)])
        # Back again: the new version is taken away.
        shutil.rmtree(tmp_path / "toy" / "2")
        until(lambda: state() == [(2, END), (1, AVAILABLE)])
        until(lambda: seen[-1] == 1)
        stop.set()
        for thread in threads:
            thread.join()
        assert not errors and set(seen) == {1, 2}
        shutil.rmtree(tmp_path / "toy" / "1")
        gone = health_pb2.HealthCheckResponse.NOT_SERVING
        until(lambda: health.Check(health_pb2.HealthCheckRequest()).status == gone)


def test_half_written_version_is_not_loaded(write_version, stores, tmp_path):
    write_version(tmp_path, "toy", 1)
    store = stores(tmp_path)
    # A copy that goes on for a while, of which no two looks are alike: on a busy
    # machine too, many steps of the one fall between two of the other.
    store.watch(0.2)
    whole = write_version(tmp_path / "aside", "toy", 3)
    target = tmp_path / "toy" / "3"
    target.mkdir()
    until(lambda: states(store) == [(3, START), (1, AVAILABLE)])
    time.sleep(0.1)
    graph = (whole / "saved_model.pb").read_bytes()
    with open(target / "saved_model.pb", "wb") as file:
        step = len(graph) // 40 + 1
        for place in range(0, len(graph), step):
            file.write(graph[place : place + step])
            file.flush()
            time.sleep(0.02)
            assert states(store) == [(3, START), (1, AVAILABLE)]
        shutil.copytree(whole / "variables", target / "variables")
    until(lambda: states(store) == [(3, AVAILABLE), (1, END)])


def test_broken_version_leaves_the_old_one(write_version, stores, tmp_path, caplog):
    write_version(tmp_path, "toy", 1)
    store = stores(tmp_path)
    store.watch(0.02)
    broken = tear(write_version(tmp_path / "aside", "toy", 2))
    broken.rename(tmp_path / "toy" / "2")
    until(lambda: states(store) == [(2, END), (1, AVAILABLE)])
    ((_, _, error),) = store.status(spec("toy", 2))
    assert "toy/2 can't be loaded: " in error and "\n" not in error
    time.sleep(0.2)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert latest(store) == 1
    # Other files under the same number are tried.
    shutil.rmtree(tmp_path / "toy" / "2")
    write_version(tmp_path, "toy", 2)
    until(lambda: latest(store) == 2)


def test_start_falls_back_to_what_loads(write_version, stores, tmp_path):
    write_version(tmp_path, "toy", 1)
    tear(write_version(tmp_path, "toy", 2))
    assert states(stores(tmp_path)) == [(2, END), (1, AVAILABLE)]


def test_versions_in_use_are_unloaded_last(write_version, stores, tmp_path):
    write_version(tmp_path, "toy", 1)
    store = stores(tmp_path)
    servable = store.hold(spec("toy"))
    store.watch(0.02)
    write_version(tmp_path, "toy", 2)
    until(lambda: states(store) == [(2, AVAILABLE), (1, UNLOADING)])
    inputs = {"number": np.int64(4)}
    assert servable.run("double", inputs, ["number"])["number"] == 8
    # The old one is wanted back; until it can be loaded, the new one answers.
    shutil.rmtree(tmp_path / "toy" / "2")
    time.sleep(0.2)
    assert states(store) == [(2, AVAILABLE), (1, UNLOADING)]
    servable.release()
    until(lambda: states(store) == [(2, END), (1, AVAILABLE)])


def test_folder_that_is_away_takes_no_model_with_it(
    write_version, stores, tmp_path, caplog
):
    write_version(tmp_path, "toy", 1)
    store = stores(tmp_path)
    store.watch(0.02)
    (tmp_path / "toy").rename(tmp_path / "away")
    until(lambda: caplog.records and "stay as they are" in caplog.text)
    assert latest(store) == 1
    (tmp_path / "away").rename(tmp_path / "toy")
    write_version(tmp_path, "toy", 2)
    until(lambda: latest(store) == 2)


def record_of(request):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log


def test_warm_up(write_version, stores, request_of, tmp_path):
    good = record_of(request_of("any name", "double", number=np.int64(1)))
    other = prediction_log_pb2.PredictionLog()
    other.classify_log.request.model_spec.name = "toy"
    write_version(tmp_path, "toy", 1, warm_up=[good, other, good])
    store = stores(tmp_path)
    assert latest(store) == 1
    store.watch(0.02)
    bad_rows = np.ones((2, 3), np.float32), np.array([1, 9], np.int32)
    bad = request_of("toy", "tensor", images=bad_rows[0], camera=bad_rows[1])
    for version, record, why in (
        (2, record_of(bad), "assertion failed: [a camera is none of 1 to 6:] [1 9]"),
        (3, record_of(request_of("toy", "no")), 'signature key "no" not found.'),
    ):
        write_version(tmp_path, "toy", version, warm_up=[good, record])
        until(lambda version=version: (version, END) in states(store))
        ((_, _, error),) = store.status(spec("toy", version))
        assert "warm-up fails at record 2: " in error and error.endswith(why)
    torn = write_version(tmp_path / "aside", "toy", 4, warm_up=[good])
    file = torn / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    torn.rename(tmp_path / "toy" / "4")
    write_version(tmp_path, "toy", 5, warm_up=[good] * 1001)
    no_message = SimpleNamespace(SerializeToString=lambda: b"\xff")
    write_version(tmp_path, "toy", 6, warm_up=[good, no_message])
    until(lambda: {(4, END), (5, END), (6, END)} <= set(states(store)))
    ((_, _, error),) = store.status(spec("toy", 6))
    assert "damaged after 1 warm-up records" in error
    ((_, _, error),) = store.status(spec("toy", 4))
    assert "damaged after 0 warm-up records" in error
    ((_, _, error),) = store.status(spec("toy", 5))
    assert "the number of warm-up records is above 1000" in error
    assert latest(store) == 1


def test_models_that_are_none(tmp_path, write_version):
    def why(folder, **options):
        with pytest.raises(InputError) as caught:
            ModelStore(folder, **options).load()
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path), "MODELS")

    assert why(tmp_path / "no").startswith("MODELS/no is no folder; expected one")
    assert why(tmp_path).startswith("MODELS is empty; expected a folder for each model")
    (tmp_path / "toy" / "v1").mkdir(parents=True)
    text = why(tmp_path)
    assert text.startswith("MODELS holds no version of a model; expected folders with")
    assert "MODELS/toy/1" in text
    (tmp_path / "toy" / "1").mkdir()
    text = why(tmp_path)
    assert text.startswith(
        "MODELS/toy/1 holds no saved_model.pb; expected a SavedModel"
    )
    assert why(tmp_path / "toy").startswith("MODELS/toy holds versions itself; ")
    (tmp_path / "toy" / "1" / "saved_model.pb").write_bytes(b"noise")
    assert why(tmp_path).startswith("MODELS/toy/1 can't be loaded: ")
    shutil.rmtree(tmp_path / "toy" / "1")
    folder = write_version(tmp_path, "toy", 1)
    next((folder / "variables").glob("*.data*")).write_bytes(b"noise")
    assert why(tmp_path).startswith("MODELS/toy/1 can't be loaded: ")
    shutil.rmtree(folder)
    write_version(tmp_path, "toy", 1)
    text = why(tmp_path, labels=[("no", "stable", 1)])
    assert text == "label stable: no model no in MODELS; expected one of toy"
    text = why(tmp_path, labels=[("toy", "stable", 3)])
    assert text == "label stable: version 3 of toy is not served; expected one of 1"


def test_a_folder_that_may_not_be_read_is_passed_over(
    stores, write_version, tmp_path, monkeypatch, caplog
):
    """A disk's lost+found, of mode 0, where the models have a disk of their own."""
    write_version(tmp_path, "toy", 1)
    (tmp_path / "lost+found").mkdir()
    iterdir = type(tmp_path).iterdir

    def closed(path):
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", closed)
    assert stores(tmp_path).names == ["toy"]
    assert f"{tmp_path}/lost+found is passed over: Permission denied" in caplog.text
