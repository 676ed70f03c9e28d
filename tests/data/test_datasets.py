import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tfipgan.data.datasets import (
    ReidDataset,
    camera_samples,
    read_dataset,
    read_images,
    training_samples,
)
from tfipgan.data.filenames import (
    EXAMPLE_PATTERN,
    JUNK,
    NO_CAMERA,
    UNLABELLED,
    Sample,
)
from tfipgan.errors import ConfigError, InputError

MARKET = {
    "bounding_box_train": ["0007_c2s1_000051_01.jpg", "0002_c1s1_000451_03.jpg"],
    "query": ["0003_c1s1_000001_00.jpg"],
    "bounding_box_test": [
        "0003_c2s1_000001_01.jpg",
        "0000_c1s1_000001_01.jpg",
        "-1_c1s1_000401_00.jpg",
    ],
}
MSMT17 = {
    "train": ["0000/0000_000_01_0303morning_0008_0.jpg"],
    "train2": ["0001/0001_000_14_0303noon_0008_0_ex.jpg"],
    "query": ["0000/0000_000_01_0303morning_0015_0.jpg"],
    "gallery": ["0000/0000_009_05_0303morning_0015_0.jpg"],
}


def make(root, folders):
    for folder, names in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8), "red").save(path)
    return root


def make_msmt17(root, train="train", test="test"):
    make(root, {train: MSMT17["train"] + MSMT17["train2"]})
    make(root, {test: MSMT17["query"] + MSMT17["gallery"]})
    for name, part in [
        ("train", "train"),
        ("val", "train2"),
        ("query", "query"),
        ("gallery", "gallery"),
    ]:
        lines = [f"{line} {int(line[:4])}\n" for line in MSMT17[part]]
        (root / f"list_{name}.txt").write_text("".join(lines) + "\n")
    return root


def labels(samples):
    return [(s.person_id, s.camera_id) for s in samples]


def test_market1501_is_recognised_and_sorted_by_path(tmp_path):
    data = read_dataset(make(tmp_path, MARKET))
    folder = tmp_path / "bounding_box_train"
    assert data.format == "market1501"
    assert data.train == (
        Sample(str(folder / "0002_c1s1_000451_03.jpg"), 2, 1),
        Sample(str(folder / "0007_c2s1_000051_01.jpg"), 7, 2),
    )
    assert labels(data.query) == [(3, 1)]
    assert labels(data.gallery) == [(JUNK, 1), (0, 1), (3, 2)]
    assert [s.distractor for s in data.gallery] == [False, True, False]


def test_only_the_splits_asked_for_are_read(tmp_path):
    make(tmp_path, {"query": MARKET["query"]})
    data = read_dataset(str(tmp_path), splits=("query",))
    assert (data.train, data.gallery) == ((), ())
    assert labels(data.query) == [(3, 1)]
    with pytest.raises(InputError, match="no folder for split train; expected bound"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match="no folder for split gallery"):
        read_dataset(tmp_path, splits=("gallery",))
    with pytest.raises(ConfigError, match="splits .*'test'"):
        read_dataset(tmp_path, splits=("test",))


@pytest.mark.parametrize(
    ("name", "format", "label"),
    [
        ("0001_c2_f0046182.jpg", "dukemtmc", (1, 2)),
        ("0001_c2_1.png", "cuhk03-np", (1, 2)),
        ("p/0004_000_03_0303morning_0008_0.jpg", "msmt17", (4, 3)),
    ],
)
def test_other_formats_are_recognised_by_their_names(tmp_path, name, format, label):
    data = read_dataset(make(tmp_path, {"train": [name]}), splits=("train",))
    assert (data.format, labels(data.train)) == (format, [label])


@pytest.mark.parametrize("folders", [(), ("mask_train_v2", "mask_test_v2")])
def test_msmt17_is_read_from_its_lists(tmp_path, folders):
    data = read_dataset(make_msmt17(tmp_path, *folders))
    assert data.format == "msmt17"
    assert labels(data.train) == [(0, 1), (1, 14)]
    assert (labels(data.query), labels(data.gallery)) == ([(0, 1)], [(0, 5)])
    # Person 0 is a person here.
    assert len(training_samples(data)) == 2


def test_a_list_that_cannot_be_right_is_named_with_its_line(tmp_path):
    root = make_msmt17(tmp_path)
    path = root / "list_query.txt"
    good = path.read_text()
    for text, message in [
        (good.replace(".jpg 0", ".jpg 4"), "line 1: person '4' .* name says 0"),
        (good.replace(".jpg 0", ".jpg x"), "line 1: person 'x'"),
        (good + "someone.jpg 3\n", "line 3: 'someone.jpg 3'; expected a line like"),
        (good.replace(" 0\n", "\n"), "line 1: .*expected a line like"),
        (
            good.replace("0015_0", "0016_0"),
            "0016_0.jpg: 1 of 1 files of list_query.txt",
        ),
        ("", "no images found for split query"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_dataset(root)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="list_query.txt is not text"):
        read_dataset(root)
    path.unlink()
    with pytest.raises(InputError, match="no folder for split query"):
        read_dataset(root)
    assert read_dataset(root, splits=("gallery",)).gallery


def test_msmt17_needs_both_train_lists_and_its_folders(tmp_path):
    root = make_msmt17(tmp_path)
    (root / "list_val.txt").unlink()
    with pytest.raises(InputError, match="list_val.txt is missing"):
        read_dataset(root)
    (root / "list_val.txt").write_text("")
    assert len(read_dataset(root).train) == 1
    (root / "test").rename(root / "testing")
    with pytest.raises(InputError, match="a folder test or mask_test_v2"):
        read_dataset(root)


def test_other_files_are_ignored(tmp_path):
    make(tmp_path, MARKET)
    folder = tmp_path / "query"
    for name in ("Thumbs.db", ".DS_Store", "._0003_c1s1_000001_00.jpg", "readme.txt"):
        (folder / name).write_text("x")
    make(folder, {"deeper": ["portrait.jpg"]})
    assert len(read_dataset(tmp_path).query) == 1


def warned(caplog):
    lines = [record.getMessage() for record in caplog.records]
    assert all(record.levelname == "WARNING" for record in caplog.records)
    assert all(line.isprintable() for line in lines)
    caplog.clear()
    return lines


def test_images_that_are_passed_over_are_a_warning(tmp_path, caplog):
    make(tmp_path, {**MARKET, "query/deeper": ["portrait.jpg"]})
    for name in ("0003_c1s1_1_1.heic", "0003_c1s1_1_2.HEIC", "\n.dng", "readme.txt"):
        (tmp_path / "query" / name).write_bytes(b"x")
    assert len(read_dataset(tmp_path).query) == 1
    other, below = warned(caplog)
    assert other.startswith(f"{tmp_path / 'query'}: files passed over, images of no k")
    assert "(2 .heic, 1 .dng): '\\n.dng', 0003_c1s1_1_1.heic, 0003" in other
    assert "folders below, where none is read (1): deeper/portrait.jpg" in below
    read_images(tmp_path / "query", labelled=False)
    (line,) = warned(caplog)
    assert "(2 .heic, 1 .dng)" in line
    read_dataset(tmp_path, splits=("train", "gallery"))
    assert warned(caplog) == []


def test_a_folder_of_nothing_but_images_that_are_not_read(tmp_path):
    for folder in ("train", "query", "gallery"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            (tmp_path / folder / f"{number}.heic").write_bytes(b"x")
    kinds = r"no images found.*; files passed over.* \(4 \.heic\): 0\.heic, 1\.heic, "
    with pytest.raises(InputError, match=kinds):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match=kinds):
        read_dataset(tmp_path, format="market1501", splits=("query",))
    with pytest.raises(InputError, match=kinds):
        read_images(tmp_path / "query")


def test_numbers_that_a_pattern_cuts_are_a_warning(tmp_path, caplog):
    names = ["-1_c1_1.jpg", "-1_c2_1.jpg", "7_c1_1.jpg", "7_c2_1.jpg"]
    make(tmp_path, {"train": names[2:], "query": names[2:3], "gallery": names})
    old = r"(?P<person>[0-9]+)_c(?P<camera>[0-9]+)"
    data = read_dataset(tmp_path, pattern=old)
    assert labels(data.gallery) == [(1, 1), (1, 2), (7, 1), (7, 2)]
    (line,) = warned(caplog)
    assert line.startswith(f"{tmp_path / 'gallery'}: the pattern's group person cuts ")
    assert "(2 of 4): -1_c1_1.jpg (as 1), -1_c2_1.jpg (as 1); let" in line
    for labelled in (True, False):
        read_images(tmp_path / "gallery", pattern=old, labelled=labelled)
        assert "(2 of 4)" in warned(caplog)[0]
    data = read_dataset(tmp_path, pattern=EXAMPLE_PATTERN)
    assert labels(data.gallery)[:2] == [(JUNK, 1), (JUNK, 2)]
    assert warned(caplog) == []


def test_a_name_that_does_not_match_is_named(tmp_path):
    make(tmp_path, MARKET)
    make(tmp_path, {"query": ["a portrait.jpg", "b.png"]})
    with pytest.raises(
        InputError,
        match="query/a portrait.jpg: 2 of 3 image names don't match; expected a "
        "market1501 name like 0002_c1s1_000451_03.jpg",
    ):
        read_dataset(tmp_path)
    make(tmp_path, {"bounding_box_train": ["x.jpg"]})
    with pytest.raises(InputError, match="2 of 3 names are .* market1501, but not x"):
        read_dataset(tmp_path)


def test_names_of_no_format_or_of_two_are_not_guessed(tmp_path):
    make(tmp_path, {"train": ["anna_1.jpg"]})
    with pytest.raises(InputError, match="names like anna_1.jpg; known are .*give a p"):
        read_dataset(tmp_path, splits=("train",))
    (tmp_path / "train/anna_1.jpg").unlink()
    make(tmp_path, {"train": ["0001_c2_f0046182.jpg", "0001_c2_1.png"]})
    with pytest.raises(InputError, match="1 of 2 names are of format"):
        read_dataset(tmp_path, splits=("train",))
    with pytest.raises(InputError, match="0001_c2_1.png: 1 of 2 .* dukemtmc name"):
        read_dataset(tmp_path, splits=("train",), format="dukemtmc")


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no split folders found; expected bounding"):
        read_dataset(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file; expected a folder"):
        read_images(tmp_path / "file")
    make(tmp_path, {**MARKET, "query": []})
    with pytest.raises(InputError, match="query: no images found for split query"):
        read_dataset(tmp_path)
    make(tmp_path, {"b/train": [], "b/query": []})
    with pytest.raises(InputError, match="train: no images found for split train"):
        read_dataset(tmp_path / "b")
    with pytest.raises(InputError, match="b: no images found; expected files ending"):
        read_images(tmp_path / "b")


def test_known_formats_have_their_images_in_the_split_folder_itself(tmp_path):
    make(tmp_path, {"train/0002": MARKET["bounding_box_train"]})
    with pytest.raises(InputError, match="no images .* in the folder itself"):
        read_dataset(tmp_path, splits=("train",))


def test_the_right_folder_is_named_when_its_parent_is_given(tmp_path):
    for version in ("labeled", "detected"):
        make(tmp_path / version, {f: ["0001_c1_1.png"] for f in MARKET})
    with pytest.raises(InputError, match="in .*detected and in .*labeled; give that"):
        read_dataset(tmp_path)
    assert read_dataset(tmp_path / "labeled").format == "cuhk03-np"
    make_msmt17(tmp_path / "up" / "MSMT17_V1")
    with pytest.raises(InputError, match="a dataset in .*MSMT17_V1; give that"):
        read_dataset(tmp_path / "up", splits=("train",))


def test_a_heap_of_crops_is_a_train_split(tmp_path):
    make(tmp_path / "known", {"": MARKET["bounding_box_train"]})
    data = read_dataset(tmp_path / "known", splits=("train",))
    assert labels(data.train) == [(2, 1), (7, 2)]
    with pytest.raises(InputError, match="no split folders found"):
        read_dataset(tmp_path / "known")
    make(tmp_path / "own", {"": ["cam1/a.png", "cam2/b/c.png"]})
    data = read_dataset(
        tmp_path / "own", pattern=r"cam(?P<camera>\d+)/", splits=("train",)
    )
    assert (data.format, data.pattern) == ("pattern", r"cam(?P<camera>\d+)/")
    assert labels(data.train) == [(UNLABELLED, 1), (UNLABELLED, 2)]


def test_a_pattern_is_searched_for_below_the_split_folder(tmp_path):
    names = ["cam1/p5.jpg", "cam2/p5.jpg"]
    make(tmp_path, {"train": names, "query": names[:1], "gallery": names})
    data = read_dataset(tmp_path, pattern=r"^cam(?P<camera>\d+)/p(?P<person>\d+)")
    assert labels(data.train) == labels(data.gallery) == [(5, 1), (5, 2)]
    make(tmp_path, {"query": ["cam1/q5.jpg"]})
    with pytest.raises(InputError, match="q5.jpg: 1 of 2 .*pattern '.cam"):
        read_dataset(tmp_path, pattern=r"^cam(?P<camera>\d+)/p(?P<person>\d+)")


def test_links_are_followed_and_circles_are_not_walked_for_ever(tmp_path):
    make(tmp_path, {"elsewhere": ["cam3_1.jpg"], "data": ["cam1_1.jpg"]})
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "link")
    os.symlink(tmp_path / "data", tmp_path / "elsewhere" / "back")
    os.symlink(tmp_path / "gone.jpg", tmp_path / "data" / "cam2_1.jpg")
    os.symlink("itself", tmp_path / "data" / "itself")
    samples = read_images(tmp_path / "data", pattern=r"cam(?P<camera>\d+)")
    assert [s.camera_id for s in samples] == [1, 2, 3]


def test_a_folder_in_place_of_an_image_is_not_overlooked(tmp_path):
    make(tmp_path, MARKET)
    (tmp_path / "query" / "0004_c1s1_000001_00.jpg").mkdir()
    assert labels(read_dataset(tmp_path).query) == [(3, 1), (4, 1)]
    assert len(read_images(tmp_path / "query")) == 2


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, caplog):
    make(tmp_path, {"data/here": ["a.jpg"], "data/closed": ["b.jpg"]})
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    (sample,) = read_images(tmp_path / "data", labelled=False)
    assert sample.path.endswith("here/a.jpg")
    assert "data: folders passed over, which this user may not read: closed" in (
        caplog.text
    )


NAMES = {
    "spaces": "0002_c1s1 with space",
    "composed": "0002_c1s1_caf\u00e9",
    "decomposed": "0002_c1s1_cafe\u0301",
    "newline": "0002_c1s1\nnext",
    "quotes": "0002_c1s1'\"`$",
    "percent": "0002_c1s1%s%d",
    "not_utf8": os.fsdecode(b"0002_c1s1_\xff\xe9"),
    "right_to_left": "0002_c1s1_\u05d0",
    "emoji": "0002_c1s1_\U0001f6b6",
}


def test_names_that_nobody_expects(tmp_path):
    for ending in (".jpg", ".JPG", ".Png"):
        make(tmp_path, {"sub folder\n": [name + ending for name in NAMES.values()]})
    samples = read_images(tmp_path, pattern=r"(?P<person>\d{4})_c(?P<camera>\d)s")
    assert len(samples) == 3 * len(NAMES)
    assert set(labels(samples)) == {(2, 1)}
    for sample in samples:
        assert os.path.isfile(sample.path)
    assert len(read_images(tmp_path, labelled=False)) == len(samples)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_an_error_that_names_such_a_file_is_one_line(tmp_path, name):
    make(tmp_path, MARKET)
    make(tmp_path, {"query": [f"{name}.jpg"]})
    for format in ("auto", "market1501"):
        with pytest.raises(InputError, match="don't match") as error:
            read_dataset(tmp_path, format=format)
        assert str(error.value).isprintable()
    with pytest.raises(InputError, match="not recogni|are of format") as error:
        read_images(tmp_path / "query")
    assert str(error.value).isprintable()


def test_dataset_yaml_names_folders_and_pattern(tmp_path):
    make(
        tmp_path, {"a/fit": ["p5_1.jpg"], "ask": ["p6_1.jpg"], "gallery": ["p6_2.jpg"]}
    )
    settings = tmp_path / "dataset.yaml"
    settings.write_text(
        "pattern: p(?P<person>\\d+)_(?P<camera>\\d+)\ntrain: a/fit\nquery: ask\n"
    )
    data = read_dataset(tmp_path)
    assert data.format == "pattern"
    assert (labels(data.train), labels(data.query)) == ([(5, 1)], [(6, 1)])
    assert labels(data.gallery) == [(6, 2)]
    # A split given as a folder of images is read in the same way ...
    assert labels(read_images(tmp_path / "ask")) == [(6, 1)]
    # ... and arguments go before the file.
    data = read_dataset(tmp_path, pattern=r"_(?P<camera>\d+)")
    assert labels(data.train) == [(UNLABELLED, 1)]
    with pytest.raises(InputError, match="expected a market1501 name"):
        read_dataset(tmp_path, format="market1501")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "dataset.yaml: can't be read as YAML"),
        ("- a", "expected keys out of format, pattern, train"),
        ("patern: x", "unknown key 'patern'; expected some of format"),
        ("train: 3", "train is 3; expected a text"),
        ("train: ''", "train is ''; expected a text"),
        ("train: ../x", "expected a folder inside the dataset"),
        ("train: /x", "expected a folder inside the dataset"),
        ("train: x", "train is 'x', and .* no such folder"),
        ("format: marked", "format 'marked' is not known"),
        ("format: market1501\npattern: x", "which has its own"),
        ("format: pattern", "needs a pattern"),
        ("pattern: '('", "is not a regular expression"),
    ],
)
def test_a_wrong_dataset_yaml_is_an_error_in_one_line(tmp_path, text, message):
    make(tmp_path, MARKET)
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_format_and_pattern_must_go_together(tmp_path):
    make(tmp_path, MARKET)
    with pytest.raises(ConfigError, match="format 'duke' is not known; expected auto"):
        read_dataset(tmp_path, format="duke")
    with pytest.raises(ConfigError, match="pattern was given for format msmt17"):
        read_dataset(tmp_path, format="msmt17", pattern=r"(?P<person>\d+)")
    with pytest.raises(ConfigError, match="needs a pattern"):
        read_images(tmp_path, format="pattern")


def test_a_translated_tree_is_read_with_both_cameras(tmp_path):
    make(tmp_path, {"": ["0000_c1_f01_to_c4.jpg", "deep/0012_c3_f01_to_c5.jpg"]})
    samples = read_images(tmp_path)
    assert [(s.person_id, s.camera_id, s.source_camera_id) for s in samples] == [
        (0, 4, 1),
        (12, 5, 3),
    ]
    assert samples[0].distractor


def test_unlabelled_images_may_have_any_name(tmp_path):
    make(tmp_path, {"": ["anna.jpg", "b_to_c2.jpg", "0002_c1s1_000451_03.jpg"]})
    with pytest.raises(InputError, match="1 of 3 names"):
        read_images(tmp_path)
    with pytest.raises(InputError, match="2 of 3 image names"):
        read_images(tmp_path, format="market1501")
    for format in ("auto", "market1501"):
        samples = read_images(tmp_path, format=format, labelled=False)
        assert labels(samples) == [(2, 1)] + 2 * [(UNLABELLED, NO_CAMERA)]
        assert samples[1].path == str(tmp_path / "anna.jpg")


def test_training_takes_identities_only():
    person, junk = Sample("a", 5, 1), Sample("b", JUNK, 1)
    zero, distractor = Sample("c", 0, 1), Sample("d", 0, 1, distractor=True)
    assert training_samples([person, junk, zero, distractor]) == (person, zero)
    data = ReidDataset(Path("x"), "market1501", train=(junk, person), query=(zero,))
    assert training_samples(data) == (person,)
    with pytest.raises(InputError, match="all 2 are junk or distractors"):
        training_samples([junk, distractor])
    with pytest.raises(InputError, match="u: 1 of 2 images have no identity"):
        training_samples([person, Sample("u", UNLABELLED, 1)])


def test_a_target_takes_every_image_that_has_a_camera():
    samples = (Sample("a", JUNK, 1), Sample("b", UNLABELLED, 2))
    assert camera_samples(samples) == samples
    assert camera_samples(ReidDataset(Path("x"), "pattern", train=samples)) == samples
    with pytest.raises(InputError, match=re.escape("c: 1 of 3 images have no camera")):
        camera_samples([*samples, Sample("c", 1, NO_CAMERA)])
    with pytest.raises(InputError, match="no image"):
        camera_samples([])


def test_a_closed_folder_beside_the_images_is_no_dataset(tmp_path, monkeypatch):
    (tmp_path / "lost+found").mkdir()
    is_file = Path.is_file

    def closed(path):
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(InputError, match="no split folders found"):
        read_dataset(tmp_path)


def test_lists_as_windows_writes_them(tmp_path):
    """A byte order mark, line ends of two characters, its own slashes."""
    root = make_msmt17(tmp_path)
    expected = read_dataset(root)
    for path in root.glob("list_*.txt"):
        text = path.read_text().replace("/", "\\").replace("\n", "\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_dataset(root) == expected
    (root / "list_query.txt").write_text(
        "..\\x\\0000_000_01_0303morning_0015_0.jpg 0\n"
    )
    with pytest.raises(InputError, match="line 1: .*expected a line like"):
        read_dataset(root)


def test_a_folder_for_each_person(tmp_path):
    """As prepared for PyTorch's ImageFolder: train_all is train and val together."""
    by_person = {
        f"{new}/{name.split('_')[0]}": [name]
        for old, new in (
            ("bounding_box_train", "train_all"),
            ("query", "query"),
            ("bounding_box_test", "gallery"),
        )
        for name in MARKET[old]
    }
    by_person |= {"train/0002": ["0002_c1s1_000451_03.jpg"]}
    by_person |= {"val/0007": ["0007_c2s1_000051_01.jpg"]}
    data = read_dataset(make(tmp_path / "by_person", by_person))
    flat = read_dataset(make(tmp_path / "flat", MARKET))
    assert data.format == "market1501"
    for split in ("train", "query", "gallery"):
        assert sorted(labels(getattr(data, split))) == sorted(
            labels(getattr(flat, split))
        )


def test_folders_of_something_else_are_not_read(tmp_path):
    make(tmp_path, {**MARKET, "query": [], "query/0009": ["0003_c1s1_000001_00.jpg"]})
    with pytest.raises(InputError, match="images found for split query; .*0009/0003"):
        read_dataset(tmp_path)


def test_a_stray_name_is_left_out_where_that_is_asked_for(tmp_path, caplog):
    """The copy of a file manager, among names of a known format."""
    make(tmp_path, MARKET)
    stray = tmp_path / "bounding_box_train" / "0002_c1s1_000451_03 (1).jpg"
    stray.write_bytes(b"")
    with pytest.raises(InputError, match="leave them out by --skip-unreadable"):
        read_dataset(tmp_path)
    misnamed = {}
    dataset = read_dataset(tmp_path, misnamed=misnamed)
    assert len(dataset.train) == 2 and list(misnamed) == [str(stray)]
    assert "expected a market1501 name like" in misnamed[str(stray)]
    assert "1 of 3 image names don't match" in caplog.text
    images = read_images(stray.parent, misnamed=misnamed)
    assert images == dataset.train and len(misnamed) == 1
    # Not where most names are strays, or of two known kinds.
    for name in ("0001_c2_f0046182.jpg", "a.jpg"):
        with pytest.raises(InputError, match="2 of [34] names are of format market"):
            stray = stray.rename(stray.with_name(name))
            (stray.parent / "b.jpg").touch()
            read_dataset(tmp_path, misnamed={})
    (stray.parent / "b.jpg").unlink()
    stray.unlink()
    shutil.rmtree(tmp_path / "query")
    make(tmp_path, {"query": ["a.jpg", "b.jpg", "c.jpg"]})
    with pytest.raises(InputError, match="3 of 3 image names don't match"):
        read_dataset(tmp_path, misnamed={})
