"""Runs that are stopped, diverge or find no room, and what goes on from there."""

import errno
import logging
import os
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from tfipgan.errors import TrainingError
from tfipgan.files.output_file import remove_stale_files
from tfipgan.runs import metrics_log as log
from tfipgan.runs.metrics_log import read_metrics
from tfipgan.training import runner
from tfipgan.training.loop import StepLoop
from tfipgan.weights import checkpoints as checkpoint_files

STEPS = 10


@pytest.fixture
def assert_same():
    def check(got, expected):
        assert got.state.keys() == expected.state.keys() and len(expected.state) > 3
        for name, array in expected.state.items():
            np.testing.assert_array_equal(got.state[name], array, err_msg=name)
        assert got.records == expected.records

    return check


@pytest.fixture
def at_step(monkeypatch):
    """Function of (step, act): has `act` done after that step, before all else."""
    steps = StepLoop.steps

    def arrange(when, act):
        def watched(*arguments):
            for step, terms in steps(*arguments):
                if step == when:
                    act()
                yield step, terms

        monkeypatch.setattr(StepLoop, "steps", watched)

    yield arrange
    monkeypatch.undo()


def send(number):
    return lambda: os.kill(os.getpid(), number)


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the file")


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_run(line_training):
    run = line_training()
    assert run.steps == [5, 10]
    assert [record["step"] for record in run.records] == [4, 8, 10]
    keys = {"step", "loss", "gradient_norm", "rate"}
    assert all(record.keys() == keys for record in run.records)
    assert run.records[-1]["loss"] < run.records[0]["loss"]
    np.testing.assert_array_equal(
        run.weights["dense.kernel"], run.state["line/dense.kernel"]
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
@pytest.mark.parametrize("step", [2, 5, 6])
def test_a_signal_saves_the_step_and_the_run_goes_on_the_same(
    line_training, line_state, at_step, assert_same, caplog, number, code, step
):
    """In the middle of an epoch and of the steps of a line, and at their ends."""
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    at_step(step, send(number))
    with caplog.at_level(logging.WARNING), pytest.raises(SystemExit) as end:
        line_training()
    assert end.value.code == code
    assert line_state().steps[-1] == step
    # A thread tells the first, so that the second may come before it.
    messages = [record.getMessage() for record in caplog.records]
    stopped, told = sorted(messages, key=lambda line: "stopped the run" not in line)
    name = signal.Signals(number).name
    assert told.startswith(f"{name}: the step under way is finished and saved")
    assert f"{name} stopped the run after step {step} of 10, saved as" in stopped
    assert f"step-0000000{step}; the same command with --resume goes on" in stopped
    assert before == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    at_step(0, None)
    assert_same(line_training(), line_training("whole"))


def test_a_signal_during_the_validation_waits_for_it(line_training, line_state):
    def validate(step, log):
        os.kill(os.getpid(), signal.SIGTERM)
        log.write(step, {"held_out": 1.0})

    with pytest.raises(SystemExit):
        line_training(epoch=validate)
    assert line_state().records[-1] == {"step": 5, "held_out": 1.0}
    assert line_state().steps == [5]


def test_a_signal_in_the_last_step_changes_nothing(line_training, at_step, assert_same):
    at_step(STEPS, send(signal.SIGTERM))
    stopped = line_training()
    at_step(0, None)
    assert_same(stopped, line_training("whole"))


def test_a_signal_that_is_sent_twice_at_once_is_one(line_training, at_step):
    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    at_step(3, twice)
    with pytest.raises(SystemExit) as end:
        line_training()
    assert end.value.code == 143


def test_other_threads_take_no_signals(line_training):
    ends = []
    thread = threading.Thread(target=lambda: ends.append(line_training()))
    thread.start()
    thread.join()
    assert ends[0].steps == [5, 10]


def test_an_ignored_signal_stays_ignored(line_training, at_step):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        at_step(3, send(signal.SIGINT))
        assert line_training().steps == [5, 10]
    finally:
        signal.signal(signal.SIGINT, before)


def test_long_epochs_are_saved_by_time(
    line_training, line_state, assert_same, monkeypatch
):
    whole = line_training("whole")
    monkeypatch.setattr(runner, "SAVE_SECONDS", -1)

    class Killed(Exception):
        pass

    def kill(step, log):
        raise Killed

    with pytest.raises(Killed):
        line_training(epoch=kill)
    # Step 5's own comes after its validation, which was cut off.
    assert line_state().steps == [2, 3, 4]
    assert_same(line_training(), whole)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("save_seconds", [1000, -1])
def test_divergence_is_told_and_not_saved(
    line_training, line_state, monkeypatch, value, save_seconds
):
    monkeypatch.setattr(runner, "SAVE_SECONDS", save_seconds)

    def spoil(step, rows):
        return rows * value if step == 7 else rows

    with pytest.raises(TrainingError) as error:
        line_training(rows=spoil)
    line = one_line(error)
    assert "the training diverged at step 7: loss is nan, gradient_norm is nan" in line
    last = 6 if save_seconds < 0 else 5
    assert f"checkpoints/step-0000000{last}; the same run" in line
    assert line.endswith("would diverge again: learn slower")
    state = line_state()
    assert state.steps[-1] == last
    assert [record["step"] for record in state.records] == [4]


def test_finite_terms_of_a_diverged_step_are_told(line_training):
    with pytest.raises(TrainingError) as error:
        line_training(rows=lambda step, rows: rows * 1e16)
    # Squares of it fit into a float32, those of its gradient don't.
    line = one_line(error)
    assert "at step 1: gradient_norm is inf (finite: loss " in line
    assert "the last checkpoint before it is none" in line


@pytest.mark.parametrize("place", ["checkpoint", "line", "events", "sheet"])
def test_a_full_disk(line_training, line_state, assert_same, monkeypatch, place):
    """Each thing that a training writes, from its second epoch on."""

    def draw(step, log):
        if place == "sheet" and step > 5:
            full()

    with monkeypatch.context() as patch:
        if place == "checkpoint":
            # The file of the network is there, that of the optimisers is not.
            calls = iter(range(100))
            real = checkpoint_files.save_arrays
            patch.setattr(
                checkpoint_files,
                "save_arrays",
                lambda *a: full() if next(calls) == 3 else real(*a),
            )
        elif place == "line":
            # Half a line, as the system leaves it.
            def write(self, step, values):
                if step > 5:
                    with self._path.open("a") as lines:
                        lines.write('{"step": 8, "lo')
                    full()
                real_write(self, step, values)

            real_write = log.MetricsLog.write
            patch.setattr(log.MetricsLog, "write", write)
        elif place == "events":
            flushes = iter(range(100))
            real_flush = log.MetricsLog.flush
            patch.setattr(
                log.MetricsLog,
                "flush",
                lambda self: full() if next(flushes) == 1 else real_flush(self),
            )
        with pytest.raises(TrainingError) as error:
            line_training(epoch=draw)
    line = one_line(error)
    assert line.startswith("the file: No space left on device; the training stopped ")
    assert "and the last checkpoint is " in line and "step-00000005; put that" in line
    assert line.endswith(f"then --resume goes on with {line_state().path}")
    assert line_state().steps == [5]
    assert not list(line_state().path.rglob("*.tmp"))
    assert_same(line_training(), line_training("whole"))


@pytest.fixture
def small_disk(tmp_path):
    """Folder of half a megabyte, where this may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", path]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system may be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_disk_that_is_really_full(line_training, small_disk, assert_same):
    ballast = small_disk / "ballast"

    def fill(step, log):
        if step == 5:
            return
        with pytest.raises(OSError, match="No space left"), ballast.open("wb") as file:
            while file.write(bytes(4096)):
                file.flush()

    with pytest.raises(TrainingError, match="No space left .*step-00000005; put that"):
        line_training("disk/run", epoch=fill)
    ballast.unlink()
    assert_same(line_training("disk/run"), line_training("whole"))


def test_a_run_goes_on_to_more_epochs(line_training):
    line_training(epochs=1)
    longer, whole = line_training(epochs=3), line_training("whole", epochs=3)
    assert longer.steps == whole.steps == [5, 10, 15]
    for name, array in whole.state.items():
        np.testing.assert_array_equal(longer.state[name], array, err_msg=name)


def test_progress_is_shown_on_stderr_only(line_training, capsys):
    line_training(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "train-line: 100%" in err and "10/10" in err


def test_leftovers_of_killed_processes(tmp_path):
    for name in (".step-00000007.12.tmp", ".step-00000001.12.old", "step-00000001",
                 ".step-00000003.12.old", ".git", "x.12.tmp", ".lock"):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / ".metrics.jsonl.9.tmp").touch()
    remove_stale_files(tmp_path)
    # What was renamed away for a new one that has not got its name is back.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".git", ".lock", "step-00000001", "step-00000003", "x.12.tmp",
    ]  # fmt: skip
    remove_stale_files(tmp_path / "nowhere")


def test_metrics_are_on_the_disk_before_their_checkpoint(line_training, monkeypatch):
    """A power cut must not leave a checkpoint whose lines are gone."""
    order = []
    for module, name in ((log, "sync"), (checkpoint_files, "save_arrays")):
        real = getattr(module, name)

        def note(*arguments, name=name, real=real):
            order.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, note)
    run = line_training()
    assert order == ["sync", "save_arrays", "save_arrays"] * 2
    assert read_metrics(Path(run.path, "metrics.jsonl")) == run.records
