"""tfipgan reproduce: every row of the paper's tables, as experiment.yaml has them."""

import json
import shutil
from pathlib import Path

import click

from tfipgan.cli.common import FOLDER, sigterm_exits
from tfipgan.errors import shorten_name

LOCK, MARK = ".lock", "reproduce.json"


@click.command("reproduce")
@click.argument("config_folder", metavar="[CONFIG_FOLDER]", required=False)
@click.option("--out", type=FOLDER, help="Folder of all that is made.")
@click.option(
    "--collect",
    type=FOLDER,
    help="Run nothing: print the tables of the results in this folder, such as "
    "OUT/results.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Run each row so many times, each with a seed, and a world, of its own.",
)
@click.option(
    "--first-seed",
    type=click.IntRange(0, 2**31 - 10_000),
    default=0,
    show_default=True,
    help="The first of them; the others follow it.",
)
@click.option(
    "--data",
    type=FOLDER,
    help="Folder of the datasets, such as data/market1501.  [default: data]",
)
@click.option("--direction", "directions", multiple=True, help="Only this one.")
@click.option(
    "--row",
    "rows",
    multiple=True,
    help="Only this one of experiment.yaml's, such as ipgan_ibn. May be repeated.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value of every config. May be repeated.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Commands at a time.  [default: 2 on CPU cores, 1 with a GPU]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="CPU threads of each command.  [default: the cores, divided among the jobs]",
)
@click.option("--dry-run", is_flag=True, help="Print the commands and run none.")
@click.option("--no-progress", is_flag=True, help="Show no progress bar.")
def reproduce(
    config_folder,
    out: Path | None,
    collect: Path | None,
    seeds,
    first_seed,
    data: Path | None,
    directions,
    rows,
    overrides,
    jobs,
    threads,
    dry_run,
    no_progress,
):
    """Run the rows of the paper's tables, both directions, and print the tables.

    CONFIG_FOLDER is a folder of configs with an experiment.yaml, or the name of a
    packaged one: synthetic (the built-in world) or market_duke. The same command goes
    on where an earlier one ended. OUT/report.html shows it all, OUT/results.json has
    the numbers, OUT/results a file of each row and seed, which `--collect` makes tables
    of, also together with those of other calls.
    """
    if collect is not None:
        _collect(config_folder, collect)
        return
    if config_folder is None or out is None:
        raise click.UsageError(
            f"expected {'CONFIG_FOLDER' if config_folder is None else '--out'}, or "
            "--collect with a folder of results"
        )
    from tfipgan.data.output_place import require_outside
    from tfipgan.errors import InputError
    from tfipgan.experiments.chain import available_cores
    from tfipgan.experiments.experiment import load_experiment
    from tfipgan.experiments.planner import make_plan

    experiment = load_experiment(config_folder)
    read = []
    if experiment.world is None:
        data = data or Path("data")
        for direction in experiment.directions:
            for dataset in (data / direction.source, data / direction.target):
                if not dataset.is_dir() and not dry_run:
                    raise InputError(
                        f"{shorten_name(str(dataset))} not found; expected a dataset: "
                        "unpack it there, or give the folder of the datasets by --data"
                    )
                read.append(dataset)
    elif data is not None:
        raise click.UsageError(
            f"{config_folder} is drawn, not read; expected no --data"
        )
    else:
        data = out / "data"
    jobs = jobs or (1 if shutil.which("nvidia-smi") else min(2, available_cores()))
    plan = make_plan(
        experiment,
        out,
        data,
        range(first_seed, first_seed + seeds),
        directions=directions,
        rows=rows,
        overrides=overrides,
        threads=threads or max(1, available_cores() // jobs),
    )
    _require_valid(plan)
    if dry_run:
        for command in plan.commands:
            click.echo(str(command))
        return
    require_outside(out, datasets=read)
    _require_weights(plan)
    click.echo(_run(experiment, plan, out, jobs, not no_progress))
    click.echo(f"Report: {out / 'report.html'}")


def _run(experiment, plan, out, jobs, progress):
    """Run the plan; return the tables as text."""
    from tqdm import tqdm

    from tfipgan.experiments.chain import Chain, CommandFailed
    from tfipgan.experiments.output import write_output
    from tfipgan.experiments.results import collect_results
    from tfipgan.files.lock import locked

    _require_ours(out)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / LOCK, str(out)):
        _claim(out, experiment)
        chain = Chain(
            out / "logs",
            lambda line: tqdm.write(line, file=click.get_text_stream("stderr")),
            on_progress=lambda command, line: bar.set_postfix_str(
                f"{command.name}: {line}"
            ),
            on_finish=lambda command: bar.update(command.weight),
        )
        bar = tqdm(
            total=sum(command.weight for command in plan.commands),
            initial=sum(c.weight for c in plan.commands if chain.is_done(c)),
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
            dynamic_ncols=True,
            disable=not progress,
            smoothing=0,
        )
        try:
            # The trainings under way save, and the same command goes on.
            with bar, sigterm_exits():
                chain.run(plan.commands, jobs)
        except CommandFailed as error:
            raise click.ClickException(str(error)) from error
        results = collect_results(plan, chain, experiment)
        return write_output(out, results, experiment, plan)


def _collect(config_folder, folder):
    """Print the tables of the results in a folder."""
    from tfipgan.experiments.output import collect_folder

    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name
        source = context.get_parameter_source(name)
        if name not in ("config_folder", "collect") and source.name == "COMMANDLINE":
            raise click.UsageError(
                f"{parameter.opts[0]} has no meaning with --collect, which runs "
                "nothing; leave it out"
            )
    click.echo(collect_folder(folder, config_folder), nl=False)


def _require_valid(plan):
    """See that every command line is one, before the first is run."""
    from tfipgan.errors import ConfigError

    known = click.get_current_context().find_root().command.commands
    for command in plan.commands:
        name, *words = (*command.arguments, *command.runtime)
        try:
            known[name].make_context(name, words)
        except click.UsageError as error:
            problem = error.format_message().rstrip(".")
            raise ConfigError(
                f"{command.name}: `{shorten_name(str(command))}`: {problem}; change "
                "its step in experiment.yaml"
            ) from None


def _require_weights(plan):
    """See that the backbones' weights are there, before the first day of work."""
    from tfipgan.errors import InputError

    known = {"none", "imagenet", *plan.makers}
    for command in plan.commands:
        weights = command.settings.get("backbone", {}).get("weights", "none")
        if weights not in known and not Path(weights).is_dir():
            raise InputError(
                f"backbone.weights: {weights} not found; expected a re-ID run's "
                "folder: `tfipgan import-weights` makes one of a checkpoint"
            )


def _require_ours(out):
    """See that nothing is in the folder but what an earlier call has left."""
    from tfipgan.files.output_file import require_new_folder

    if not out.is_dir() or not (out / MARK).exists():
        # A call that ended at once may have left its lock, or a mark half written.
        names = [path.name for path in out.iterdir()] if out.is_dir() else ["a file"]
        if any(name != LOCK and not name.startswith(f".{MARK}.") for name in names):
            require_new_folder(out)


def _claim(out, experiment):
    """Mark the folder as this experiment's, or see that it is; the lock is held."""
    from tfipgan.errors import InputError
    from tfipgan.files.output_file import atomic_file

    mark = out / MARK
    if not mark.exists():
        _require_ours(out)
        with atomic_file(mark) as temporary:
            temporary.write_text(json.dumps({"title": experiment.title}) + "\n")
    try:
        title = json.loads(mark.read_text())["title"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{mark} is damaged, expected the title of what {out} is of: give another "
            "--out, or remove that file"
        ) from None
    if title != experiment.title:
        raise InputError(
            f"{out} is of {title!r}, expected {experiment.title!r}: give another --out"
        )
    (out / "logs").mkdir(exist_ok=True)
