"""docs/results.md is what `reproduce --collect docs/results` prints."""

import re
from pathlib import Path

from tfipgan.experiments.output import INTRODUCTION, collect_folder
from tfipgan.experiments.result_files import read_results

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_made_of_the_results():
    page = collect_folder(DOCS / "results")
    assert page == (DOCS / "results.md").read_text()
    results = read_results(DOCS / "results")
    assert len(results) == 2 * 7 * 2


def test_links_hold_from_the_page():
    """The introduction is read in docs/results.md, not where it lies."""
    text = (DOCS / "results" / INTRODUCTION).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert links and all((DOCS / link).exists() for link in links)
