"""An adaptation's clusters in a page: which sheet, which rows, damaged files."""

import json

import pytest

from tfipgan.errors import InputError
from tfipgan.reports.cluster_report import MOST_ROWS, cluster_figure, cluster_table

QUALITY = {"clusters": 12, "outliers": 0.125, "images_per_cluster": 6.25}


def leave(run, epoch, **quality):
    folder = run / "clusters"
    folder.mkdir(exist_ok=True)
    quality = {**QUALITY, "cameras_per_cluster": 2.5, **quality}
    content = {"epoch": epoch, "quality": quality, "labels": {"a.jpg": 0}}
    path = folder / f"clusters_{epoch:04d}.json"
    path.write_text(json.dumps(content))
    return path


def test_any_other_run_has_none(tmp_path):
    assert cluster_figure(tmp_path) is None
    assert cluster_table(tmp_path) is None


def test_the_last_sheet(tmp_path):
    (tmp_path / "clusters").mkdir()
    for epoch in (5, 10, 7):
        (tmp_path / "clusters" / f"clusters_{epoch:04d}.png").touch()
    figure = cluster_figure(tmp_path)
    assert figure["path"] == tmp_path / "clusters" / "clusters_0010.png"
    assert figure["caption"].startswith("Of epoch 10: each row is a cluster, ")


def test_a_row_for_each_epoch(tmp_path):
    leave(tmp_path, 2, clusters=9, outliers=0.0)
    leave(tmp_path, 1)
    leave(tmp_path, 10, cameras_per_cluster=0.0)
    table = cluster_table(tmp_path)
    assert len(table["columns"]) == 5
    assert table["rows"] == [
        [1, 12, "12.5%", "6.2", "2.50"],
        [2, 9, "0.0%", "6.2", "2.50"],
        [10, 12, "12.5%", "6.2", None],
    ]


def test_many_epochs_are_picked_evenly_the_first_and_last_among_them(tmp_path):
    for epoch in range(1, 2 * MOST_ROWS + 1):
        leave(tmp_path, epoch)
    epochs = [row[0] for row in cluster_table(tmp_path)["rows"]]
    assert (len(epochs), epochs[0], epochs[-1]) == (MOST_ROWS, 1, 2 * MOST_ROWS)
    steps = {b - a for a, b in zip(epochs, epochs[1:], strict=False)}
    assert steps == {2, 3}


@pytest.mark.parametrize("text", ["", "[]", '{"epoch": 1}', '{"quality": {}}'])
def test_a_damaged_file(tmp_path, text):
    path = leave(tmp_path, 1)
    path.write_text(text)
    with pytest.raises(InputError, match="is damaged .* remove it to leave that epoch"):
        cluster_table(tmp_path)
