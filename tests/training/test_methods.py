"""Methods with state of their own: killed within an epoch, and on several devices."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfipgan.runs.metrics_log import read_metrics

STEPS = {"Clustering": 12, "Pair": 10}
# In the middle of the second epoch, whose state was made three steps before.
KILLED_AT = 7


@pytest.fixture(scope="module")
def train():
    """Function of a job: its exit code; see `toy_forks.py`."""
    program = Path(__file__).with_name("toy_forks.py")
    helpers = Path(__file__).parents[1] / "helpers"
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(helpers), "CUDA_VISIBLE_DEVICES": "-1"},
        text=True,
    ) as forks:

        def run(method, out, devices=("CPU:0",), **kill):
            job = {"method": method, "out": str(out), "devices": devices, **kill}
            print(json.dumps(job), file=forks.stdin, flush=True)
            return int(forks.stdout.readline())

        yield run
        forks.stdin.close()


@pytest.fixture(scope="module", params=STEPS)
def whole(train, request, tmp_path_factory):
    """Name of a method, and the run folder of its training in one go."""
    out = tmp_path_factory.mktemp("toys") / "whole"
    assert train(request.param, out) == 0
    return request.param, out


def test_its_state_is_in_the_checkpoints(whole, checkpoint_values):
    method, out = whole
    values = checkpoint_values(out / "checkpoints")
    if method == "Clustering":
        # Four clusters in the last epoch, where there were two and three before.
        assert values["arrays/memory"].shape == (4, 3)
        assert set(values["arrays/clusters"]) == {0, 1, 2, 3}
    else:
        assert values["arrays/pool"].shape == (10, 2)
    records = read_metrics(out / "metrics.jsonl")
    assert records[-1]["step"] == STEPS[method]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_within_an_epoch_it_goes_on_to_the_bit(
    train, whole, tmp_path, checkpoint_values, number
):
    method, right = whole
    out = tmp_path / "run"
    code = train(method, out, step=KILLED_AT, signal=number)
    saved = sorted(path.name for path in (out / "checkpoints").iterdir())
    if number == signal.SIGKILL:
        assert (code, saved[-1]) == (-signal.SIGKILL, "step-00000006")
    else:
        assert (code, saved[-1]) == (128 + signal.SIGTERM, "step-00000007")
    assert train(method, out) == 0
    got, expected = (checkpoint_values(run / "checkpoints") for run in (out, right))
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    assert read_metrics(out / "metrics.jsonl") == read_metrics(right / "metrics.jsonl")


def test_a_checkpoint_without_its_state_is_damaged(train, whole, tmp_path):
    method, _ = whole
    out = tmp_path / "run"
    train(method, out, step=KILLED_AT, signal=signal.SIGKILL)
    for lost in (out / "checkpoints").glob("*/arrays.safetensors"):
        lost.unlink()
    assert train(method, out) == 1


def test_two_devices_are_one(train, whole, tmp_path, checkpoint_values):
    method, right = whole
    assert train(method, tmp_path / "run", ["CPU:0", "CPU:1"]) == 0
    got, expected = (
        checkpoint_values(run / "checkpoints") for run in (tmp_path / "run", right)
    )
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=1e-5, err_msg=name)
