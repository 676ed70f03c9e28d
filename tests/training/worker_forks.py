"""Trains in several worker processes on this machine, as TF_CONFIG has it.

Run as a program: a JSON job a line on stdin, the exit codes of its workers a line on
stdout. It only imports before it forks: TensorFlow starts its threads at the first
operation. What worker k logs and fails with is appended to WORK/k.log.

job: work (folder), data (folder of the two datasets), ports (of each worker), trainings
(list, one after the other in each process). A training: kind ("gan", "reid", or a class
of toy_methods), settings (of the config), out (name of the run folder; each worker has
its own in WORK/k); and what it may have: semantic (run folder), resume, send {worker,
step, signal}, which that worker sends itself after that step. After a training that is
whole worker k writes its weights as WORK/k/NAME.npz.
"""

import json
import logging
import os
import sys
from pathlib import Path

import numpy as np

from tfipgan.config import load_config
from tfipgan.data.datasets import read_dataset
from tfipgan.errors import InputError, TrainingError
from tfipgan.models.resnet import BLOCK_COUNTS
from tfipgan.runs.run import open_run
from tfipgan.training import ipgan, reid, runner
from tfipgan.training.checkpoints import Checkpoints
from tfipgan.training.loop import StepLoop
from tfipgan.weights.local_copies import local_copies
from tfipgan.weights.variables import named_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import toy_methods

every_step = StepLoop.steps


def train(training, data, folder, index):
    """Train and write the weights; return the exit code that a command would have."""
    config = load_config("synthetic/ipgan", training["settings"])
    source, target = (
        read_dataset(Path(data, name), splits=("train",)).train
        for name in ("source", "target")
    )
    send = training.get("send") or {}

    def watched(*arguments):
        for step, terms in every_step(*arguments):
            if send.get("worker") == index and step == send["step"]:
                os.kill(os.getpid(), send["signal"])
            yield step, terms

    networks = {}

    class Noted(Checkpoints):
        def __init__(self, folder, of_run, optimizers):
            super().__init__(folder, of_run, optimizers)
            networks.update(of_run)

    runner.Checkpoints = Noted
    runner.METRICS_EVERY = 1
    StepLoop.steps = watched
    out = folder / training["out"]
    options = {"resume": training.get("resume", False), "progress": False}
    try:
        if training["kind"] == "gan":
            semantic_run = training.get("semantic") and open_run(
                training["semantic"], "reid"
            )
            ipgan.train_gan(config, source, target, semantic_run, out, **options)
        elif training["kind"] != "reid":
            method = getattr(toy_methods, training["kind"])(config, {})
            runner.run_training(method, out, **options)
        else:
            reid.train_reid(config, source, out, **options)
    except (InputError, TrainingError) as error:
        logging.error("%s: %s", type(error).__name__, error)
        return 1
    except SystemExit as end:
        return end.code
    weights = {
        f"{name}/{variable}": copies.numpy()
        for name, network in networks.items()
        for variable, copies in local_copies(named_weights(network)).items()
    }
    np.savez(folder / f"{training['out']}.npz", **weights)
    return 0


def work(job, index):
    """Be a worker: return the exit code of the last training."""
    addresses = [f"localhost:{port}" for port in job["ports"]]
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": task}
    )
    folder = Path(job["work"], str(index))
    folder.mkdir(exist_ok=True)
    codes = [train(each, job["data"], folder, index) for each in job["trainings"]]
    return codes[-1]


def run(job):
    """Fork the workers; return their exit codes as `subprocess` has them."""
    workers = []
    for index in range(len(job["ports"])):
        pid = os.fork()
        if pid == 0:
            with open(Path(job["work"], f"{index}.log"), "a") as log:
                os.dup2(log.fileno(), 2)
            os.dup2(2, 1)
            logging.basicConfig(
                stream=sys.stderr, level=logging.INFO, format="%(message)s"
            )
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
            # Not os._exit: the end of an interpreter must not hang.
            sys.exit(work(job, index))
        workers.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]


if __name__ == "__main__":
    # What takes the time is tracing: the shallowest network that has it all. The
    # semantic discriminator is of another depth.
    BLOCK_COUNTS[34] = (1, 1, 0, 0)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
