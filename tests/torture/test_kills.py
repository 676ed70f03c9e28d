"""Trainings killed again and again end as one that never was, to the last bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfipgan.files.tensor_file import load_arrays
from tfipgan.runs.run import open_run
from tfipgan.training.stop import AT_ONCE_SECONDS
from tfipgan.weights.checkpoints import latest_checkpoint, list_checkpoints

FORKS = Path(__file__).with_name("training_forks.py")
KILLED = -9
# Lines of numbers, epochs, checkpoints and sheets fall on steps of their own.
SETTINGS = (
    "seed=3",
    "gan.image_size=[32, 16]",
    "gan.width=2",
    "gan.num_blocks=1",
    "gan.num_layers=4",
    "gan.lambda_semantic=0",
    "gan.batch_size=20",
    "gan.n_critic=1",
    "gan.constant_epochs=1",
    "gan.decay_epochs=2",
    "gan.checkpoint_every_epochs=1",
    "gan.sample_every_epochs=2",
    "backbone.width=2",
    "reid.image_size=[32, 16]",
    "reid.fc_units=8",
    "reid.batch_size=6",
    "reid.epochs=3",
    "reid.decay_epoch=1",
    "reid.held_out_identities=2",
    "evaluation.batch_size=7",
    "adapt.epochs=3",
    "adapt.steps=5",
    "adapt.batch_clusters=3",
    "adapt.images_per_cluster=2",
    "adapt.distance=plain",
    "adapt.k=4",
    "adapt.eps=0.6",
    "adapt.min_samples=2",
    "adapt.pad_crop=2",
    "adapt.sheet_every_epochs=2",
    "pul.rounds=3",
    "pul.steps=5",
    "pul.clusters=5",
    "pul.batch_size=6",
)
SHORTER = ("gan.decay_epochs=1", "reid.epochs=2", "adapt.epochs=2", "pul.rounds=2")
METRICS_EVERY = 4
# Of each kind, in the long form.
KILLS = 50
# While the run folder is made; while a checkpoint is written; in the middle of an epoch
# whose clusters are made of weights that are gone.
MID_EPOCH = {"kill_step": 8, "save_seconds": 0}
MOMENTS = {
    "reid": ({"kill_at": 12}, {"kill_at": 42}),
    "gan": ({"kill_at": 54},),
    "adapt": ({"kill_at": 12}, MID_EPOCH),
    "pul": (MID_EPOCH,),
}


class Forks:
    """The process of training_forks.py."""

    def __init__(self, log, data, start, settings):
        self._log, self._data, self._settings = log, data, settings
        self._start = start
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, FORKS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            )

    def train(self, kind, out, save_seconds=1000, **kill):
        """Start or go on with a run; return whether it came to its end."""
        job = {
            "kind": kind,
            "settings": self._settings,
            "data": str(self._data),
            "out": str(out),
            "start": str(self._start),
            "metrics_every": METRICS_EVERY,
            "save_seconds": save_seconds,
            **kill,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in (0, KILLED), self._log.read_text()[-3000:]
        return status == 0

    def close(self):
        with self._process:
            self._process.stdin.close()


@pytest.fixture(scope="module")
def forks(torture, tiny_world, tiny_reid_run, tmp_path_factory):
    settings = SETTINGS if torture else (*SETTINGS, *SHORTER)
    log = tmp_path_factory.mktemp("forks") / "log"
    forks = Forks(log, tiny_world, tiny_reid_run.path, settings)
    yield forks
    forks.close()


def end_of(run):
    """What a run leaves that others use: {what: its bytes}."""
    names = ("metrics.jsonl", "config.yaml", "images.json", "run.json")
    contents = {name: (run / name).read_bytes() for name in names}
    for file in (run / "clusters").glob("*"):
        contents[str(file.relative_to(run))] = file.read_bytes()
    for folder in (run / "checkpoints", run / "best"):
        for file in latest_checkpoint(folder).iterdir() if folder.exists() else ():
            # The words in a file stand in any order.
            arrays, about = load_arrays(file)
            name = str(file.relative_to(run))
            contents[name] = about
            contents |= {f"{name} {a}": x.tobytes() for a, x in arrays.items()}
    return contents


def damage(run, draw):
    """Change a bit of the last checkpoint, or cut it, if there is one before it."""
    there = list_checkpoints(run / "checkpoints")
    if len(there) < 2:
        return
    file = draw.choice(sorted(there[-1].iterdir()))
    contents = bytearray(file.read_bytes())
    place = draw.randrange(len(contents))
    if draw.random() < 0.5:
        contents[place] ^= 1 << draw.randrange(8)
    else:
        del contents[place:]
    file.write_bytes(contents)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("reid", marks=pytest.mark.slow),
        "gan",
        pytest.param("adapt", marks=pytest.mark.slow),
        pytest.param("pul", marks=pytest.mark.slow),
    ],
)
def test_killed_trainings_end_as_one_that_was_not(
    forks, kind, torture, tally, tmp_path
):
    draw = random.Random(f"kills of {kind}")
    whole = tmp_path / "whole" / "run"
    assert forks.train(kind, whole)
    expected = end_of(whole)
    kills, runs = 0, 0
    while kills < (KILLS if torture else 1):
        runs += 1
        run = tmp_path / f"run{runs}" / "run"
        killed = 0
        while not forks.train(kind, run, **moment(kind, draw, killed, torture)):
            killed += 1
            if torture and draw.random() < 0.2:
                damage(run, draw)
        end = end_of(run)
        different = [what for what in expected if end.get(what) != expected[what]]
        tally["outputs lost"] += bool(different)
        assert end.keys() == expected.keys() and not different
        assert not [*run.parent.rglob(".*.tmp"), *run.parent.rglob(".*.old")]
        assert torture or killed == len(MOMENTS[kind])
        kills += killed
        tally["kills survived"] += killed


def moment(kind, draw, killed, torture):
    """When the next process is killed: by the clock, or by what it does to files."""
    if not torture:
        return MOMENTS[kind][killed] if killed < len(MOMENTS[kind]) else {}
    # Now and then a checkpoint after every step, too.
    often = {"save_seconds": draw.choice((0, 1000))}
    if kind in ("adapt", "pul") and draw.random() < 0.3:
        return {"kill_step": draw.randint(1, 15), **often}
    if draw.random() < 0.4:
        return {"kill_after": draw.uniform(0, 8), **often}
    return {"kill_at": int(draw.uniform(1, 12) ** 2), **often}


@pytest.fixture
def start(tmp_path):
    """Starts a training command; gives (process, its log, its run folder)."""
    processes = []

    def call(kind, *words):
        out, log = tmp_path / kind, tmp_path / f"{kind}.log"
        # Long enough that it does not end by itself.
        settings = [*SETTINGS, "reid.epochs=1000", "gan.decay_epochs=1000"]
        options = [word for value in settings for word in ("--set", value)]
        command = [sys.executable, "-m", "tfipgan.cli", f"train-{kind}", *options]
        command += ["--config=synthetic/ipgan", "--devices=CPU:0", f"--out={out}"]
        with log.open("w") as stderr:
            process = subprocess.Popen([*command, *words], stderr=stderr)
        processes.append(process)
        return process, log, out

    yield call
    for process in processes:
        process.kill()
        process.wait()


def wait_until(is_so):
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.1)
    pytest.fail("it did not come to that within a minute")


def test_real_commands_and_their_signals(start, tiny_world):
    """Both at once; the signals come while the first step is traced."""
    data = [tiny_world / name for name in ("source", "target")]
    gan, log, gan_out = start("gan", "--source", data[0], "--target", data[1])
    reid, reid_log, reid_out = start("reid", "--data", data[0], "--no-progress")
    for process, number, out in (
        (gan, signal.SIGTERM, gan_out),
        (reid, signal.SIGINT, reid_out),
    ):
        wait_until((out / "metrics.jsonl").exists)
        process.send_signal(number)
    wait_until(lambda: "SIGINT: the step under way is" in reid_log.read_text())
    time.sleep(2 * AT_ONCE_SECONDS)
    reid.send_signal(signal.SIGINT)
    assert reid.wait(60) == 128 + signal.SIGINT
    assert gan.wait(60) == 128 + signal.SIGTERM
    (checkpoint,) = (gan_out / "checkpoints").iterdir()
    assert "SIGTERM stopped the run after step " in log.read_text()
    assert f"saved as {checkpoint}; the same command with --resume" in log.read_text()
    # The second signal ended the other one at once, and what it left is a run.
    assert "stopped the run" not in reid_log.read_text()
    assert not (reid_out / "checkpoints").exists()
    assert open_run(reid_out, "reid").labels is not None
    assert "Traceback" not in log.read_text() + reid_log.read_text()
