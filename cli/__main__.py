"""Runs the command line as `python -m tfipgan.cli`."""

from tfipgan.cli.main import main

main(prog_name="tfipgan")
