"""Queries that the gallery has too: by bytes, by file, by path, by features."""

import os
from pathlib import Path

import numpy as np
import pytest

from tfipgan.errors import InputError
from tfipgan.evaluation import FeatureSet, evaluate_ranking
from tfipgan.evaluation.copies import Copies, EqualRows
from tfipgan.evaluation.metrics import evaluate_in_detail


def line(*images):
    """A set of images on a line: (position, person, camera, path)."""
    positions, persons, cameras, paths = zip(*images, strict=True)
    return FeatureSet(np.array(positions)[:, None], persons, cameras, paths)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Makes files of given bytes in the current folder; gives their names."""
    monkeypatch.chdir(tmp_path)

    def make(**contents):
        for name, data in contents.items():
            Path(name).write_bytes(data)

    return make


def rank(query, gallery, protocol="cross-camera-off", **options):
    result = evaluate_ranking(query, gallery, protocol=protocol, **options)
    return result["rank-1"], result["mAP"], result["num_gallery_copies"]


def test_the_same_bytes_are_the_query_itself(files):
    files(query=b"one", copy=b"one", other=b"two", match=b"three")
    query = line((0, 1, 1, "query"))
    # Not even the features are equal: another device may round in another way.
    gallery = line((0.01, 1, 1, "copy"), (1, 2, 1, "other"), (2, 1, 1, "match"))
    assert rank(query, gallery) == (0, 0.5, 1)
    # Of the same person and camera it is left out anyway, and not counted.
    assert evaluate_ranking(query, line((0, 1, 1, "copy"), (1, 1, 2, "match")))[
        "num_gallery_copies"
    ] == 0  # fmt: skip


@pytest.mark.parametrize("protocol", ["market1501", "cuhk03", "cross-camera-off"])
@pytest.mark.parametrize("label", [(1, 2), (7, 1), (7, 2)])
def test_the_same_bytes_under_another_label(files, protocol, label):
    files(query=b"one", copy=b"one", other=b"two", match=b"three")
    query = line((0, 1, 1, "query"))
    gallery = line((0, *label, "copy"), (1, 2, 2, "other"), (2, 1, 2, "match"))
    assert rank(query, gallery, protocol) == (0, 0.5, 1)


@pytest.mark.parametrize(
    "link",
    [
        lambda: os.path.abspath("query"),
        lambda: "./query",
        lambda: os.symlink("query", "link") or "link",
        lambda: os.symlink(".", "folder") or "folder/query",
        lambda: os.link("query", "hard") or "hard",
    ],
    ids=["absolute", "dot", "link", "folder", "hard link"],
)
def test_the_same_file_by_another_path(files, link):
    files(query=b"one", other=b"two", match=b"three")
    gallery = line((0, 1, 2, link()), (1, 2, 2, "other"), (2, 1, 2, "match"))
    for protocol in ("market1501", "cross-camera-off"):
        assert rank(line((0, 1, 1, "query")), gallery, protocol) == (0, 0.5, 1)


def test_other_bytes_are_another_image_however_equal_the_features(files):
    files(query=b"one", other=b"two", longer=b"three")
    gallery = line((0, 1, 1, "other"), (0, 1, 1, "longer"), (1, 2, 1, "away"))
    assert rank(line((0, 1, 1, "query")), gallery) == (1, 1, 0)


@pytest.mark.parametrize("there", [("query",), ("copy",), ()])
def test_without_the_files_features_and_labels_tell(files, there):
    files(**dict.fromkeys(there, b"one"))
    query = line((0.1, 1, 1, "query"))
    others = [(1, 2, 1, "other"), (2, 1, 1, "match")]
    assert rank(query, line((0.1, 1, 1, "copy"), *others)) == (0, 0.5, 1)
    # Of another person or camera, or off by a bit, it may be another image.
    for place, person, camera in ((0.1, 1, 2), (np.nextafter(0.1, 1, dtype="f"), 1, 1)):
        found = rank(query, line((place, person, camera, "copy"), *others))
        assert found == (1, pytest.approx((1 + 2 / 3) / 2), 0)
    assert rank(query, line((0.1, 3, 1, "copy"), *others)) == (
        0,
        pytest.approx(1 / 3),
        0,
    )


def test_without_the_files_paths_tell():
    query = line((0, 1, 1, "gone/a"))
    gallery = line((0.1, 1, 2, "gone/a"), (1, 2, 1, "gone/b"), (2, 1, 2, "gone/c"))
    assert rank(query, gallery) == (0, 0.5, 1)
    # They are no more than a hint where the labels tell them apart.
    assert rank(query, gallery, "market1501")[2] == 0


def test_what_is_no_readable_file_is_passed_over(files, monkeypatch):
    files(query=b"one", copy=b"one", match=b"three")
    os.mkdir("folder")
    os.mkfifo("pipe")
    query = line((0, 1, 1, "query"), (9, 5, 1, "pipe"), (9, 5, 1, "\0a"))
    gallery = line((0, 7, 1, "folder"), (1, 7, 1, "./pipe"), (2, 1, 1, "copy"))
    with pytest.raises(
        InputError, match="only images of a query's person are the query"
    ):
        rank(query, gallery)

    def refuse(path, *_, **__):
        raise PermissionError(path)

    # What can't be opened is as good as not there.
    monkeypatch.setattr("tfipgan.evaluation.copies.open", refuse, raising=False)
    assert rank(query, gallery)[2] == 0
    assert (
        rank(line((2, 1, 1, "query")), line((2, 1, 1, "copy"), (3, 1, 2, "x")))[2] == 1
    )


def test_queries_of_junk_and_a_gallery_with_junk(files):
    files(a=b"one", b=b"one", c=b"two", d=b"two", e=b"else")
    query = line((0, -1, 1, "a"), (0, 1, 1, "c"))
    gallery = line((0, -1, 1, "b"), (5, 2, 1, "e"), (1, 1, 2, "d"), (7, 1, 2, "x"))
    # The copy of the first is junk, left out already.
    assert rank(query, gallery, "market1501") == (0, 0.5, 1)


def test_an_identity_of_copies_alone_is_not_drawn(files):
    files(query=b"one", copy=b"one")
    query = line((0, 1, 1, "query"))
    nearer = (0, 2, 2, "copy"), (3, 1, 2, "match")
    # The other person has no second image, or a far one, or a near one.
    for more, rank_1 in (([], 1), ([(5, 2, 2, "x")], 1), ([(2, 2, 2, "x")], 0)):
        gallery = line(*nearer, *more)
        assert rank(query, gallery, "cuhk03")[0] == rank_1


def test_the_detail_leaves_the_same_out(files):
    files(query=b"one", copy=b"one", other=b"two")
    query = line((0, 1, 1, "query"))
    gallery = line((0, 1, 2, "copy"), (1, 2, 2, "other"), (2, 1, 2, "match"))
    for memory_bytes in (1, 2**28):
        metrics, detail = evaluate_in_detail(query, gallery, memory_bytes=memory_bytes)
        assert metrics["num_gallery_copies"] == 1
        assert detail.top[0, :3].tolist() == [1, 2, -1]
        assert detail.histogram.positives.sum() == detail.histogram.negatives.sum() == 1
        assert detail.histogram.positives[:100].sum() == 0
        assert detail.camera_pairs.rank1 == [[0]]
    metrics, detail = evaluate_in_detail(query, gallery, rerank=True)
    assert metrics["num_gallery_copies"] == 1
    assert sorted(detail.top[0, :3].tolist()) == [-1, 1, 2]


def test_a_distance_of_0_of_ones_own():
    sets = FeatureSet([[1.0]], [1], [1]), FeatureSet([[2.0]] * 3, [1, 2, 1], [1] * 3)
    for near, expected in ((0, (0, 0.5, 1)), (1e-9, (1, pytest.approx(5 / 6), 0))):
        distances = np.array([[near, 1, 2]])
        assert rank(*sets, distances=distances) == expected


def test_a_set_against_itself():
    generator = np.random.default_rng(0)
    features = FeatureSet(generator.standard_normal((40, 3)), [1, 2] * 20, [-1] * 40)
    assert rank(features, features)[2] == 40
    left = [
        np.delete(np.linalg.norm(features.features - row, axis=1), i).argmin()
        for i, row in enumerate(features.features)
    ]
    persons = [np.delete(features.person_ids, i)[j] for i, j in enumerate(left)]
    assert rank(features, features)[0] == np.mean(persons == features.person_ids)


def test_equal_rows_are_those_of_equal_bits():
    generator = np.random.default_rng(1)
    for length in (1, 5, 2**20):
        count = 60 if length < 9 else 3
        query, gallery = (
            generator.integers(-1, 2, (count, length)).astype(np.float32)
            for _ in range(2)
        )
        gallery[0] = query[0]
        kept = np.arange(0, count, 2)
        equal = EqualRows(query, gallery, kept)
        for i, row in enumerate(query):
            found = equal(i, np.arange(len(kept)))
            np.testing.assert_array_equal(found, (gallery[kept] == row).all(axis=1))


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_comparing_all_files(files, seed):
    generator = np.random.default_rng(seed)
    contents = [b"", b"a", b"b", b"cc", b"dd", b"e" * 70_000, b"e" * 69_999 + b"f"]
    sets = []
    for name, count in (("q", 30), ("g", 700)):
        paths = []
        for i in range(count):
            paths.append(f"{name}{i}")
            choice = generator.integers(len(contents) + 1)
            if choice < len(contents):
                files(**{paths[-1]: contents[choice]})
        sets.append(FeatureSet(np.zeros((count, 1)), [1] * count, [1] * count, paths))
    kept = np.flatnonzero(generator.random(700) < 0.9)
    found = Copies(*sets, kept, lambda query, columns: np.full(len(columns), True))

    def read(path):
        return Path(path).read_bytes() if Path(path).exists() else None

    gallery = [read(sets[1].paths[row]) for row in kept]
    everything = np.arange(len(kept))
    for i, path in enumerate(sets[0].paths):
        own = read(path)
        same = [own is not None and data == own for data in gallery]
        assert found.by_file(i).tolist() == np.flatnonzero(same).tolist()
        unknown = [own is None or data is None for data in gallery]
        by_features = found.by_features(i, everything)
        assert by_features.tolist() == np.flatnonzero(unknown).tolist()
