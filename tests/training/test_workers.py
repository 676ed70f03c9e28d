"""Several workers: one training, whoever stops, fails or is killed."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tfipgan.runs.metrics_log import read_metrics
from tfipgan.weights.checkpoints import checkpoint_step, list_checkpoints

# Small steps and a large epsilon: what is compared is the sums over workers, and not
# what a rate of 0.1, Adam's division, or an absolute value at 0 makes of their
# rounding. Of the held-out identity the chief alone ranks the images at each epoch's
# end. Triplets are of all workers' images. The gradient penalty takes long to trace,
# and test_distribution.py has it.
SETTINGS = (
    "gan.learning_rate=0.00005",
    "gan.epsilon=0.01",
    "gan.adversarial=vanilla",
    "gan.n_critic=1",
    "gan.batch_size=20",
    "reid.learning_rate=0.001",
    "reid.backbone_learning_rate=0.001",
    "reid.held_out_identities=1",
    "reid.triplet_margin=0.3",
    "reid.sampler=identities",
    "reid.images_per_identity=2",
    "backbone.depth=34",
)
# 60 images for the GAN, 24 for re-ID: 3 steps an epoch, and there are 2 epochs.
STEPS = 6


@pytest.fixture(scope="module")
def forks():
    """Function of a job without ports, and of how many workers: their exit codes."""
    program = Path(__file__).with_name("worker_forks.py")
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(workers, **job):
            print(json.dumps({**job, "ports": free_ports(workers)}, default=str),
                  file=process.stdin, flush=True)  # fmt: skip
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def free_ports(count):
    with ExitStack() as held:
        sockets = [
            held.enter_context(socket.create_server(("", 0))) for _ in range(count)
        ]
        return [one.getsockname()[1] for one in sockets]


class Work:
    """A folder in which workers train."""

    def __init__(self, forks, data, settings, folder):
        self._run, self._data, self._settings = forks, data, settings
        self.folder = folder

    def train(self, *trainings, workers=2):
        """Train one after the other; return the exit code of each worker."""
        return self._run(
            workers,
            work=self.folder,
            data=self._data,
            trainings=[
                {
                    **one,
                    "settings": [*self._settings, *SETTINGS, *one.get("settings", ())],
                }
                for one in trainings
            ],
        )

    def weights(self, worker, name):
        return dict(np.load(self.folder / str(worker) / f"{name}.npz"))

    def run(self, name):
        return self.folder / "0" / name

    def steps(self, name):
        there = list_checkpoints(self.run(name) / "checkpoints")
        return [checkpoint_step(path) for path in there]

    def log(self, worker):
        return (self.folder / f"{worker}.log").read_text()


@pytest.fixture(scope="module")
def works(forks, tiny_world, tiny_overrides, tmp_path_factory):
    """The same by one worker that goes through, and by two that are interrupted.

    The two are stopped after a step, then one of them is killed; then they go through,
    and at last begin where something is already.
    """
    one, two = (
        Work(forks, tiny_world, tiny_overrides, tmp_path_factory.mktemp(name))
        for name in ("one", "two")
    )
    reid = {"kind": "reid", "out": "reid", "resume": True}
    assert one.train(reid, workers=1) == [0]
    stopped, killed = (
        {**reid, "send": {"worker": 1, "step": step, "signal": number}}
        for step, number in ((1, signal.SIGTERM), (4, signal.SIGKILL))
    )
    assert two.train(stopped, killed) == [1, -signal.SIGKILL]
    two.interrupted = two.steps("reid")
    assert two.train(reid, {**reid, "resume": False}) == [1, 1]
    return one, two


@pytest.fixture(scope="module")
def gans(works, tiny_reid_run):
    """A GAN's training too, which takes a minute to trace on two workers."""
    one, two = works
    gan = {"kind": "gan", "out": "gan", "semantic": tiny_reid_run.path}
    assert one.train(gan, workers=1) == [0]
    assert two.train(gan) == [0, 0]


KINDS = ["reid", pytest.param("gan", marks=pytest.mark.slow)]


@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_train_as_one(works, request, kind):
    one, two = works
    if kind == "gan":
        request.getfixturevalue("gans")
    first, second, expected = (
        work.weights(worker, kind) for work, worker in ((two, 0), (two, 1), (one, 0))
    )
    assert first.keys() == expected.keys() and len(expected) > 10
    for name, value in expected.items():
        np.testing.assert_array_equal(second[name], first[name], err_msg=name)
        np.testing.assert_allclose(first[name], value, 1e-5, 1e-5, err_msg=name)
    records, right = (
        read_metrics(work.run(kind) / "metrics.jsonl") for work in (two, one)
    )
    assert len(records) == len(right) >= STEPS
    for record, values in zip(records, right, strict=True):
        # Before rounding has moved a weight, and after.
        rel = 1e-5 if record["step"] <= 2 else 1e-2
        assert record == pytest.approx(values, rel=rel, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_chief_writes(works, request, kind):
    one, two = works
    if kind == "gan":
        request.getfixturevalue("gans")
    others = {path.name for path in (two.folder / "1").iterdir()}
    assert f"{kind}.npz" in others <= {"gan.npz", "reid.npz"}
    # Where a run was stopped there is one more checkpoint.
    there, expected = (
        {
            str(path.relative_to(work.run(kind)))
            for path in work.run(kind).rglob("*")
            if "events" not in path.name and "step-00000002" not in str(path)
        }
        for work in (two, one)
    )
    assert there == expected and len(there) > 10


def test_a_signal_to_one_stops_all_after_the_same_step(works):
    """The other learns of it a step later."""
    _, two = works
    told = "SIGTERM stopped the run after step 2"
    assert told in two.log(0) and told in two.log(1)
    assert f"{told} of 6, saved as {two.run('reid')}" in two.log(0)


def test_a_worker_that_is_killed_ends_the_others_and_they_go_on(works):
    _, two = works
    assert two.interrupted == [2, 3]
    assert two.steps("reid") == [2, 3, 6]
    (line,) = (line for line in two.log(0).splitlines() if "TrainingError" in line)
    assert "TrainingError: worker 1 (localhost:" in line
    assert (
        "has ended or can't be reached, so worker 0 of 2 stops too; the last " in line
    )
    assert f"checkpoint is {two.run('reid')}/checkpoints/step-00000003; see " in line
    assert line.endswith("said, then start all workers again with --resume")


def test_a_chief_that_fails_ends_the_others(works):
    _, two = works
    assert "reid exists and is not empty; expected a new folder" in two.log(0)
    (line,) = (line for line in two.log(1).splitlines() if "TrainingError" in line)
    assert "TrainingError: worker 0 (localhost:" in line
    assert "so worker 1 of 2 stops too; the checkpoints are the chief's" in line


@pytest.mark.parametrize("method", ["Clustering", "Pair"])
def test_a_methods_own_state_is_the_chiefs(works, method):
    """Its arrays come to the other worker, of whatever shapes they are."""
    one, two = works
    training = {"kind": method, "out": f"toy_{method}"}
    assert one.train(training, workers=1) == [0], one.log(0)
    assert two.train(training) == [0, 0], two.log(0) + two.log(1)
    right = one.weights(0, training["out"])
    assert right
    for worker in (0, 1):
        got = two.weights(worker, training["out"])
        assert got.keys() == right.keys()
        for name, array in right.items():
            np.testing.assert_allclose(got[name], array, atol=1e-5, err_msg=name)
