"""`tfipgan demo`: the experiment `demo`, both networks exported, and a page of it all.

Every stage is a `tfipgan` command in a process of its own, so what the demo shows is
what the commands do. Commands that don't need each other run side by side: two networks
on a core each train faster than one after the other on two.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfipgan.experiments.chain import Chain, Command
from tfipgan.experiments.direction_figures import direction_files, draw_figures
from tfipgan.experiments.experiment import Experiment, load_experiment
from tfipgan.experiments.plan import Plan
from tfipgan.experiments.planner import make_plan
from tfipgan.experiments.results import collect_results
from tfipgan.files.output_file import require_new_folder
from tfipgan.reports.html_report import write_report
from tfipgan.reports.text_table import format_table

COLUMNS = ("training images", "network", "rank-1", "rank-5", "mAP", "identity accuracy")
TITLES = {
    "direct transfer": "source",
    "colour map": "colour map",
    "stargan": "StarGAN",
    "ipgan": "IPGAN",
    "ipgan+adapt": "IPGAN, then clusters",
    "supervised": "target, with labels",
}
# The row whose networks are exported.
EXPORTED = "ipgan"
_EXPORT_SECONDS = 15


@dataclass(frozen=True)
class DemoSize:
    """How large a demo is.

    Attributes:
        world: options of `tfipgan synthesize`.
        overrides: config values of every training command.
        networks: "baseline", and "ibn" for the rows with IBN-reID.
    """

    world: Mapping[str, int | str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    networks: tuple[str, ...] = ("baseline",)


SIZES = {
    # Two CPU cores, at most twelve minutes; configs/synthetic has its numbers.
    "default": DemoSize(),
    # A taste: every stage runs, nothing is learnt.
    "quick": DemoSize(
        world={
            "identities": 8,
            "test_identities": 4,
            "cameras": 2,
            "images_per_camera": 3,
            "size": "64x32",
        },
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
            "adapt.epochs=1",
            "adapt.steps=2",
            "adapt.batch_clusters=4",
            "adapt.images_per_cluster=2",
            # Clusters whatever the network: a single image is one.
            "adapt.min_samples=1",
            "adapt.eps=0.3",
            "adapt.k_intra=2",
            "adapt.k_inter=2",
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


@dataclass(frozen=True)
class Demo:
    """What a demo runs.

    Attributes:
        out: the folder to make.
        experiment, plan: of its rows.
        exports: the commands that export both networks of IPGAN's row.
    """

    out: Path
    experiment: Experiment
    plan: Plan
    exports: tuple[Command, ...]

    @property
    def commands(self) -> tuple[Command, ...]:
        return (*self.plan.commands, *self.exports)

    @property
    def models(self) -> Path:
        """The folder of the exported networks."""
        return self.out / "models"

    def serving_commands(self) -> list[str]:
        """Return the lines that serve the networks and query them, to be pasted."""
        data = self.plan.rows[0].data
        words = (
            ("serve", self.models, "--port", 8500),
            ("query", "translate", data["source"] / "query", "--server",
             "localhost:8500", "--camera", "all", "--out", self.out / "served"),
            ("query", "extract", data["target"] / "query", "--server",
             "localhost:8500", "--out", self.out / "query.npz"),
        )  # fmt: skip
        return [shlex.join(["tfipgan", *map(str, line)]) for line in words]


def plan_demo(out: Path, size: DemoSize, seed: int, threads: int) -> Demo:
    """Return what a demo runs.

    Args:
        out: the folder to make.
        size: of the demo.
        seed: int, of the world and of the trainings.
        threads: CPU threads of each command.
    """
    experiment = replace(load_experiment("demo"), world=size.world)
    plan = make_plan(
        experiment,
        out,
        out / "data",
        [seed],
        rows=[row.key for row in experiment.rows if row.network in size.networks],
        overrides=size.overrides,
        threads=threads,
    )
    (exported,) = (row for row in plan.rows if row.key == EXPORTED)
    exports = []
    for network, kind in (("translator", "train-gan"), ("extractor", "train-reid")):
        run = exported.last(kind)
        options = ("--model", str(run.path), "--out", str(out / "models"))
        exports.append(
            Command(
                f"export-{network}",
                ("export", network, *options),
                (run.command,),
                weight=_EXPORT_SECONDS,
            )
        )
    return Demo(out, experiment, plan, tuple(exports))


def run_demo(demo: Demo, jobs: int, write_line: Callable[[str], None]) -> dict:
    """Run all stages; return what results.json, written beside report.html, holds.

    Args:
        jobs: commands at a time.
        write_line: called with each line of progress.

    Raises:
        InputError: the folder is not empty.
        CommandFailed: a stage failed.
    """
    require_new_folder(demo.out)
    (demo.out / "logs").mkdir(parents=True)
    chain = Chain(demo.out / "logs", write_line)
    chain.run(demo.commands, jobs)
    found = collect_results(demo.plan, chain, demo.experiment)
    keys = ("network", "rank-1", "rank-5", "mAP", "identity_accuracy")
    source = found[0]["measured"]["source_test"]
    results = {
        "rows": [{"name": row["row"], **{k: row[k] for k in keys}} for row in found],
        "source_test": {key: source[key] for key in ("rank-1", "mAP")},
        "seconds": round(chain.seconds(), 1),
    }
    (demo.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    _write_page(demo, results)
    return results


def results_table(results: Mapping) -> str:
    """Return the table of results.json's rows as text."""
    return f"{format_table(COLUMNS, _rows(results))}\n\n{_source_test(results)}"


def _write_page(demo: Demo, results: Mapping) -> None:
    (direction,) = demo.experiment.directions
    files = direction_files(demo.plan, direction, demo.plan.rows[0].seed)
    write_report(
        demo.out / "report.html",
        title=demo.experiment.title,
        summary=[
            demo.experiment.note,
            f"The whole chain took {results['seconds']:.0f} seconds. Every number was "
            "measured in this run, with one seed.",
        ],
        tables=[
            {
                "title": "On the target's query and gallery",
                "columns": COLUMNS,
                "rows": _rows(results),
                "note": "Fractions of 1. Identity accuracy: the share of translated "
                "images whose person is still named by a classifier of the real source "
                'images that the generator was not trained with. "Then clusters": '
                "trained on by clusters of the target's training images, whose people "
                "nobody has named. "
                f"{_source_test(results)}.",
            }
        ],
        figures=draw_figures(demo.out / "figures", direction, files),
        commands=[str(command) for command in demo.commands],
        footnotes=[
            "The people and places are drawn by `tfipgan synthesize`; numbers on them "
            "say that the method works, not how it fares on real cameras."
        ],
    )


def _source_test(results) -> str:
    source = results["source_test"]
    return (
        f"The baseline on the source's own test split: rank-1 {source['rank-1']:.3f}, "
        f"mAP {source['mAP']:.3f}"
    )


def _rows(results) -> Sequence[Sequence[object]]:
    return [
        [
            TITLES[row["name"]],
            *(row[key] for key in ("network", "rank-1", "rank-5", "mAP")),
            row["identity_accuracy"],
        ]
        for row in results["rows"]
    ]
