"""Chains: who waits for whom, side by side, what is not done again, and failures."""

import re
import time
from types import SimpleNamespace

import pytest

from tfipgan import __version__
from tfipgan.errors import InputError
from tfipgan.experiments import chain
from tfipgan.experiments.chain import Chain, Command, CommandFailed, available_cores


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Function of (name, script, *after): a Command that runs a shell script."""
    interpreter = tmp_path / "interpreter"
    # In the place of `python -m tfipgan.cli`.
    interpreter.write_text('#!/bin/sh\nshift 2\nexec /bin/sh -c "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(chain, "sys", SimpleNamespace(executable=str(interpreter)))
    return lambda name, script, *after, **more: Command(name, (script,), after, **more)


@pytest.fixture
def run(tmp_path):
    """Function of (commands, at_once): runs them; `run.lines` is what was said."""
    logs = tmp_path / "out" / "logs"
    logs.mkdir(parents=True)

    def start(commands, at_once=2, **callbacks):
        start.chain = Chain(logs, start.lines.append, **callbacks)
        start.chain.run(commands, at_once)
        return start.chain

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
    commands = [
        Command("version", ("--version",)),
        Command("none", ("inspect", "--help"), ("version",)),
    ]
    done = run(commands, at_once=1)
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


def test_commands_run_side_by_side_after_what_they_read(run, shell, tmp_path):
    """One and two wait for each other's file, two for one that three writes."""
    wait = "i=0; while [ ! -e {0} ]; do sleep 0.05; i=$((i+1)); [ $i -lt 200 ]; done"
    a, b, c = (tmp_path / name for name in "abc")
    run(
        [
            shell("one", f"touch {a}; {wait.format(b)}"),
            shell("three", f"touch {c}", "one"),
            shell("two", f"{wait.format(a)}; touch {b}; {wait.format(c)}; echo end"),
        ]
    )
    lines = said(run)
    assert lines.index("one: done in . s") < lines.index("three: starts")
    assert run.chain.output("two") == "end\n"
    assert run.chain.output("one") == ""


def test_one_at_a_time_and_the_first_first(run, shell, tmp_path):
    log = tmp_path / "log"
    script = f"echo {{0}} >> {log}; sleep 0.1; echo end >> {log}"
    names = ("one", "two", "three")
    commands = [shell(name, script.format(name)) for name in names]
    # Ready as soon as two is done, but three comes before it.
    commands.append(shell("last", script.format("last"), "two"))
    run(commands, at_once=1)
    words = [w for name in (*names, "last") for w in (name, "end")]
    assert log.read_text().split() == words


def test_what_is_done_is_not_done_again(run, shell, tmp_path):
    log = tmp_path / "log"
    one = shell("one", f"echo one | tee -a {log}", settings={"gan": {"size": (2, 1)}})
    run([one])
    seen = []
    two = shell("two", f"echo two >> {log}", "one")
    done = run([one, two], on_finish=seen.append)
    assert log.read_text().split() == ["one", "two"]
    assert done.output("one") == "one\n"
    assert seen == [two]
    assert done.is_done(one) and not done.is_done(shell("three", "true"))
    assert said(run).count("one: starts") == 1


def test_what_was_done_otherwise_is_an_error_before_anything_runs(run, shell):
    size = {"gan": {"size": (2, 1), "width": 4}, "seed": 1}
    run([shell("one", "true", settings=size)])
    new = shell("new", "true")
    for other, message in (
        (shell("one", "false", settings=size), "was done as `tfipgan true`, expected "),
        (
            shell(
                "one", "true", settings={**size, "gan": {"size": (2, 1), "width": 8}}
            ),
            "was done with gan.width 4, expected 8: give another --out",
        ),
        (shell("one", "true", settings={**size, "seed": 2}), "seed 1, expected 2: "),
        (shell("one", "true"), "was done with gan "),
    ):
        with pytest.raises(InputError, match=re.escape(message)) as error:
            run([new, other])
        assert str(error.value).startswith(f"{run.logs.parent}: one was done")
    assert not (run.logs / "new.log").exists()


def test_a_broken_off_command_is_run_again_and_its_time_adds_up(run, shell, tmp_path):
    file = tmp_path / "file"
    script = f'echo "$0" >> {file}; sleep 0.3; [ $(wc -l < {file}) = 2 ]'
    command = shell("train", script, runtime=("--resume",), settings={"seed": 1})
    with pytest.raises(CommandFailed):
        run([command])
    first = run.chain.seconds_of("train")
    assert not run.chain.is_done(command) and first >= 0.3
    # Whether it can go on from there is for the command to say.
    run([shell("train", script, runtime=("--resume",), settings={"seed": 2})])
    assert file.read_text().split() == ["--resume"] * 2
    assert run.chain.seconds_of("train") >= first + 0.3
    assert run.chain.seconds_of("never") == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"command": 1}', "7"])
def test_a_damaged_record_is_named(run, shell, text):
    (run.logs / "one.json").write_text(text)
    with pytest.raises(InputError, match=r"one.json is damaged, .* remove it, and"):
        run([shell("one", "true")])


def test_a_process_is_ended_and_not_killed_if_telling_of_it_fails(
    run, shell, tmp_path, monkeypatch
):
    monkeypatch.setattr(chain, "HEARTBEAT_SECONDS", 0.2)
    saved = tmp_path / "saved"

    def fail(command, line):
        raise BrokenPipeError("nobody listens")

    script = f"trap 'touch {saved}; exit 143' TERM; while true; do sleep 0.05; done"
    with pytest.raises(BrokenPipeError):
        run([shell("train", script)], on_progress=fail)
    assert saved.exists()


def test_what_was_made_all_at_once_is_not_made_again(run, shell, tmp_path):
    """The process ended between making it and our noting that."""
    made = tmp_path / "made"
    command = shell("translate", "exit 1", makes=made)
    with pytest.raises(CommandFailed):
        run([command])
    made.mkdir()
    run([command])
    assert said(run) == ["translate: starts"]


def test_two_commands_of_one_name_or_a_circle_are_slips(run, shell):
    with pytest.raises(AssertionError):
        run([shell("a", "true"), shell("a", "true")])
    with pytest.raises(ValueError, match="cycle"):
        run([shell("a", "true", "b"), shell("b", "true", "a")])


def test_a_failure_names_the_command_its_last_words_and_its_log(run, shell):
    script = (
        "echo out; echo first >&2; printf 'half\\rError: no disk\\n\\n' >&2; exit 3"
    )
    with pytest.raises(CommandFailed) as error:
        run([shell("bad", script), shell("never", "true", "bad")])
    message = str(error.value)
    assert "failed with exit code 3: Error: no disk (all of its log: " in message
    assert message.startswith("`tfipgan ") and str(run.logs / "bad.log") in message
    assert said(run) == ["bad: starts"]
    assert run.chain.output("bad") == "out\n"
    assert not (run.logs / "never.log").exists()


def test_a_failure_ends_the_others(run, shell):
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="exit code 1: starting"):
        run(
            [
                shell("long", "exec sleep 60"),
                shell("after", "true", "long"),
                shell("bad", "sleep 0.2; exit 1"),
                shell("waiting", "true"),
            ]
        )
    assert time.monotonic() - began < 20
    assert sorted(said(run)) == ["bad: starts", "long: starts"]
    assert not list(run.logs.glob("after.*")) + list(run.logs.glob("waiting.*"))


def test_a_command_that_ends_by_a_signal_has_failed(run, shell):
    with pytest.raises(CommandFailed, match="exit code -9"):
        run([shell("killed", "kill -9 $$")])


def test_long_commands_tell_of_themselves(run, shell, monkeypatch):
    monkeypatch.setattr(chain, "HEARTBEAT_SECONDS", 0.3)
    script = "printf ' 10%%\\r 20%%\\r' >&2; sleep 1.4"
    run([shell("slow", script)])
    lines = said(run)
    assert lines[0] == "slow: starts" and lines[-1] == "slow: done in . s"
    assert set(lines[1:-1]) == {"slow: 20%"}


def test_the_time_is_in_minutes_and_seconds(run, shell, monkeypatch):
    monkeypatch.setattr(Chain, "seconds", lambda self: 125.7)
    run([shell("x", "true")])
    assert run.lines[0] == " 2:05 x: starts"


def test_ctrl_c_ends_the_commands(run, shell, monkeypatch):
    """As `wait` is interrupted, the commands are ended before the pool is left."""
    real_wait = chain.wait

    def interrupted(jobs, **options):
        real_wait(jobs, timeout=0.3)
        raise KeyboardInterrupt

    monkeypatch.setattr(chain, "wait", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run([shell("long", "exec sleep 60")])
    assert time.monotonic() - began < 20
    assert said(run) == ["long: starts"]


def test_cores_are_counted(monkeypatch):
    monkeypatch.setattr(chain.os, "sched_getaffinity", lambda pid: {0, 3, 5})
    assert available_cores() == 3
    monkeypatch.delattr(chain.os, "sched_getaffinity")
    monkeypatch.setattr(chain.os, "cpu_count", lambda: None)
    assert available_cores() == 1
