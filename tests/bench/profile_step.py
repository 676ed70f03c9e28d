"""Where the time of a GAN step goes, by TensorFlow's profiler.

    python tests/bench/profile_step.py

The step of training.py with D_sem. Times are those of all operations on all cores.
"""

import collections
import tempfile
from pathlib import Path

import training
from measure import print_machine, print_table

MOST = 5


def profile(work, folder):
    """Return the seconds of each (network, operation) while `work` runs once."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    work()
    tf.profiler.experimental.start(folder)
    work()
    tf.profiler.experimental.stop()
    (path,) = Path(folder).rglob("*.xplane.pb")
    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    seconds = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                # Names of operations are path:type; others are the runtime's own.
                path, colon, kind = name.rpartition(":")
                if colon and "::" not in name and not name.startswith("Eager"):
                    kind = kind.replace("_MklNative", "").replace("_Mkl", "")
                    seconds[_network(path), kind] += event.duration_ps / 1e12
    return seconds


def _network(path):
    for word, name in (
        ("generator", "G"),
        ("discriminator", "D"),
        ("reid", "D_sem"),
        ("res_net", "D_sem"),
    ):
        if word in path.lower():
            return name
    return "Adam, losses, sums"


def main():
    print_machine("tensorflow", "keras")
    with tempfile.TemporaryDirectory() as folder:
        # What the step would be served as, see `measure.serve`.
        training.serve = lambda work: shares.update(profile(work, folder))
        shares = {}
        training.gan("1")
    total = sum(shares.values())
    rows = []
    for network in ("G", "D", "D_sem", "Adam, losses, sums"):
        kinds = [(s, kind) for (name, kind), s in shares.items() if name == network]
        whole = sum(s for s, _ in kinds)
        most = ", ".join(
            f"{k} {s:.1f} s" for s, k in sorted(kinds, reverse=True)[:MOST]
        )
        rows.append([network, f"{whole:.1f}", f"{whole / total:.0%}", most])
    print_table(["network", "s", "share", "most of it"], rows)


if __name__ == "__main__":
    main()
