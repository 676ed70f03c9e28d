"""`tfipgan serve` against the bare SavedModels, and under 64 clients for a minute.

    python tests/bench/serving.py DEMO

DEMO is what `make demo` wrote. The server is a process of its own, as users start it;
the bare SavedModel gets the same images in the same batches in this process, and waits
while the server is timed. Beside the demo's small networks stands an extractor of the
paper's size, with random weights.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from measure import RUNS, in_turns, print_machine, print_table

from tfipgan.serving.client import Client

IMAGES = 480
# The paper's network takes that many times as long.
FEW_IMAGES = 96
BATCH = 32
# As `tfipgan query` does.
IN_FLIGHT = 4
CLIENTS = 64
LOAD_SECONDS = 60


@contextlib.contextmanager
def serving(models, folder):
    """Give a process of `tfipgan serve` and its address; end it afterwards."""
    log = open(folder / "serve.log", "w")
    command = ["tfipgan", "serve", str(models), "--port", "0"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
    )
    for line in server.stdout:
        if ":" in line and line.rpartition(":")[2].strip().isdecimal():
            break
    else:
        raise SystemExit((folder / "serve.log").read_text())
    try:
        yield server, line.strip()
    finally:
        server.terminate()
        server.wait()


def export_papers_extractor(models):
    """Export a ResNet-50 of random weights."""
    from tfipgan.config import Config
    from tfipgan.models.from_config import build_reid_network
    from tfipgan.runs.run import create_run
    from tfipgan.weights.checkpoints import save_checkpoint

    config = Config()
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(Path(folder) / "run", "reid", config, imported="none")
        network = build_reid_network(config.backbone, config.reid, None)
        save_checkpoint(run.checkpoints, 0, {"network": network})
        command = ["tfipgan", "export", "extractor", "--model", str(run.path)]
        out = ["--out", str(models)]
        subprocess.run([*command, *out], check=True, stdout=subprocess.DEVNULL)


def batches(files):
    return [files[i : i + BATCH] for i in range(0, len(files), BATCH)]


def compare(models, client, files, camera, names, title):
    """Return rows of the server's times against the bare SavedModels', same batches."""
    rows = []
    for name in names:
        bare = tf.saved_model.load(str(models / name / "1"))
        function = bare.signatures["serving_default"]

        def direct(function=function, name=name):
            for part in batches(files):
                inputs = {"image_bytes": tf.constant(part)}
                if name == "translator":
                    inputs["camera"] = tf.fill([len(part)], camera)
                for value in function(**inputs).values():
                    value.numpy()

        def ask(part, name=name):
            if name == "translator":
                client.translate(part, camera)
            else:
                client.extract(part)

        for in_flight in (1, IN_FLIGHT):

            def served(in_flight=in_flight, ask=ask):
                with ThreadPoolExecutor(in_flight) as pool:
                    list(pool.map(ask, batches(files)))

            ours, theirs = in_turns(served, direct)
            mine, other = (len(files) / statistics.median(t) for t in (ours, theirs))
            share = f"{mine / other:.0%}"
            rows.append(
                [
                    f"{title} {name}",
                    len(files),
                    in_flight,
                    f"{mine:.0f}",
                    f"{other:.0f}",
                    share,
                ]
            )
    return rows


def load(address, server, files, camera):
    """Ask with many clients at once; every answer is compared with the right one."""
    with Client(address) as client:
        embeddings = np.concatenate([client.extract(part) for part in batches(files)])
        translated = [
            f for part in batches(files) for f in client.translate(part, camera)
        ]
    times, failures, crossed = [], [], []
    end = time.monotonic() + LOAD_SECONDS

    def ask(number):
        rng = np.random.default_rng(number)
        with Client(address, retries=0) as client:
            while time.monotonic() < end:
                picks = rng.integers(0, len(files), rng.integers(1, 5))
                part = [files[i] for i in picks]
                start = time.monotonic()
                try:
                    if number % 2:
                        right = client.translate(part, camera) == [
                            translated[i] for i in picks
                        ]
                    else:
                        right = np.allclose(
                            client.extract(part), embeddings[picks], atol=1e-5
                        )
                except Exception as error:
                    failures.append(error)
                else:
                    times.append(time.monotonic() - start)
                    if not right:
                        crossed.append(picks)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(LOAD_SECONDS / 12)
        memory.append(resident_mib(server.pid))
    for thread in threads:
        thread.join()
    print(f"{CLIENTS} clients at once for {LOAD_SECONDS} s, each with a channel of its")
    print("own and 1 to 4 images a request, half of them asking for translations:\n")
    points = [f"{np.percentile(times, p) * 1000:.0f}" for p in (50, 90, 99, 100)]
    found = [len(times), len(failures), len(crossed), *points, memory[0], memory[-1]]
    print_table(
        [
            *("requests", "failed", "wrong answers"),
            *("50 %, ms", "90 %, ms", "99 %, ms", "longest, ms"),
            *("server after 5 s, MiB", "at the end, MiB"),
        ],
        [found],
    )
    for failure in failures[:3]:
        print(failure)


def resident_mib(pid):
    """Return the memory that a process has in use."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def main():
    demo = Path(sys.argv[1])
    models = demo / "models"
    (target,) = demo.glob("data/world_*/target")
    paths = sorted((target / "bounding_box_test").glob("*.jpg"))
    paths += sorted((target / "bounding_box_train").glob("*.jpg"))
    files = [path.read_bytes() for path in paths[:IMAGES]]
    print_machine("tensorflow", "grpcio")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with serving(models, folder) as (server, address):
            with Client(address) as client:
                camera = int(client.translate_all(files[:1])[1][0])
                names = "extractor", "translator"
                rows = compare(models, client, files, camera, names, "the demo's")
            papers = folder / "papers"
            export_papers_extractor(papers)
            with serving(papers, folder) as (_, other), Client(other) as client:
                few = files[:FEW_IMAGES]
                rows += compare(papers, client, few, 0, ["extractor"], "the paper's")
            print(f"Requests of {BATCH} images from one client, ", end="")
            print(f"medians of {RUNS} runs in turns:\n")
            print_table(
                [
                    *("", "images", "requests at a time", "server, images/s"),
                    *("bare SavedModel, images/s", "share"),
                ],
                rows,
            )
            load(address, server, files, camera)


if __name__ == "__main__":
    main()
