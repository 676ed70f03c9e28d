"""Trains in forks of a process that has TensorFlow imported, and kills them.

Run as a program: a JSON job a line on stdin, the process's status a line on stdout. It
only imports before it forks: TensorFlow starts its threads at the first operation.

job: kind ("gan", "reid", "adapt" or "pul"), settings (of the config), data (folder of
the two datasets), start (run that the last two go on from), out (run folder, in a
folder of its own), metrics_every, save_seconds; and when the process is killed, if it
still runs: kill_after (seconds), kill_step (after so many steps of the run), or kill_at
(the n-th time that it makes, opens, renames or removes something beside or below
`out`).
"""

import json
import logging
import os
import select
import signal
import sys
import traceback
from pathlib import Path

import tensorflow as tf

from tfipgan.config import load_config
from tfipgan.data.datasets import read_dataset
from tfipgan.runs.run import open_run
from tfipgan.training import adapt, ipgan, pul, reid, runner
from tfipgan.training.loop import StepLoop

EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def train(job):
    """Run or go on with a training, as `--resume` does."""
    # Steps of nets as small as these take less time than tracing them.
    tf.config.run_functions_eagerly(True)
    runner.SAVE_SECONDS = job["save_seconds"]
    config = load_config("synthetic/ipgan", job["settings"])
    source, target = (
        read_dataset(Path(job["data"], name), splits=("train",)).train
        for name in ("source", "target")
    )
    options = {"devices": ["CPU:0"], "resume": True, "progress": False}
    runner.METRICS_EVERY = job["metrics_every"]
    if job["kind"] == "gan":
        ipgan.train_gan(config, source, target, None, job["out"], **options)
    elif job["kind"] == "reid":
        reid.train_reid(config, source, job["out"], **options)
    else:
        start = open_run(job["start"], "reid")
        adapt_by = {"adapt": adapt.adapt_clusters, "pul": pul.adapt_pul}[job["kind"]]
        adapt_by(config, start, target, job["out"], **options)


def kill_at(number, folder):
    """Have this process killed before its n-th act on files of a folder."""
    left = number

    def hook(event, arguments):
        nonlocal left
        if event in EVENTS and any(folder in str(path) for path in arguments[:2]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def kill_step(number):
    """Have this process killed after a step, if it comes to that."""
    every_step = StepLoop.steps

    def watched(*arguments):
        for step, terms in every_step(*arguments):
            if step == number:
                os.kill(os.getpid(), signal.SIGKILL)
            yield step, terms

    StepLoop.steps = watched


def run(job):
    """Fork, train, and kill; return the status as `subprocess` has it."""
    pid = os.fork()
    if pid == 0:
        try:
            logging.basicConfig(level=logging.WARNING)
            if "kill_at" in job:
                kill_at(job["kill_at"], str(Path(job["out"]).parent))
            if "kill_step" in job:
                kill_step(job["kill_step"])
            train(job)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    watched = os.pidfd_open(pid)
    ended, _, _ = select.select([watched], [], [], job.get("kill_after"))
    if not ended:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(watched)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)
