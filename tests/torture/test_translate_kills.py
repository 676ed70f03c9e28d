"""`tfipgan translate` and `extract`, killed again and again until they are done."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

# A command is a copy of this process from when TensorFlow is imported, and has run
# nothing: seconds sooner at its work than one that begins with nothing.
SERVER = """
import os, sys
import tensorflow
import tfipgan.data.readable, tfipgan.evaluation.features, tfipgan.translation.dataset
from tfipgan.cli.main import main
# As often as can be, not to lose all of a work of a second.
tfipgan.evaluation.feature_part.KEEP_SECONDS = 0
tfipgan.translation.part.KEEP_SECONDS = 0
print("ready", flush=True)
for line in sys.stdin:
    log, config, *words = line.rstrip("\\n").split("\\0")
    if log == "wait for":
        print(os.waitstatus_to_exitcode(os.waitpid(int(config), 0)[1]), flush=True)
        continue
    child = os.fork()
    if not child:
        os.environ["TF_CONFIG"] = config
        for stream in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        main(words)
    print(child, flush=True)
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Function of a command's words: starts it; gives its process.

    With `worker=k` it is one of two workers.
    """
    logs = tmp_path_factory.mktemp("logs")
    numbers = itertools.count()
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout.readline() == "ready\n"
        yield lambda *words, worker=None: _Command(
            server, logs / str(next(numbers)), words, worker
        )
        server.stdin.close()


class _Command:
    def __init__(self, server, log, words, worker):
        self._server, self._log = server, log
        task = {"type": "worker", "index": worker}
        config = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task})
        self._ask(log, "" if worker is None else config, *words)
        self.pid = int(server.stdout.readline())

    def _ask(self, *words):
        print(*words, sep="\0", file=self._server.stdin, flush=True)

    def kill(self, how=signal.SIGKILL):
        """Kill it, if it still runs; return its exit code."""
        # Not waited for yet, so that the number is its own even if it has ended.
        os.kill(self.pid, how)
        return self.exit_code()

    def exit_code(self):
        self._ask("wait for", self.pid)
        return int(self._server.stdout.readline())

    def output(self):
        return self._log.read_text(errors="replace")


@pytest.fixture(scope="module", params=["translate", "extract"])
def work(request, start, tiny_gan_run, tiny_reid_run, tiny_world, tmp_path_factory):
    """(words of a command, what it makes without a break)."""
    if request.param == "translate":
        words = ["--model", tiny_gan_run.path, "--source", tiny_world / "source"]
    else:
        images = tiny_world / "source" / "bounding_box_train"
        words = ["--model", tiny_reid_run.path, "--images", images]
        words += ["--batch-size", "1"]
    words = [request.param, *words, "--out"]
    whole = tmp_path_factory.mktemp("whole") / "out"
    command = start(*words, whole)
    assert command.exit_code() == 0, command.output()
    return words, contents(whole)


def contents(out):
    """All bytes of a file or folder."""
    if out.is_file():
        return out.read_bytes()
    return {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def noted_in(part):
    """Bytes of the images' notes, or of the rows."""
    for notes in (part / "images.jsonl", part / "rows.f32"):
        with suppress(FileNotFoundError):
            return notes.stat().st_size
    return 0


def killed_until_done(start, words, out, kills, chance):
    """Run a command to its end through so many kills; return how many there were.

    A kill comes at any time, or soon after the work has grown: most of a command's
    seconds are none of work.
    """
    part = out.with_name(f"{out.name}.part")
    for kill in range(kills):
        before, began = noted_in(part), time.monotonic()
        command = start(*words, out)
        patience = chance.uniform(0, 4) if chance.random() < 0.3 else 60
        while time.monotonic() - began < patience and noted_in(part) <= before:
            if out.exists():
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        code = command.kill()
        if code == 0:
            return kill
        assert code == -signal.SIGKILL, command.output()
        if out.exists() and not part.exists():  # killed with nothing left to do
            return kill + 1
        if chance.random() < 0.3:
            lose_power(part, chance)
    command = start(*words, out)
    assert command.exit_code() == 0, command.output()
    return kills


def lose_power(part, chance):
    """Leave of the files what a machine without power may: some of all that is new.

    Notes may be there without their images, and half of a line or of a row. When all
    is made and noted to be so, it has been waited for until it was on the disk.
    """
    with suppress(FileNotFoundError):
        if json.loads((part / "part.json").read_text()).get("ready"):
            return
    notes = part / "images.jsonl"
    for image in sorted(part.glob("images/*.jpg")):
        if chance.random() < 0.05:
            os.truncate(image, chance.randrange(50))
    if notes.exists():
        os.truncate(notes, chance.randint(0, notes.stat().st_size))
    if (part / "rows.f32").exists():
        with open(part / "rows.f32", "ab") as file:
            file.write(chance.randbytes(chance.randrange(999)))


def test_kills(start, work, torture, tally, tmp_path):
    words, expected = work
    chance = random.Random(6)
    left = 13 if torture else 1
    tally["outputs lost"] += 0
    for number in itertools.count():
        out = tmp_path / f"out{number}"
        tally["outputs lost"] += 1
        kills = killed_until_done(start, words, out, min(left, 6), chance)
        assert contents(out) == expected
        assert not out.with_name(f"{out.name}.part").exists()
        tally["outputs lost"] -= 1
        tally["kills survived"] += kills
        left -= kills
        if left <= 0:
            break


@pytest.mark.parametrize("killed", [0, 1])
def test_two_workers(start, work, tally, tmp_path, killed):
    """Both at once; one is killed, and ends last when it was started again."""
    words, expected = work
    out, share = tmp_path / "out", tmp_path / "out.part" / f"worker-{killed}"
    workers = [start(*words, out, worker=k) for k in (0, 1)]
    while not noted_in(share) and not out.exists():
        time.sleep(0.002)
    code = workers[killed].kill()
    other = workers[1 - killed]
    assert other.exit_code() == 0, other.output()
    if code:  # not ended before it was killed
        done = f"worker {1 - killed} of 2 has done its share; the last one to end makes"
        assert f"{done} {out}\n" in other.output()
        again = start(*words, out, worker=killed)
        assert again.exit_code() == 0, again.output()
        tally["kills survived"] += 1
    assert contents(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ended_by_hand(start, work, torture, tally, tmp_path, how):
    """Ctrl-C is answered by a line, and both leave a part that goes on."""
    if not torture:
        pytest.skip("much as test_kills: by make torture")
    words, expected = work
    out, part = tmp_path / "out", tmp_path / "out.part"
    command = start(*words, out)
    while noted_in(part) < 1000:
        time.sleep(0.002)
    code = command.kill(how)
    if how == signal.SIGINT:
        assert code == 130 and "the same command goes on" in command.output()
        assert command.output().rstrip().endswith("Interrupted")
        assert "Traceback" not in command.output()
    else:
        assert code == -signal.SIGTERM
    command = start(*words, out)
    assert command.exit_code() == 0, command.output()
    assert "going on after" in command.output()
    assert contents(out) == expected
    tally["kills survived"] += 1


@pytest.fixture
def small_disk(tmp_path):
    """A disk, and a function that gives it another size; skipped without the right."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(size, *options):
        words = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options])]
        return subprocess.run([*words, "tmpfs", disk], capture_output=True).returncode

    if not shutil.which("mount") or mount("4m"):
        pytest.skip("mounting a disk is not allowed here")
    try:
        yield disk, lambda size: mount(size, "remount")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk(start, work, small_disk, tally):
    words, expected = work
    disk, resize = small_disk
    out = disk / "out"
    resize("100k" if words[0] == "translate" else "12k")
    command = start(*words, out)
    assert command.exit_code() == 1
    told = f"{out}.part keeps what is done: the same command goes on\nError: [Errno 28]"
    assert told in command.output()
    assert [path.name for path in disk.iterdir()] == ["out.part"]
    resize("4m")
    command = start(*words, out)
    assert command.exit_code() == 0, command.output()
    assert "going on after" in command.output()
    assert contents(out) == expected
    assert [path.name for path in disk.iterdir()] == ["out"]
    tally["outputs lost"] += 0
