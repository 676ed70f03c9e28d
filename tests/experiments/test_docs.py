"""docs/results.md: its tables are those of docs/results.json."""

import json
from pathlib import Path

from tfipgan.experiments.experiment import load_experiment
from tfipgan.experiments.tables import results_markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_are_those_of_the_numbers():
    results, details = (
        json.loads((DOCS / name).read_text())
        for name in ("results.json", "results_details.json")
    )
    tables = results_markdown(results, details, load_experiment("synthetic"))
    _, _, below_the_title = tables.partition("\n\n")
    assert below_the_title.strip() in (DOCS / "results.md").read_text()
    rows = {
        (run["direction"], run["row"], run["network"], run["seed"]) for run in results
    }
    assert len(rows) == len(results) == 2 * 4 * 2 * 3
