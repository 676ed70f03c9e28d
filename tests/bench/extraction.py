"""Feature extraction against torchreid's network, and from files against the bare one.

    python tests/bench/extraction.py CHECKOUT

CHECKOUT is a checkout of github.com/KaiyangZhou/deep-person-reid. Each side runs in a
process of its own and waits while the other is timed.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from measure import (
    RUNS,
    Side,
    compare,
    load_module,
    print_machine,
    print_table,
    serve,
)

BATCH = 64
BATCHES = 4
IMAGE_SIZE = 256, 128
FILES = 512


def our_embedding():
    """Give the network as `extract_features` runs it: pixels in [0, 255] to rows."""
    import tensorflow as tf

    from tfipgan.config import BackboneConfig, ReidConfig
    from tfipgan.data.images import to_unit
    from tfipgan.models.from_config import build_reid_network
    from tfipgan.models.inference import InferenceNetwork

    network = build_reid_network(BackboneConfig(), ReidConfig(), None)
    network = InferenceNetwork(network)
    spec = tf.TensorSpec((None, *IMAGE_SIZE, 3), tf.float32)
    return tf.function(lambda images: network(to_unit(images)), input_signature=[spec])


def ours():
    """Serve the network on ready batches."""
    import numpy as np
    import tensorflow as tf

    embed = our_embedding()
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *IMAGE_SIZE, 3))
    batch = tf.constant(pixels, tf.float32)
    serve(lambda: [embed(batch).numpy() for _ in range(BATCHES)])


def theirs(checkout):
    """Serve torchreid's ResNet-50 on ready batches."""
    import torch

    module = load_module(Path(checkout) / "torchreid" / "models" / "resnet.py")
    network = module.resnet50(1000, pretrained=False).eval()
    batch = torch.rand(BATCH, 3, *IMAGE_SIZE)

    def work():
        with torch.no_grad():
            return [network(batch).numpy() for _ in range(BATCHES)]

    serve(work)


def from_files(folder):
    """Serve what `extract_features` does with JPEG files once its graph is made."""
    from tfipgan.data.pipelines import inference_batches

    embed = our_embedding()
    paths = sorted(str(path) for path in Path(folder).iterdir())

    def work():
        return [embed(b).numpy() for b in inference_batches(paths, IMAGE_SIZE, BATCH)]

    serve(work)


def write_files(folder):
    """Write JPEG files of the size of Market-1501's crops."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(FILES):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8))
        coarse.resize((64, 128), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg")


def main():
    checkout = sys.argv[1]
    print_machine("tensorflow", "torch")
    mine, other = compare(
        Side(__file__, "--ours"), Side(__file__, "--theirs", checkout)
    )
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name))
        files, bare = compare(Side(__file__, "--files", name), Side(__file__, "--ours"))
    count = BATCH * BATCHES
    rates = [
        ("tfipgan's ResNet-50, ready batches", count, mine),
        ("torchreid's ResNet-50, ready batches", count, other),
        ("tfipgan's, ready batches again", count, bare),
        ("tfipgan's, from JPEG files of 128x64", FILES, files),
    ]
    rows = [[what, f"{n / statistics.median(t):.1f}"] for what, n, t in rates]
    print(f"Images of {IMAGE_SIZE[0]}x{IMAGE_SIZE[1]} in batches of {BATCH}, ", end="")
    print(f"medians of {RUNS} runs in turns:\n")
    print_table(["", "images/s"], rows)
    speed, other_speed, bare_speed, file_speed = (
        n / statistics.median(t) for _, n, t in rates
    )
    print(f"The network: {speed / other_speed:.2f} times torchreid's. From files: ")
    print(f"{file_speed / bare_speed:.0%} of the bare network.\n", flush=True)


if __name__ == "__main__":
    parts = {"--ours": ours, "--theirs": theirs, "--files": from_files}
    if sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
    else:
        main()
