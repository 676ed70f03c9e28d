"""Workers that wait for one another, and what one tells of the others."""

import json
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tfipgan.errors import InputError, TrainingError
from tfipgan.files.worker import Worker
from tfipgan.training import rendezvous, strategy
from tfipgan.training.rendezvous import (
    check_addresses,
    unreachable_workers,
    wait_for_others,
)
from tfipgan.training.strategy import make_strategy
from tfipgan.training.worker_group import WorkerGroup
from tfipgan.weights.local_copies import LocalCopies


@pytest.fixture
def listening():
    """Function of nothing: a socket that listens, and its port."""
    sockets = []

    def listen():
        sockets.append(socket.create_server(("", 0)))
        return sockets[-1], sockets[-1].getsockname()[1]

    yield listen
    for one in sockets:
        one.close()


@pytest.fixture
def free_port(listening):
    def find():
        one, port = listening()
        one.close()
        return port

    return find


@pytest.fixture
def patient(monkeypatch):
    """Function of the seconds that a worker waits here."""
    monkeypatch.setattr(rendezvous, "_ASK_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(rendezvous, "_ENDING_SECONDS", 0.05)
    return lambda seconds: monkeypatch.setattr(rendezvous, "WAIT_SECONDS", seconds)


def refusal(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "address", ["a", "a:", ":1", "a:0", "a:65536", "a:1234567", "a:b", "a:-1", 7, None]
)
def test_what_is_no_address(address):
    line = refusal(check_addresses, ["a:1", address])
    assert line.startswith("TF_CONFIG has the address ")
    assert "of worker 1; expected host:port" in line


def test_addresses():
    check_addresses(["a:1", "a:2", "b:1", "[::1]:65535"])
    line = refusal(check_addresses, ["a:1", "b:1", "a:1"])
    assert "the address a:1 of worker 2 twice" in line


def test_workers_wait_for_each_other(free_port, patient):
    patient(20)
    addresses = [f"localhost:{free_port()}" for _ in range(3)]
    came = []

    def come(index):
        wait_for_others(Worker(index, 3), addresses)
        came.append(index)

    threads = [threading.Thread(target=come, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert came == []
    # Those that came first stop listening, as TensorFlow does it then.
    last = socket.create_server(("", int(addresses[2].partition(":")[2])))
    for thread in threads:
        thread.join()
    last.close()
    assert sorted(came) == [0, 1]


def test_a_worker_that_never_comes(listening, free_port, patient, caplog):
    patient(0.05)
    _, there = listening()
    addresses = [f"localhost:{port}" for port in (free_port(), there, free_port())]
    with caplog.at_level("INFO"):
        line = refusal(wait_for_others, Worker(0, 3), addresses)
    assert line.startswith(
        "worker 0 of 3 has waited 0.000833333 minutes for worker 2 ("
    )
    assert addresses[2] in line and addresses[1] not in line
    (told,) = caplog.messages
    assert told == f"worker 0 of 3 waits for worker 2 ({addresses[2]})"


def test_a_port_in_use(listening, patient):
    patient(0)
    _, port = listening()
    line = refusal(wait_for_others, Worker(0, 2), [f"here:{port}", "there:1"])
    assert (
        f"worker 0 of 2 can't listen at port {port} of its address here:{port} ("
        in (line)
    )


def test_who_is_gone(listening, free_port, patient):
    patient(0)
    here, there, gone = free_port(), listening()[1], free_port()
    addresses = [f"localhost:{port}" for port in (here, there, gone)]
    assert unreachable_workers(Worker(0, 3), addresses) == [2]
    assert unreachable_workers(Worker(0, 2), addresses) == []


@pytest.fixture
def two_workers(monkeypatch):
    """Has TF_CONFIG name two, and no one wait; function of what to change in it."""

    def change(**task):
        cluster = {"worker": ["a:1", "b:1"]}
        task = {"type": "worker", "index": 1, **task}
        text = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", text)

    change()
    monkeypatch.setattr(strategy, "wait_for_others", lambda worker, addresses: None)
    return change


def test_a_strategy_of_several_comes_first(two_workers):
    tf.constant(1) + 1
    line = refusal(make_strategy)
    assert "names 2 workers, but TensorFlow has computed something in this" in line


def test_other_tasks_and_addresses(two_workers, monkeypatch):
    two_workers(type="chief")
    assert "has the task" in refusal(make_strategy)
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"worker": ["a:1", 7]}, "task": {"type": "worker", "index": 0}}',
    )
    assert "TF_CONFIG has " in refusal(make_strategy)


def test_devices_of_several_workers(two_workers):
    assert "device GPU:7 is not there; this machine has" in refusal(
        make_strategy, ["CPU:0", "GPU:7"]
    )
    # Which devices TensorFlow sees is settled in this process.
    assert "GPUs only, or CPU:0 alone" in refusal(
        strategy._show_only, ("CPU:0", "CPU:0")
    )


@pytest.fixture
def alone():
    return WorkerGroup(make_strategy(["CPU:0"]))


def test_one_process_is_a_group(alone):
    assert alone.is_chief and alone.is_alone
    assert alone.any_worker([True, False]) == [True, False]
    variable = tf.Variable(3.0)
    assert alone.broadcast_from_chief(7, [variable]) == 7
    assert variable.numpy() == 3.0
    alone.require_same({"config": "a"})
    alone.barrier()
    with (
        pytest.raises(tf.errors.UnavailableError),
        alone.lost_worker_as_training_error("run"),
    ):
        raise tf.errors.UnavailableError(None, None, "of a file system")


@pytest.fixture
def second(alone, monkeypatch, listening, free_port, patient):
    """The group as worker 1 of 3 sees it; 2 is gone. Its sums are over itself."""
    patient(0)
    alone.worker = Worker(1, 3)
    ports = listening()[1], free_port(), free_port()
    alone._addresses = tuple(f"localhost:{port}" for port in ports)
    monkeypatch.setattr(
        alone, "_summed", lambda values: [tf.constant(value) for value in values]
    )
    return alone


@pytest.mark.parametrize("differs", [False, True])
def test_workers_that_were_started_otherwise_are_named(second, monkeypatch, differs):
    def of_all(values):
        (told,) = values
        assert told.shape == (3, 2, 32) and not told[[0, 2]].any()
        told[[0, 2]] = told[1]
        told[2, 1, 31] += differs
        return [tf.constant(told)]

    monkeypatch.setattr(second, "_summed", of_all)
    decided_by = {"config": "a", "images": "b"}
    if not differs:
        second.require_same(decided_by)
        return
    line = refusal(second.require_same, decided_by)
    assert line.startswith(
        f"worker 2 ({second._addresses[2]}) was started with another "
    )
    assert "another images than worker 0" in line


def test_a_lost_worker_is_told(second, tmp_path):
    with (
        pytest.raises(TrainingError) as error,
        second.lost_worker_as_training_error(tmp_path),
    ):
        raise tf.errors.UnavailableError(None, None, "Socket closed")
    line = str(error.value)
    assert line.startswith(f"worker 2 ({second._addresses[2]}) has ended or can't be ")
    assert "so worker 1 of 3 stops too; the checkpoints are the chief's" in line
    second.worker = Worker(0, 1 + 1)
    with pytest.raises(TrainingError, match="there is no checkpoint; see what that"):
        with second.lost_worker_as_training_error(tmp_path):
            raise tf.errors.AbortedError(None, None, "")
    # What is wrong with this worker's own images is no one else's going.
    with (
        pytest.raises(tf.errors.NotFoundError),
        second.lost_worker_as_training_error(tmp_path),
    ):
        raise tf.errors.NotFoundError(None, None, "a file")


def test_a_wish_is_known_a_step_later(second):
    wishes = (False, True, False, False)
    assert [second.any_worker([wish, False]) for wish in wishes] == [
        [False, False], [False, False], [True, False], [False, False],
    ]  # fmt: skip


def test_copies_on_several_devices_are_one_variable(two_devices):
    mirrored = make_strategy(["CPU:0", "CPU:1"])
    with mirrored.scope():
        variable = tf.Variable(
            [1.0, 2.0],
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
    copies = LocalCopies(variable)
    copies.assign(np.float32([3.0, 4.0]))
    assert copies.shape == (2,) and copies.dtype == tf.float32
    np.testing.assert_array_equal(copies.numpy(), [3.0, 4.0])
    for copy in mirrored.experimental_local_results(variable):
        np.testing.assert_array_equal(copy.numpy(), [3.0, 4.0])
