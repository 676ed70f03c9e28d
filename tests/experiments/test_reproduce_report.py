"""report.html: every figure that there is something for, and no other."""

import json
import re
import shutil
from pathlib import Path

import pytest
from measured import FORTH, direction, experiment, run, runs, translated
from PIL import Image

from tfipgan.data.datasets import read_dataset
from tfipgan.data.filenames import translated_name
from tfipgan.errors import InputError
from tfipgan.experiments.reproduce_report import DirectionFiles, write_reproduce_report


@pytest.fixture
def files(tiny_world, tmp_path):
    """What a run leaves, in the look of one: copies for translations."""
    source = read_dataset(tiny_world / "source", splits=("train",)).train
    translated, logs, metrics, lists = {}, {}, {}, {}
    for row in ("stargan", "ipgan"):
        translated[row] = tmp_path / "translated" / row
        translated[row].mkdir(parents=True)
        for sample in source:
            for camera in (1, 2, 3):
                name = translated_name(Path(sample.path).name, camera)
                shutil.copy(sample.path, translated[row] / name)
        logs[row] = tmp_path / f"{row}.jsonl"
        lines = [json.dumps({"step": s, "G/loss_rec": 1 / s}) for s in (1, 2)]
        logs[row].write_text("\n".join(lines) + "\n")
    for pair in (("direct transfer", "baseline"), ("ipgan", "ibn")):
        metrics[pair] = tmp_path / f"{pair}.json"
        metrics[pair].write_text(json.dumps({"cmc": [0.5, 0.75]}))
        lists[pair] = tmp_path / f"{pair}.png"
        Image.new("RGB", (3, 2)).save(lists[pair])
    return DirectionFiles(
        tiny_world / "source", tiny_world / "target", translated, logs, metrics, lists
    )


def titles(page):
    figures = re.findall(r"<figure>\s*<h3>(.*?)</h3>", page)
    assert len(figures) == page.count("data:image/png;base64,")
    return figures


def write(tmp_path, results, files, **more):
    path = tmp_path / "out" / "report.html"
    write_reproduce_report(path, results, experiment(**more), files)
    return path.read_text("utf-8")


def test_the_report_shows_all(files, tmp_path):
    results = [
        *runs("direct transfer", "baseline", [0.2, 0.3]),
        run("one & all", mean_ap=0.125),
    ]
    camera = {"camera": 3, "images": 77, "accuracy": 0.5, "distance": 0.25}
    for seed, mean_ap in enumerate((0.4, 0.5)):
        result = translated("ipgan", seed, 0.95, cameras=[camera])
        results.append(result | {"network": "ibn", "mAP": mean_ap})
    page = write(tmp_path, results, {FORTH: files}, note="A note.")
    assert titles(page) == [
        "source to target. mAP",
        "source to target. Translated by StarGAN",
        "source to target. Translated by IPGAN",
        "source to target. Cumulative matching characteristic",
        "source to target. Ranked lists, Baseline+Direct Transfer",
        "source to target. Ranked lists, IBN-reID+IPGAN",
        "source to target. Losses of the GANs over time",
    ]
    assert sorted(p.name for p in (tmp_path / "out" / "figures").iterdir()) == [
        f"{FORTH}_{name}.png"
        for name in ("cmc", "ipgan_translated", "losses", "map", "stargan_translated")
    ]
    assert "<h1>A world</h1>" in page and "A note." in page
    assert "over 2 seeds (0, 1)" in page
    assert "1 of 1 claims about the paper&#39;s order hold; 13 can&#39;t" in page
    # Numbers stand to the right, and as in the Markdown.
    assert '<td class="number">45.0 ± 7.1</td>' in page
    assert "<h3>source to target. Table 1: the baseline network</h3>" in page
    assert "<td>one &amp; all</td>" in page
    assert "IPGAN by cameras" in page and '<td class="number">77</td>' in page
    assert "StarGAN by cameras" not in page
    assert "--config &lt;a&gt;" in page and "3 h 0 min" in page


def test_what_is_not_there_is_left_out(files, tmp_path):
    results = [run("ipgan")]
    page = write(tmp_path, results, {})
    assert titles(page) == ["source to target. mAP"]
    assert "<h3>source to target. Table 3" in page
    gone = DirectionFiles(
        tmp_path / "no", tmp_path / "no",
        *({("ipgan", "ibn"): tmp_path / "no.png"} for _ in range(4)),
    )  # fmt: skip
    page = write(tmp_path, results, {FORTH: gone})
    assert titles(page) == ["source to target. mAP"]
    # A row that no table of the paper has is no bar.
    page = write(tmp_path, [run("one domain")], {FORTH: gone})
    assert titles(page) == []


def test_directions_have_figures_of_their_own(files, tmp_path):
    back = direction("back", "target to source")
    results = [run("ipgan"), run("ipgan") | {"direction": "back"}]
    path = tmp_path / "report.html"
    both = {FORTH: files, "back": files}
    write_reproduce_report(path, results, experiment(direction(), back), both)
    found = titles(path.read_text("utf-8"))
    assert len(found) == 14 == len(set(found))
    assert len(list((tmp_path / "figures").iterdir())) == 10


def test_a_damaged_set_is_an_error_and_no_page(files, tmp_path):
    image = next(files.translated["ipgan"].iterdir())
    image.rename(image.with_name("0099_c1s1_000001_00_to_c1.jpg"))
    with pytest.raises(InputError, match="0099_c1s1_000001_00"):
        write(tmp_path, [run("ipgan")], {FORTH: files})
    assert not (tmp_path / "out" / "report.html").exists()
