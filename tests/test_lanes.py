"""Lanes: order within one, side by side, and the end of all when one fails."""

import re
import time
from types import SimpleNamespace

import pytest

from tfipgan import __version__, lanes
from tfipgan.lanes import Command, CommandFailed, Lanes


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Function of (name, script): a Command that runs a shell script, at once."""
    interpreter = tmp_path / "interpreter"
    # In the place of `python -m tfipgan.cli`.
    interpreter.write_text('#!/bin/sh\nshift 2\nexec /bin/sh -c "$1"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(lanes, "sys", SimpleNamespace(executable=str(interpreter)))
    return lambda name, script: Command(name, (script,))


@pytest.fixture
def run(tmp_path):
    """Function of (lanes, at_once): runs them; `run.lines` is what was said."""
    logs = tmp_path / "logs"
    logs.mkdir()

    def start(commands, at_once=2):
        run_lanes = Lanes(logs, start.lines.append)
        start.lanes = run_lanes
        run_lanes.run(commands, at_once)
        return run_lanes

    start.lines = []
    start.logs = logs
    return start


def said(run):
    """What was said, without the times."""
    assert all(re.match(r" ?\d+:\d\d \S", line) for line in run.lines)
    return [
        re.sub(r"in \d+ s", "in . s", line.strip().split(" ", 1)[1])
        for line in run.lines
    ]


def test_the_commands_are_this_projects_own(run):
    lane = [Command("version", ("--version",)), Command("none", ("inspect", "--help"))]
    done = run([lane], at_once=1)
    assert __version__ in done.output("version")
    assert "DATASET" in done.output("none")
    assert said(run) == [
        "version: starts",
        "version: done in . s",
        "none: starts",
        "none: done in . s",
    ]
    assert 0 < done.seconds() < 60


def test_a_command_is_shown_as_typed():
    command = Command("x", ("train-gan", "--set", "gan.image_size=[32, 16]"))
    assert str(command) == "tfipgan train-gan --set 'gan.image_size=[32, 16]'"


def test_a_lane_is_in_order_and_lanes_are_side_by_side(run, shell, tmp_path):
    """Each lane waits for a file that the other one writes."""
    wait = "i=0; while [ ! -e {0} ]; do sleep 0.05; i=$((i+1)); [ $i -lt 200 ]; done"
    a, b, c = (tmp_path / name for name in "abc")
    run(
        [
            [
                shell("one", f"touch {a}; {wait.format(b)}"),
                shell("three", f"touch {c}"),
            ],
            [shell("two", f"{wait.format(a)}; touch {b}; {wait.format(c)}; echo end")],
        ]
    )
    lines = said(run)
    assert lines.index("one: done in . s") < lines.index("three: starts")
    assert run.lanes.output("two") == "end\n"
    assert run.lanes.output("one") == ""


def test_one_at_a_time(run, shell, tmp_path):
    log = tmp_path / "log"
    script = f"echo start >> {log}; sleep 0.1; echo end >> {log}"
    run([[shell("one", script)], [shell("two", script)]], at_once=1)
    assert log.read_text().split() == ["start", "end"] * 2


def test_a_failure_names_the_command_its_last_words_and_its_log(run, shell):
    script = (
        "echo out; echo first >&2; printf 'half\\rError: no disk\\n\\n' >&2; exit 3"
    )
    with pytest.raises(CommandFailed) as error:
        run([[shell("bad", script), shell("never", "true")]])
    message = str(error.value)
    assert "failed with exit code 3: Error: no disk (all of its log: " in message
    assert message.startswith("`tfipgan ") and str(run.logs / "bad.log") in message
    assert said(run) == ["bad: starts"]
    assert run.lanes.output("bad") == "out\n"
    assert not (run.logs / "never.log").exists()


def test_a_failure_ends_the_other_lanes(run, shell):
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="exit code 1: starting"):
        run(
            [
                [shell("long", "exec sleep 60"), shell("after", "true")],
                [shell("bad", "sleep 0.2; exit 1")],
                [shell("waiting", "true")],
            ]
        )
    assert time.monotonic() - began < 20
    assert sorted(said(run)) == ["bad: starts", "long: starts"]
    assert not list(run.logs.glob("after.*")) + list(run.logs.glob("waiting.*"))


def test_a_command_that_ends_by_a_signal_has_failed(run, shell):
    with pytest.raises(CommandFailed, match="exit code -9"):
        run([[shell("killed", "kill -9 $$")]])


def test_long_commands_tell_of_themselves(run, shell, monkeypatch):
    monkeypatch.setattr(lanes, "HEARTBEAT_SECONDS", 0.3)
    script = "printf ' 10%%\\r 20%%\\r' >&2; sleep 1.4"
    run([[shell("slow", script)]])
    lines = said(run)
    assert lines[0] == "slow: starts" and lines[-1] == "slow: done in . s"
    assert set(lines[1:-1]) == {"slow: 20%"}


def test_the_time_is_in_minutes_and_seconds(run, monkeypatch):
    run([])
    monkeypatch.setattr(Lanes, "seconds", lambda self: 125.7)
    run.lanes._say("x")
    assert run.lines == [" 2:05 x"]


def test_ctrl_c_ends_the_commands(run, shell, monkeypatch):
    """As `wait` is interrupted, the commands are ended before the pool is left."""
    real_wait = lanes.wait

    def interrupted(jobs, **options):
        real_wait(jobs, timeout=0.3)
        raise KeyboardInterrupt

    monkeypatch.setattr(lanes, "wait", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run([[shell("long", "exec sleep 60")]])
    assert time.monotonic() - began < 20
    assert said(run) == ["long: starts"]
