import dataclasses
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.metrics import evaluate_in_detail
from tfipgan.evaluation.verification import DistanceHistogram, operating_point, roc
from tfipgan.reports import evaluation_report
from tfipgan.reports.evaluation_report import write_evaluation_report

ALL = ["cameras.png", "cmc.png", "distances.png", "ranked_lists.png", "report.html"]
ALL += ["roc.png"]


@pytest.fixture
def sets(tmp_path):
    """Query and gallery of six people under three cameras, with their images.

    Of the queries two are junk, one is of nobody in the gallery and one only of images
    of its own camera.
    """
    rng = np.random.default_rng(4)
    centres = rng.normal(size=(6, 8))

    def build(name, persons, cameras):
        paths = []
        for number, (person, camera) in enumerate(zip(persons, cameras, strict=True)):
            paths.append(str(tmp_path / f"{person:04d}_c{camera}_{name}{number}.png"))
            # No two are equal: they would be taken for the same image.
            colour = 40 * abs(person) % 256, 99 + (name == "q"), number
            Image.new("RGB", (4, 8), colour).save(paths[-1])
        features = centres[np.array(persons) % 6] + rng.normal(size=(len(persons), 8))
        return FeatureSet(features, persons, cameras, paths)

    query = build(
        "q", [0, 1, 2, 3, 0, 1, -1, -1, 77, 4], [1, 1, 2, 3, 2, 3, 1, 1, 2, 2]
    )
    gallery = build(
        "g", [*range(4)] * 3 + [4, 4, -1], [1] * 4 + [2] * 4 + [3] * 4 + [2] * 3
    )
    return query, gallery


def cells(page, title):
    """Texts of the table with this title, a list a row, its head first."""
    (table,) = re.findall(rf"<h3>{re.escape(title)}</h3>\n<div.*?</table>", page, re.S)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]


def figure_titles(page):
    found = page.split("<h2>Figures</h2>")[1].split("</section>")[0]
    return re.findall("<h3>(.*)</h3>", found)


def test_report(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    point = operating_point(detail.histogram, 0.25)
    page = write_evaluation_report(
        tmp_path / "out",
        *sets,
        metrics,
        detail,
        title="Of <six> people",
        commands=["tfipgan evaluate --figures out"],
        operating_point=point,
        queries="worst",
        num_queries=4,
    )
    assert page == tmp_path / "out" / "report.html"
    assert sorted(os.listdir(tmp_path / "out")) == ALL
    page = page.read_text("utf-8")
    assert "<h1>Of &lt;six&gt; people</h1>" in page
    assert "<pre>tfipgan evaluate --figures out</pre>" in page
    assert (
        f"6 queries searched in 14 gallery images by euclidean distance: rank-1 "
        f"{metrics['rank-1']:.3f}, mAP {metrics['mAP']:.3f}." in page
    )
    assert "No ranked" not in page and "No ROC" not in page
    assert figure_titles(page) == [
        "Cumulative matching characteristic",
        "Ranked lists",
        "Distances of pairs",
        "Receiver operating characteristic",
        "Rank-1 by cameras",
    ]
    assert page.count('src="data:image/png') == 5
    assert "4 queries, those of lowest average precision, the worst first." in page

    names = ["rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"]
    assert cells(page, "Ranking") == [names, [f"{metrics[n]:.3f}" for n in names]]
    images = dict(cells(page, "Images"))
    assert images["of them evaluated"] == "6"
    assert images["of them left out: without a match"] == "4"
    assert images["of them junk (person id -1), left out"] == "1"
    assert [number for _, number in cells(page, "Queries left out")] == [
        "queries",
        "2",
        "1",
        "1",
    ]
    assert cells(page, "Protocol")[1:] == [
        ["distance", "euclidean"],
        ["average precision", "standard"],
        ["protocol", "market1501"],
        ["re-ranking", "no"],
    ]
    shown = cells(page, "Queries of the ranked lists")[1:]
    precision = [float(row[3]) for row in shown]
    assert len(shown) == 4 and precision == sorted(precision)
    assert re.fullmatch(r"000\d_c\d_q\d.png", shown[0][0])


def test_the_clusters_of_an_adapted_run(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    run = tmp_path / "run"
    (run / "clusters").mkdir(parents=True)
    arguments = [tmp_path / "out", *sets, metrics, detail]
    plain = write_evaluation_report(*arguments, title="T").read_bytes()
    # A run that made none has the page that it had.
    page = write_evaluation_report(*arguments, title="T", run=run)
    assert page.read_bytes() == plain
    Image.new("RGB", (9, 9)).save(run / "clusters" / "clusters_0003.png")
    numbers = {"clusters": 8, "outliers": 0.25, "images_per_cluster": 4.0}
    content = {"epoch": 3, "quality": {**numbers, "cameras_per_cluster": 1.5}}
    (run / "clusters" / "clusters_0003.json").write_text(json.dumps(content))
    page = write_evaluation_report(*arguments, title="T", run=run).read_text("utf-8")
    assert figure_titles(page)[-1] == "Clusters of the training images"
    assert cells(page, "Clusters by epoch")[1:] == [["3", "8", "25.0%", "4.0", "1.50"]]
    # The sheet stays the run's.
    assert (run / "clusters" / "clusters_0003.png").exists()
    assert sorted(os.listdir(tmp_path / "out")) == ALL


def test_thresholds(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    edges, positives = detail.histogram.edges, detail.histogram.positives
    negatives = np.zeros_like(positives)
    negatives[::-150] = 1
    detail = dataclasses.replace(
        detail, histogram=DistanceHistogram(edges, positives, negatives)
    )
    point = operating_point(detail.histogram, 0.25)
    arguments = {"title": "T", "operating_point": point}
    page = write_evaluation_report(
        tmp_path / "out", *sets, metrics, detail, **arguments
    )
    page = page.read_text("utf-8")
    table = cells(page, "Same person or not: thresholds")
    # Some 300 pairs can't tell one false accept in a thousand from none.
    assert 200 < negatives.sum() < 500
    assert [row[0] for row in table[1:]] == ["1%", "10%", "25% (chosen)"]
    assert table[0][1] == "euclidean distance below"
    assert table[3][1:] == [
        f"{point.threshold:.6g}",
        f"{100 * point.false_accept_rate:.3g}%",
        f"{100 * point.true_accept_rate:.3g}%",
    ]
    assert "Equal error rate" in page and "area under the ROC 0." in page
    assert "too few to tell it from 0" not in page
    # One that is in the table by itself is not in it twice; small rates stay in sight.
    for rate, rows in (
        (0.1, ["1%", "10% (chosen)"]),
        (0.0001, ["0.01% (chosen)", "1%", "10%"]),
    ):
        arguments["operating_point"] = operating_point(detail.histogram, rate)
        page = write_evaluation_report(
            tmp_path / "out", *sets, metrics, detail, **arguments
        )
        page = page.read_text("utf-8")
        table = cells(page, "Same person or not: thresholds")
        assert [row[0] for row in table[1:]] == rows
    assert table[1][2] == "0%"
    assert "too few to tell it from 0" in page


def test_camera_tables(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    page = write_evaluation_report(tmp_path, *sets, metrics, detail, title="T")
    page = page.read_text("utf-8")
    pairs = detail.camera_pairs
    for title, values in (
        ("Rank-1 by cameras", pairs.rank1),
        ("mAP by cameras", pairs.mean_ap),
    ):
        # The figure of the first name is no table.
        table = cells(page.split("<h2>Details</h2>")[1], title)
        assert table[0] == ["query camera", "1", "2", "3"]
        assert table[1][:2] == ["1", "-"] and table[1][2] == f"{values[0, 1]:.3f}"
    counts = cells(page, "Queries by cameras")
    assert [row[1:] for row in counts[1:]] == pairs.num_queries.astype(str).tolist()


def test_what_the_plots_get(tmp_path, sets, monkeypatch):
    given = {}
    for name in ("roc_plot", "distance_histogram"):
        plot = getattr(evaluation_report, name)

        def keep(*arguments, name=name, plot=plot):
            given[name] = arguments
            plot(*arguments)

        monkeypatch.setattr(evaluation_report, name, keep)
    metrics, detail = evaluate_in_detail(*sets, metric="cosine")
    point = operating_point(detail.histogram, 0.25)
    for chosen in (None, point):
        write_evaluation_report(
            tmp_path, *sets, metrics, detail, title="T", operating_point=chosen
        )
        false, true, _, rates = given["roc_plot"]
        np.testing.assert_array_equal([false, true], roc(detail.histogram))
        histogram, _, threshold, label = given["distance_histogram"]
        assert histogram is detail.histogram and label == "cosine distance"
        if chosen is None:
            assert rates is None and threshold is None
    assert rates == (point.false_accept_rate, point.true_accept_rate)
    assert threshold == point.threshold


def without_paths(features):
    return FeatureSet(features.features, features.person_ids, features.camera_ids)


def test_what_is_missing_is_said_and_removed(tmp_path, sets):
    query, gallery = sets
    metrics, detail = evaluate_in_detail(query, gallery)
    write_evaluation_report(tmp_path / "out", *sets, metrics, detail, title="T")
    (tmp_path / "out" / "mine.png").write_bytes(b"")
    alone = np.zeros_like(detail.histogram.negatives)
    detail = dataclasses.replace(
        detail,
        camera_pairs=None,
        histogram=DistanceHistogram(
            detail.histogram.edges, detail.histogram.positives, alone
        ),
    )
    metrics["num_queries_not_in_gallery"] = 0
    # Numbers that older or other rankings lack are left out.
    for key in ("mINP", "rerank", "num_queries_junk"):
        del metrics[key]
    page = write_evaluation_report(
        tmp_path / "out", query, without_paths(gallery), metrics, detail, title="T"
    ).read_text("utf-8")
    left = sorted(os.listdir(tmp_path / "out"))
    assert left == ["cmc.png", "distances.png", "mine.png", "report.html"]
    assert len(figure_titles(page)) == 2
    assert "No ranked lists: the gallery features were written without" in page
    assert "No ROC and no thresholds" in page and "No table of cameras" in page
    assert "thresholds</h3>" not in page and "by cameras" not in page
    assert cells(page, "Ranking")[0][-1] == "mAP"
    assert [number for _, number in cells(page, "Queries left out")] == ["queries", "1"]
    page = write_evaluation_report(
        tmp_path / "out", *map(without_paths, sets), metrics, detail, title="T"
    ).read_text("utf-8")
    assert "the query and gallery features were written without" in page
    assert "Queries of the ranked lists" not in page


def test_unreadable_images_are_said(tmp_path, sets):
    query, gallery = sets
    os.remove(query.paths[0])
    metrics, detail = evaluate_in_detail(query, gallery)
    page = write_evaluation_report(tmp_path, *sets, metrics, detail, title="T")
    assert " 1 of the images can&#39;t be read at the paths" in page.read_text("utf-8")


def test_reranked_distances_are_named(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    metrics["rerank"] = True
    page = write_evaluation_report(tmp_path, *sets, metrics, detail, title="T")
    page = page.read_text("utf-8")
    assert "by re-ranked distance" in page and "re-ranked distance below" in page
    assert ["re-ranking", "yes"] in cells(page, "Protocol")


def test_equal_input_gives_equal_bytes(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    for name in ("a", "b"):
        write_evaluation_report(tmp_path / name, *sets, metrics, detail, title="T")
    for name in ALL:
        first, second = (tmp_path / folder / name for folder in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_errors_leave_nothing(tmp_path, sets):
    metrics, detail = evaluate_in_detail(*sets)
    for options in ({"queries": "random"}, {"num_queries": 0}):
        with pytest.raises(InputError, match="to show"):
            write_evaluation_report(
                tmp_path / "out", *sets, metrics, detail, title="T", **options
            )
    assert not (tmp_path / "out").exists()
