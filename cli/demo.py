"""tfipgan demo: the whole chain on the built-in world."""

import click

from tfipgan.cli.common import FOLDER, sigterm_exits


@click.command("demo")
@click.option("--out", type=FOLDER, required=True, help="Folder to make.")
@click.option("--quick", is_flag=True, help="A taste of a minute or two.")
@click.option(
    "--full",
    is_flag=True,
    help="Images of 128x64 and the IBN rows too; takes hours on two cores.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**31 - 2),
    default=0,
    show_default=True,
    help="Of the world and of every training.",
)
def demo(out, quick, full, seed):
    """Run the whole chain on the built-in world and report what came out.

    Draws two datasets, trains StarGAN and IPGAN between them, translates the source,
    trains a re-ID network on each, and tests them on the target. OUT/report.html shows
    it all, OUT/results.json has the numbers.
    """
    from tfipgan.data.output_place import require_outside
    from tfipgan.experiments.chain import CommandFailed, available_cores
    from tfipgan.experiments.demo import SIZES, plan_demo, results_table, run_demo

    if quick and full:
        raise click.UsageError("expected one of --quick and --full, got both")
    require_outside(out)
    size = SIZES["quick" if quick else "full" if full else "default"]
    jobs = min(2, available_cores())
    run = plan_demo(out, size, seed, threads=available_cores() // jobs)
    try:
        with sigterm_exits():
            results = run_demo(run, jobs, lambda line: click.echo(line, err=True))
    except CommandFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(results_table(results))
    click.echo(f"\nReport: {out / 'report.html'}")
    serve, *queries = run.serving_commands()
    click.echo(f"\nBoth networks are exported. To serve them:\n  {serve}")
    click.echo("and, once it answers, from another terminal:")
    for line in queries:
        click.echo(f"  {line}")
