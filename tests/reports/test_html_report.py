import base64
import os
import re

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.reports.html_report import write_report
from tfipgan.reports.text_table import format_table

COLUMNS = ["method", "rank-1", "queries"]
ROWS = [["IPGAN", 0.4444, 120], ["direct <transfer>", None, 7]]


def test_report(tmp_path):
    image = tmp_path / "a.png"
    Image.new("RGB", (3, 2), "red").save(image)
    arguments = {
        "title": "Results & more",
        "summary": ["First.", "Second <script>."],
        "tables": [
            {"title": "Ranking", "columns": COLUMNS, "rows": ROWS, "note": "A note."},
            {"title": "Bare", "columns": ["x"], "rows": []},
        ],
        "figures": [{"title": "CMC", "path": image, "caption": "Higher."}],
        "details": [{"title": "Far down", "columns": ["y"], "rows": [[0.25]]}],
        "commands": ["tfipgan demo --out a", "tfipgan inspect <b>"],
        "footnotes": ["As printed."],
    }
    write_report(tmp_path / "new" / "report.html", **arguments)
    page = (tmp_path / "new" / "report.html").read_text("utf-8")
    assert os.listdir(tmp_path / "new") == ["report.html"]
    assert "<h1>Results &amp; more</h1>" in page
    assert "Second &lt;script&gt;." in page and "<script" not in page
    assert '<td class="number">0.444</td>' in page
    assert '<td class="number">-</td>' in page
    assert "<td>direct &lt;transfer&gt;</td>" in page
    assert "<pre>tfipgan demo --out a\ntfipgan inspect &lt;b&gt;</pre>" in page
    assert "<li>As printed.</li>" in page and "Higher." in page and "A note." in page
    # Details come after the figures, in tables of the same look.
    figures, details = page.split("<h2>Details</h2>")
    assert "Higher." in figures and "<h3>Far down</h3>" in details
    assert '<td class="number">0.250</td>' in details
    # Self-contained: the image is in the page, and nothing is fetched.
    (uri,) = re.findall(r'src="([^"]*)"', page)
    kind, data = uri.split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == image.read_bytes()
    assert "http" not in page and "url(" not in page

    write_report(tmp_path / "again.html", **arguments)
    assert (tmp_path / "again.html").read_text("utf-8") == page


def test_empty_sections_are_left_out(tmp_path):
    write_report(tmp_path / "r.html", title="T", summary="One paragraph.")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count('<p class="lead">') == 1
    assert "<h2>" not in page


def test_report_errors(tmp_path):
    out = tmp_path / "r.html"
    bad_table = {"title": "t", "columns": ["a", "b"], "rows": [[1]]}
    with pytest.raises(InputError, match="row has 1 cells, expected 2"):
        write_report(out, title="T", summary="", tables=[bad_table])
    (tmp_path / "a.txt").write_text("x")
    for name, error in (("a.txt", InputError), ("none.png", FileNotFoundError)):
        with pytest.raises(error, match=name):
            write_report(
                out,
                title="T",
                summary="",
                figures=[{"title": "f", "path": tmp_path / name}],
            )
    assert not out.exists()


def test_format_table():
    rows = [["IPGAN", 0.4444, 120], ["direct", None, np.int64(7)]]
    assert format_table(COLUMNS, rows) == (
        "method  rank-1  queries\n"
        "------  ------  -------\n"
        "IPGAN    0.444      120\n"
        "direct       -        7"
    )


def test_format_table_of_texts_and_of_nothing():
    rows = [["a", np.float32(0.5)], ["b", "none"]]
    assert format_table(["x", "value"], rows) == (
        "x  value\n-  -----\na  0.500\nb  none"
    )
    assert format_table(["x", "y"], []) == "x  y\n-  -"
    with pytest.raises(InputError, match="3 cells, expected 2"):
        format_table(["x", "y"], [[1, 2, 3]])
