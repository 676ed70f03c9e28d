"""A map of activation laid over an image, and the report's figure of them."""

import numpy as np
import pytest
from PIL import Image

from tfipgan.evaluation import FeatureSet
from tfipgan.evaluation.metrics import evaluate_in_detail
from tfipgan.reports.activation import with_activation
from tfipgan.reports.evaluation_report import write_evaluation_report


def test_an_image_and_itself_under_its_map():
    picture = Image.new("RGB", (40, 80), (250, 120, 60))
    activation = np.zeros((4, 2), np.float32)
    activation[0] = 1
    both = with_activation(picture, activation)
    assert both.size == (82, 80)
    pixels = np.asarray(both)
    np.testing.assert_array_equal(pixels[:, :40], np.asarray(picture))
    assert (pixels[:, 40:42] == 255).all()
    high, low = pixels[2, 60].astype(int), pixels[77, 60].astype(int)
    # Red over grey above, blue over grey below, and there more of the image.
    assert high[0] > high[2] + 30 and low[2] > low[0]
    assert np.ptp(high) > 2 * np.ptp(low)
    # Between them it changes little by little.
    steps = np.abs(np.diff(pixels[:, 60].astype(int), axis=0)).max()
    assert steps < 25


def test_the_map_may_be_flat():
    both = with_activation(Image.new("RGB", (4, 8), "white"), np.zeros((2, 1)))
    assert len(np.unique(np.asarray(both)[:, 6:].reshape(-1, 3), axis=0)) == 1


@pytest.fixture
def sets(tmp_path):
    def build(name, persons, cameras):
        paths = []
        for number in range(len(persons)):
            paths.append(str(tmp_path / f"{name}{number}.png"))
            colour = (30 * number, 99 * (name == "q"), 7)
            Image.new("RGB", (20, 40), colour).save(paths[-1])
        features = np.random.default_rng(len(name)).normal(size=(len(persons), 8))
        return FeatureSet(features, persons, cameras, paths)

    return build("q", [0, 1, 2], [1, 1, 1]), build("gg", [0, 1, 2] * 3, [2] * 9)


def test_in_a_report(tmp_path, sets):
    asked = []

    def activation(paths):
        asked.extend(paths)
        return dict.fromkeys(paths, np.eye(2, 3))

    metrics, detail = evaluate_in_detail(*sets)
    query, gallery = sets
    arguments = {"title": "T", "queries": "first", "num_queries": 2}
    out = tmp_path / "out"
    page = write_evaluation_report(
        out, *sets, metrics, detail, activation=activation, **arguments
    )
    top = detail.top[:2, :5].ravel()
    assert asked == [*query.paths[:2], *gallery.paths[top]]
    page = page.read_text()
    titles = [line for line in page.splitlines() if line.startswith("<h3>")]
    place = titles.index("<h3>Activation maps</h3>")
    assert titles[place - 1] == "<h3>Ranked lists</h3>"
    assert "its last map, which has 2 x 3 places" in page
    with Image.open(out / "activation_maps.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    # The query's own pixels and, beside them, others of its size.
    columns = np.flatnonzero((pixels == (0, 99, 7)).all(axis=2).any(axis=0))
    left, right = columns[0], columns[-1]
    assert right - left == 79
    assert np.ptp(pixels[:, right + 3 : right + 80], axis=2).max() > 60

    # Those of before are gone where there are none.
    write_evaluation_report(out, *sets, metrics, detail, **arguments)
    assert not (out / "activation_maps.png").exists()
    assert "Activation maps" not in (out / "report.html").read_text()


def test_lists_that_are_shorter(tmp_path, sets):
    query, gallery = sets
    gallery = FeatureSet(np.eye(3, 8), [0, 1, 2], [2] * 3, gallery.paths[:3])
    metrics, detail = evaluate_in_detail(query, gallery)
    asked = []

    def activation(paths):
        asked.extend(paths)
        return dict.fromkeys(paths, np.eye(2))

    write_evaluation_report(
        tmp_path / "out", query, gallery, metrics, detail, title="T",
        activation=activation, queries="first", num_queries=1,
    )  # fmt: skip
    assert asked == [query.paths[0], *gallery.paths[detail.top[0, :3]]]


def test_features_without_paths_have_none(tmp_path, sets):
    query = FeatureSet(sets[0].features, sets[0].person_ids, sets[0].camera_ids)
    metrics, detail = evaluate_in_detail(query, sets[1])
    page = write_evaluation_report(
        tmp_path / "out", query, sets[1], metrics, detail, title="T", activation=len
    )
    assert "Activation maps" not in page.read_text()
