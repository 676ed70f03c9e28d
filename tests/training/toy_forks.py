"""Trains toy methods, each job in a process of its own; may kill it at a step.

A line of JSON for each job: method, out, devices, and for a kill step and signal. A
line comes back, its exit code as `subprocess` has it. One import of TensorFlow is
enough for all.
"""

import json
import logging
import os
import sys
import traceback

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
import toy_methods

from tfipgan.config import load_config
from tfipgan.training import runner
from tfipgan.training.loop import StepLoop

every_step = StepLoop.steps


def train(job):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )

    def watched(self, *arguments):
        for step, terms in every_step(self, *arguments):
            if step == job.get("step"):
                os.kill(os.getpid(), job["signal"])
            yield step, terms
        assert self.traces == 1

    StepLoop.steps = watched
    runner.METRICS_EVERY = 3
    # A checkpoint after every step, so that there are some in the middle of an epoch.
    runner.SAVE_SECONDS = -1
    method = getattr(toy_methods, job["method"])(load_config("synthetic/ipgan"), {})
    options = {"devices": job["devices"], "resume": True, "progress": False}
    runner.run_training(method, job["out"], **options)


def run(job):
    pid = os.fork()
    if pid == 0:
        try:
            logging.basicConfig(level=logging.WARNING)
            train(job)
            os._exit(0)
        except SystemExit as end:
            os._exit(end.code)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)
