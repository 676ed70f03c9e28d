"""The whole chain on the built-in world, as the commands that a user would type.

Every stage is a `tfipgan` command in a process of its own, so what the demo shows is
what the commands do. Commands that don't need each other run side by side: two networks
on a core each train faster than one after the other on two.
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfipgan.experiments.chain import Chain, Command
from tfipgan.files.output_file import require_new_folder

METHODS = ("stargan", "ipgan")


@dataclass(frozen=True)
class DemoSize:
    """How large a demo is.

    Attributes:
        world: options of `tfipgan synthesize`.
        overrides: config values of every training command.
        networks: "baseline", and "ibn" for the rows with IBN-reID.
    """

    world: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    networks: tuple[str, ...] = ("baseline",)


SIZES = {
    # Two CPU cores, at most twelve minutes; configs/synthetic has its numbers.
    "default": DemoSize(),
    # A taste: every stage runs, nothing is learnt.
    "quick": DemoSize(
        world=(
            "--identities=8",
            "--test-identities=4",
            "--cameras=2",
            "--images-per-camera=3",
            "--size=64x32",
        ),
        overrides=(
            "gan.width=4",
            "gan.num_blocks=1",
            "gan.batch_size=8",
            "gan.constant_epochs=1",
            "gan.decay_epochs=1",
            "backbone.width=4",
            "reid.fc_units=16",
            "reid.batch_size=8",
            "reid.epochs=2",
            "reid.decay_epoch=1",
        ),
    ),
    # The paper's GAN size and its IBN rows.
    "full": DemoSize(
        overrides=(
            "gan.image_size=[128, 64]",
            "gan.num_layers=6",
            "reid.image_size=[128, 64]",
        ),
        networks=("baseline", "ibn"),
    ),
}


class Demo:
    """Runs the chain in a folder and gathers what it measured.

    Args:
        out: the folder to make.
        size: of the demo.
        seed: int, of the world and of every training.
        cores: CPU cores to share among the commands.
        say: called with each line of progress.
    """

    def __init__(
        self,
        out: Path,
        size: DemoSize,
        seed: int,
        cores: int,
        say: Callable[[str], None],
    ):
        self.out = out
        self.size = size
        self.seed = seed
        self._at_once = min(2, cores)
        self._threads = max(1, cores // self._at_once)
        self._chain = Chain(out / "logs", say)
        self.commands = [
            self._synthesize(),
            self._train_semantic(),
            *self._direct_transfer(),
            *(command for method in METHODS for command in self._gan(method)),
            self._export("translator", "ipgan_gan", after="train-gan-ipgan"),
            self._export("extractor", "ipgan", after="train-reid-ipgan"),
        ]

    def run(self) -> dict:
        """Run all stages; return what results.json holds.

        Raises:
            InputError: the folder is not empty.
            CommandFailed: a stage failed.
        """
        require_new_folder(self.out)
        (self.out / "logs").mkdir(parents=True)
        self._chain.run(self.commands, self._at_once)
        results = self._results()
        path = self.out / "results.json"
        path.write_text(json.dumps(results, indent=2) + "\n")
        return results

    # ------------------------------------------------------------------ the commands

    def _synthesize(self) -> Command:
        world = ("synthesize", str(self.data), f"--seed={self.seed}", *self.size.world)
        return Command("synthesize", world)

    def _train_semantic(self) -> Command:
        return self._train_reid("semantic", "synthetic/semantic", "semantic")

    def _direct_transfer(self) -> list[Command]:
        commands = []
        for network in self.size.networks:
            name = f"direct_transfer{_suffix(network)}"
            # Another seed than D_sem's: the baseline is also the classifier that the
            # generator was not trained with.
            commands += [
                self._train_reid(name, f"synthetic/{name}", name, self.seed + 1),
                self._evaluate(name, "target"),
                self._evaluate(name, "source"),
            ]
        return commands

    def _gan(self, method: str) -> list[Command]:
        gan, images = (
            self._path("runs", f"{method}_gan"),
            self._path("translated", method),
        )
        semantic, after = (), ("synthesize",)
        if method == "ipgan":
            semantic = ("--semantic", self._path("runs", "semantic"))
            after = ("train-reid-semantic",)
        commands = [
            Command(
                f"train-gan-{method}",
                (
                    "train-gan",
                    f"--config=synthetic/{method}",
                    "--source",
                    str(self.data / "source"),
                    "--target",
                    str(self.data / "target"),
                    *semantic,
                    "--out",
                    gan,
                    *self._settings(self.seed),
                    *self._runtime(),
                ),
                after,
            ),
            Command(
                f"translate-{method}",
                (
                    "translate",
                    "--model",
                    gan,
                    "--source",
                    str(self.data / "source"),
                    "--out",
                    images,
                    *self._runtime(),
                ),
                (f"train-gan-{method}",),
            ),
            Command(
                f"identity-accuracy-{method}",
                (
                    "identity-accuracy",
                    "--classifier",
                    self._path("runs", "direct_transfer"),
                    "--images",
                    images,
                    *self._runtime(),
                ),
                (f"translate-{method}", "train-reid-direct_transfer"),
            ),
        ]
        for network in self.size.networks:
            name = f"{method}{_suffix(network)}"
            commands += [
                self._train_reid(
                    name, f"synthetic/{name}", name, self.seed + 1, translated=images
                ),
                self._evaluate(name, "target"),
            ]
        return commands

    def _train_reid(self, name, config, run, seed=None, translated=None) -> Command:
        extra, after = (), ("synthesize",)
        if translated:
            extra = ("--translated", translated)
            after = (f"translate-{Path(translated).name}",)
        return Command(
            f"train-reid-{name}",
            (
                "train-reid",
                f"--config={config}",
                "--data",
                str(self.data / "source"),
                *extra,
                "--out",
                self._path("runs", run),
                *self._settings(self.seed if seed is None else seed),
                *self._runtime(),
            ),
            after,
        )

    def _evaluate(self, run, dataset) -> Command:
        return Command(
            f"evaluate-{run}-{dataset}",
            (
                "evaluate",
                "--model",
                self._path("runs", run),
                "--data",
                str(self.data / dataset),
                "--json",
                str(self._metrics_path(run, dataset)),
                *self._runtime(),
            ),
            (f"train-reid-{run}",),
        )

    def _export(self, network, run, after) -> Command:
        options = ("--model", self._path("runs", run), "--out", str(self.models))
        return Command(f"export-{network}", ("export", network, *options), (after,))

    def _settings(self, seed):
        values = (f"seed={seed}", *self.size.overrides)
        return tuple(word for value in values for word in ("--set", value))

    def _runtime(self):
        return (f"--threads={self._threads}",)

    @property
    def data(self) -> Path:
        """The folder of the two datasets."""
        return self.out / "data"

    @property
    def models(self) -> Path:
        """The folder of the exported networks."""
        return self.out / "models"

    def serving_commands(self) -> list[str]:
        """Return the lines that serve the networks and query them, to be pasted."""
        images = self.data / "target" / "query"
        words = (
            ("serve", self.models, "--port", 8500),
            ("query", "translate", self.data / "source" / "query", "--server",
             "localhost:8500", "--camera", "all", "--out", self.out / "served"),
            ("query", "extract", images, "--server", "localhost:8500", "--out",
             self.out / "query.npz"),
        )  # fmt: skip
        return [shlex.join(["tfipgan", *map(str, line)]) for line in words]

    def _path(self, *parts) -> str:
        return str(self.out.joinpath(*parts))

    def _metrics_path(self, run, dataset) -> Path:
        return self.out / "metrics" / f"{run}_on_{dataset}.json"

    # -------------------------------------------------------------- what was measured

    def _results(self) -> dict:
        rows = []
        for network in self.size.networks:
            for method in ("direct_transfer", *METHODS):
                run = f"{method}{_suffix(network)}"
                metrics = self.metrics(run, "target")
                accuracy = None
                if method in METHODS:
                    accuracy = float(self._chain.output(f"identity-accuracy-{method}"))
                rows.append(
                    {
                        "name": method.replace("_", " "),
                        "network": network,
                        **{key: metrics[key] for key in ("rank-1", "rank-5", "mAP")},
                        "identity_accuracy": accuracy,
                    }
                )
        source = self.metrics("direct_transfer", "source")
        return {
            "rows": rows,
            "source_test": {key: source[key] for key in ("rank-1", "mAP")},
            "seconds": round(self._chain.seconds(), 1),
        }

    def metrics(self, run: str, dataset: str) -> dict:
        """Return what `tfipgan evaluate --json` wrote for a run."""
        return json.loads(self._metrics_path(run, dataset).read_text())

    def gan_history(self, method: str) -> list[dict]:
        """Return the records of a GAN run's metrics.jsonl."""
        path = self.out / "runs" / f"{method}_gan" / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


def _suffix(network: str) -> str:
    return "" if network == "baseline" else f"_{network}"
