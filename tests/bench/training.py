"""Training steps and the generator against the reference's, on the same cores.

    python tests/bench/training.py STARGAN TORCHREID

STARGAN and TORCHREID are checkouts of github.com/yunjey/stargan and
github.com/KaiyangZhou/deep-person-reid. Each side runs in a process of its own and
waits while another is timed. Full width, as the paper trains.
"""

import statistics
import sys
import tempfile
import types
from pathlib import Path

from measure import Side, compare, load_module, print_machine, print_table, serve

DOMAINS = 9
IDENTITIES = 751
GAN_SIZE = 128, 64
GAN_BATCH = 16
N_CRITIC = 5
REID_SIZE = 256, 128
REID_BATCH = 32
STRONG_BATCH, IMAGES_OF_ONE = 64, 4
FORWARDS = 2
FILES = 48
GAN_RUNS = 5


def gan(lambda_semantic="0"):
    """Serve a step of `IPGAN`: n_critic updates of D, one of G."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tfipgan.models import Discriminator, Generator
    from tfipgan.training.ipgan import IPGAN

    generator, discriminator = Generator(DOMAINS), Discriminator(DOMAINS, GAN_SIZE)
    generator((tf.zeros((1, *GAN_SIZE, 3)), tf.zeros((1, DOMAINS))))
    discriminator(tf.zeros((1, *GAN_SIZE, 3)))
    weight = float(lambda_semantic)
    model = IPGAN(
        generator,
        discriminator,
        _semantic() if weight else None,
        n_critic=N_CRITIC,
        lambda_semantic=weight,
    )
    adams = [
        keras.optimizers.Adam(1e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
        for _ in range(2)
    ]
    model.compile(*adams)
    rng = np.random.default_rng(0)
    shape = GAN_BATCH, N_CRITIC
    batch = {
        "images": tf.constant(rng.uniform(-1, 1, (*shape, *GAN_SIZE, 3)), tf.float32),
        "domains": tf.constant(rng.integers(0, DOMAINS, shape), tf.int32),
        "target_domains": tf.constant(rng.integers(0, DOMAINS, shape), tf.int32),
        "identities": tf.constant(rng.integers(0, IDENTITIES, shape), tf.int32),
        "is_source": tf.constant(rng.integers(0, 2, shape), tf.int32),
        "interpolation": tf.constant(rng.random(shape), tf.float32),
    }
    step = tf.function(model.train_step)
    serve(lambda: step(batch)["G/loss"].numpy())


def _semantic():
    from tfipgan.config import BackboneConfig, load_config
    from tfipgan.models.from_config import build_reid_network

    reid = load_config("market_to_duke/semantic").reid
    return build_reid_network(BackboneConfig(), reid, IDENTITIES)


def their_gan(checkout):
    """Serve as many iterations of StarGAN's solver as one step has updates of D."""
    solver = _solver(checkout)
    serve(solver.train)


def _solver(checkout):
    import torch

    # Only its samples are drawn by torchvision, and none are.
    utils = types.ModuleType("torchvision.utils")
    utils.save_image = None
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision.utils"] = utils
    sys.path.insert(0, checkout)
    from solver import Solver

    class Batches:
        """What its loader gives: images and the numbers of their domains."""

        def __iter__(self):
            torch.manual_seed(0)
            images = torch.rand(GAN_BATCH, 3, *GAN_SIZE) * 2 - 1
            while True:
                yield images, torch.randint(0, DOMAINS, (GAN_BATCH,))

    never = 10**9
    config = types.SimpleNamespace(
        **dict(c_dim=DOMAINS, c2_dim=0, image_size=128, g_conv_dim=64, d_conv_dim=64),
        **dict(g_repeat_num=6, d_repeat_num=6, lambda_cls=1, lambda_rec=10),
        **dict(lambda_gp=10, dataset="RaFD", batch_size=GAN_BATCH, num_iters=N_CRITIC),
        **dict(num_iters_decay=0, g_lr=1e-4, d_lr=1e-4, n_critic=N_CRITIC, beta1=0.5),
        **dict(beta2=0.999, resume_iters=None, selected_attrs=[], test_iters=0),
        **dict(use_tensorboard=False, log_dir="", sample_dir="", model_save_dir=""),
        **dict(result_dir="", log_step=never, sample_step=never),
        **dict(model_save_step=never, lr_update_step=never),
    )
    # It prints its networks to where `serve` answers.
    Solver.print_network = lambda self, model, name: None
    solver = Solver(None, Batches(), config)
    # The one change: its last kernel is a square, which 128x64 has none of.
    solver.D.conv2 = torch.nn.Conv2d(2048, DOMAINS, kernel_size=(2, 1), bias=False)
    solver.d_optimizer = torch.optim.Adam(solver.D.parameters(), 1e-4, [0.5, 0.999])
    return solver


def generator():
    """Serve the generator on ready batches."""
    import numpy as np
    import tensorflow as tf

    translate = tf.function(_generator())
    pixels = np.random.default_rng(0).uniform(-1, 1, (GAN_BATCH, *GAN_SIZE, 3))
    images = tf.constant(pixels, tf.float32)
    wanted = tf.one_hot(tf.range(GAN_BATCH) % DOMAINS, DOMAINS)
    serve(lambda: [translate((images, wanted)).numpy() for _ in range(FORWARDS)])


def _generator():
    import tensorflow as tf

    from tfipgan.models import Generator

    network = Generator(DOMAINS)
    network((tf.zeros((1, *GAN_SIZE, 3)), tf.zeros((1, DOMAINS))))
    return network


def their_generator(checkout):
    """Serve StarGAN's generator on ready batches."""
    import torch

    network = load_module(Path(checkout) / "model.py").Generator(64, DOMAINS, 6).eval()
    images = torch.rand(GAN_BATCH, 3, *GAN_SIZE) * 2 - 1
    wanted = torch.eye(DOMAINS)[torch.arange(GAN_BATCH) % DOMAINS]

    def work():
        with torch.no_grad():
            return [network(images, wanted).numpy() for _ in range(FORWARDS)]

    serve(work)


def translate(folder):
    """Serve `tfipgan translate`'s work: JPEG files to JPEG files, for 8 cameras."""
    import shutil

    from tfipgan.data.datasets import read_images
    from tfipgan.models.translator import Translator
    from tfipgan.translation.dataset import translate_dataset

    translator = Translator(_generator(), tuple(range(1, DOMAINS)), GAN_SIZE)
    samples = read_images(folder)

    def work():
        with tempfile.TemporaryDirectory() as out:
            translate_dataset(
                translator,
                samples,
                folder,
                Path(out) / "out",
                batch_size=GAN_BATCH,
                progress=False,
            )
            shutil.rmtree(Path(out) / "out")

    serve(work)


def reid():
    """Serve a step of `ReidTraining`."""
    import keras

    sgds = [keras.optimizers.SGD(0.01, 0.9, nesterov=True) for _ in range(2)]
    _serve_reid("market_to_duke/direct_transfer", sgds, REID_BATCH)


def strong():
    """Serve a step of `ReidTraining` by today's recipe, pooling by the mean."""
    import keras

    adams = [keras.optimizers.Adam(3.5e-4, epsilon=1e-8) for _ in range(2)]
    recipe = "market_to_duke/direct_transfer_strong"
    _serve_reid(recipe, adams, STRONG_BATCH, ["backbone.pooling=avg"])


def _serve_reid(name, optimizers, batch_size, overrides=()):
    import numpy as np
    import tensorflow as tf

    from tfipgan.config import load_config
    from tfipgan.models.from_config import build_reid_network
    from tfipgan.training.reid import ReidTraining

    config = load_config(name, [*overrides, "backbone.weights=none"])
    reid = config.reid
    model = ReidTraining(
        build_reid_network(config.backbone, reid, IDENTITIES),
        reid.weight_decay,
        reid.label_smoothing,
        reid.triplet_margin,
    )
    model.compile(*optimizers)
    rng = np.random.default_rng(0)
    persons = np.repeat(
        rng.permutation(IDENTITIES)[: batch_size // IMAGES_OF_ONE], IMAGES_OF_ONE
    )
    noise = rng.random((batch_size, reid.fc_units))
    batch = {
        "images": tf.constant(rng.random((batch_size, *REID_SIZE, 3)), tf.float32),
        "identities": tf.constant(persons, tf.int32),
        "dropout_noise": tf.constant(noise, tf.float32),
    }
    step = tf.function(model.train_step)
    serve(lambda: step(batch)["reid/loss"].numpy())


def their_reid(checkout):
    """Serve the step of torchreid's softmax engine with its ResNet-50."""
    import torch

    folder = Path(checkout) / "torchreid"
    resnet = load_module(folder / "models" / "resnet.py")
    losses = load_module(folder / "losses" / "cross_entropy_loss.py")
    network = resnet.resnet50(IDENTITIES, loss="softmax", pretrained=False).train()
    criterion = losses.CrossEntropyLoss(IDENTITIES, use_gpu=False, label_smooth=False)
    optimizer = torch.optim.SGD(
        network.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True
    )
    persons = torch.randint(0, IDENTITIES, (REID_BATCH,))
    _serve_theirs(network, optimizer, persons, criterion)


def their_strong(checkout):
    """Serve the step of torchreid's triplet engine, its ResNet-50 of last stride 1."""
    import torch

    folder = Path(checkout) / "torchreid"
    resnet = load_module(folder / "models" / "resnet.py")
    entropy = load_module(folder / "losses" / "cross_entropy_loss.py")
    triplets = load_module(folder / "losses" / "hard_mine_triplet_loss.py")
    network = resnet.ResNet(
        IDENTITIES, "triplet", resnet.Bottleneck, [3, 4, 6, 3], last_stride=1
    ).train()
    softmax = entropy.CrossEntropyLoss(IDENTITIES, use_gpu=False, label_smooth=True)
    triplet = triplets.TripletLoss(margin=0.3)
    optimizer = torch.optim.Adam(network.parameters(), 3.5e-4, weight_decay=5e-4)
    people = torch.randperm(IDENTITIES)[: STRONG_BATCH // IMAGES_OF_ONE]

    def criterion(outputs, persons):
        logits, features = outputs
        return softmax(logits, persons) + triplet(features, persons)

    persons = people.repeat_interleave(IMAGES_OF_ONE)
    _serve_theirs(network, optimizer, persons, criterion)


def _serve_theirs(network, optimizer, persons, criterion):
    import torch

    images = torch.rand(len(persons), 3, *REID_SIZE)

    def work():
        loss = criterion(network(images), persons)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    serve(work)


def write_files(folder):
    """Write JPEG files of the size of Market-1501's crops."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(FILES):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8))
        image = coarse.resize(GAN_SIZE[::-1], Image.Resampling.BICUBIC)
        image.save(Path(folder) / f"{i + 2:04d}_c1s1_000001_00.jpg", quality=95)


def main():
    stargan, torchreid = sys.argv[1:]
    print_machine("tensorflow", "keras", "torch")
    images = GAN_BATCH * N_CRITIC
    table("GAN step", images, "StarGAN's solver", "--gan", "--their-gan", stargan)
    bare, with_semantic = compare(
        Side(__file__, "--gan"), Side(__file__, "--gan", 1), runs=GAN_RUNS
    )
    cost = statistics.median(with_semantic) / statistics.median(bare) - 1
    print(f"With D_sem (ResNet-50 at the GAN's size) a step takes {cost:.0%} more.\n")
    images = GAN_BATCH * FORWARDS
    what = "generator forward"
    table(what, images, "StarGAN's", "--generator", "--their-generator", stargan)
    with tempfile.TemporaryDirectory() as folder:
        write_files(folder)
        files, bare = compare(
            Side(__file__, "--translate", folder), Side(__file__, "--generator")
        )
    speed = FILES * (DOMAINS - 1) / statistics.median(files)
    bare_speed = images / statistics.median(bare)
    print(f"Translating from JPEG to JPEG: {speed:.1f} images/s, ", end="")
    print(f"{speed / bare_speed:.0%} of the bare generator's {bare_speed:.1f}.\n")
    table("re-ID step", REID_BATCH, "torchreid's", "--reid", "--their-reid", torchreid)
    what, theirs = "strong re-ID step", "torchreid's triplet engine's"
    table(what, STRONG_BATCH, theirs, "--strong", "--their-strong", torchreid)


def table(what, images, theirs, our_part, their_part, checkout):
    """Time two sides and print images/s of both."""
    ours = Side(__file__, our_part)
    mine, other = compare(ours, Side(__file__, their_part, checkout))
    ratios = sorted(b / a for a, b in zip(mine, other, strict=True))
    medians = statistics.median(mine), statistics.median(other)
    print_table(
        [what, "tfipgan, images/s", f"{theirs}, images/s", "ratio", "in single runs"],
        [
            [
                f"{images} images",
                *(f"{images / median:.2f}" for median in medians),
                f"{medians[1] / medians[0]:.2f}",
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
            ]
        ],
    )


if __name__ == "__main__":
    parts = {
        "--gan": gan,
        "--their-gan": their_gan,
        "--generator": generator,
        "--their-generator": their_generator,
        "--translate": translate,
        "--reid": reid,
        "--their-reid": their_reid,
        "--strong": strong,
        "--their-strong": their_strong,
    }
    if sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
    else:
        main()
