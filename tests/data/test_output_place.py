"""Where an output would be read as a dataset's images, and where it would not."""

from pathlib import Path

import pytest

from tfipgan.data.datasets import read_dataset, read_images
from tfipgan.data.output_place import common_folder, require_outside
from tfipgan.errors import InputError

NAME = "0001_c1s1_000000_00.jpg"


@pytest.fixture
def make(tmp_path):
    """Function of names: makes empty files below tmp_path, and gives that."""

    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return touch


@pytest.fixture
def market(make):
    folders = ("bounding_box_train", "query", "bounding_box_test")
    return make(*(f"market/{folder}/{NAME}" for folder in folders)) / "market"


def refused(out, **read):
    with pytest.raises(InputError) as raised:
        require_outside(out, **read)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_folder_without_splits_is_read_whole(make):
    root = make("crops/cam1/p1.jpg") / "crops"
    for out in (root, root / "new", root / "cam1" / "a" / "b", f"{root}/x/../new"):
        line = refused(out, datasets=[root])
        assert line.startswith(f"{out} lies in {root}, where images are read from")
    for out in (root.parent / "new", root.parent / "crops2", root.parent / "crops.new"):
        require_outside(out, datasets=[root])


def test_what_is_refused_would_be_read_and_the_rest_not(make):
    """Against the reader itself: a new image in each place."""
    root = make("crops/train/cam1/p1.jpg", "crops/query/cam1/p1.jpg") / "crops"
    pattern = r"cam(?P<camera>\d)/p(?P<person>\d)"
    for place in ("train/new", "train/cam1", "query/new", "new", "../new"):
        out = root / place
        image = out / "cam2" / "p2.jpg"
        image.parent.mkdir(parents=True)
        image.touch()
        dataset = read_dataset(root, pattern=pattern, splits=("train", "query"))
        seen = any(
            Path(sample.path).resolve() == image.resolve()
            for sample in (*dataset.train, *dataset.query)
        )
        image.unlink()
        if seen:
            refused(out, datasets=[root])
        else:
            require_outside(out, datasets=[root])
        assert seen == ("train" in place or "query" in place)


def test_beside_the_splits_a_place_is_free(market):
    for place in ("translated", "train", "../other"):
        require_outside(market / place, datasets=[market])
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        line = refused(market / folder / "new", datasets=[market])
        assert f"lies in {market / folder}, where" in line


def test_splits_by_other_names(make):
    root = make("own/people/p1.jpg", "own/else/x.jpg") / "own"
    (root / "dataset.yaml").write_text("pattern: p(?P<person>1)\ntrain: people\n")
    refused(root / "people" / "new", datasets=[root])
    require_outside(root / "else", datasets=[root])
    lists = make("msmt/list_train.txt", "msmt/train/0000/x.jpg") / "msmt"
    refused(lists / "train" / "new", datasets=[lists])
    require_outside(lists / "new", datasets=[lists])


def test_a_folder_is_read_with_all_below(market):
    """Whatever its layout is as a dataset."""
    assert len(read_images(market)) == 3
    refused(market / "new", folders=[market])
    require_outside(market.parent / "new", folders=[market])


def test_what_holds_the_input(make, market):
    for out in (market, market.parent):
        line = refused(out, datasets=[market])
        assert line.startswith(f"{out} holds {market}, which is read; expected a fold")
        require_outside(out, datasets=[market], may_hold=True)
    crops = make("crops/p1.jpg") / "crops"
    assert "lies in" in refused(crops, folders=[crops], may_hold=True)
    require_outside(crops.parent, folders=[crops], may_hold=True)


def test_links(make, tmp_path):
    root = make("crops/p1.jpg", "elsewhere/x.txt") / "crops"
    (tmp_path / "link").symlink_to(root)
    (root / "away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own").symlink_to("gone")
    # The output through a link, the input through one, and a link that is followed.
    refused(tmp_path / "link" / "new", datasets=[root])
    refused(root / "new", datasets=[tmp_path / "link"])
    refused(root / "away", datasets=[root])
    refused(tmp_path / "link" / "away" / "new", datasets=[root])
    require_outside(tmp_path / "own", datasets=[root])


def test_relative_names(make, monkeypatch):
    root = make("crops/p1.jpg") / "crops"
    monkeypatch.chdir(root)
    refused("new", datasets=["."])
    refused("new", datasets=["../crops"])
    require_outside("../new", datasets=["."])


def test_datasets_around_the_output(make, market):
    """Of another dataset than the one that is read, and of none."""
    assert f"lies in {market / 'query'}, " in refused(market / "query" / "a" / "b")
    require_outside(market / "new")
    named = make("crops/p1.jpg") / "crops"
    require_outside(named / "new")  # nothing says that it is one
    (named / "dataset.yaml").write_text("pattern: p(?P<person>1)\n")
    assert f"lies in {named}, " in refused(named / "a" / "b")
    # Of other software.
    (named / "dataset.yaml").write_text("nc: 80\nnames: [a, b]\n")
    require_outside(named / "new")


def test_a_missing_dataset(tmp_path):
    line = refused(tmp_path / "out", datasets=[tmp_path / "none"])
    assert "none does not exist; expected a folder of images" in line


def test_where_features_are_from(make, tmp_path, monkeypatch):
    root = make("crops/a/1.jpg", "crops/b/2.jpg") / "crops"
    paths = [str(root / "a" / "1.jpg"), str(root / "b" / "2.jpg")]
    assert common_folder(paths) == root
    assert common_folder(paths[:1]) == root / "a"
    assert common_folder([]) is None
    assert common_folder([*paths, "c.jpg"]) is None
    assert common_folder(["/no/such/1.jpg"]) is None
    monkeypatch.chdir(tmp_path)
    assert common_folder([*paths, str(tmp_path / "x.jpg")]) is None
    assert common_folder(["crops/a/1.jpg", "crops/b/2.jpg"]) == Path("crops")
