import json

import numpy as np
import pytest
from PIL import Image

from tfipgan.data import inspection
from tfipgan.data.filenames import EXAMPLE_PATTERN
from tfipgan.data.inspection import inspect_dataset
from tfipgan.errors import InputError

# Two people in both cameras, each to be found.
GOOD = {
    "bounding_box_train": [f"000{p}_c{c}s1_000001_01" for p in (1, 2) for c in (1, 2)],
    "query": ["0003_c1s1_000001_00", "0004_c2s1_000001_00"],
    "bounding_box_test": [
        "0003_c2s1_000001_01",
        "0004_c1s1_000001_01",
        "0000_c1s1_000001_01",
        "-1_c2s1_000001_01",
    ],
}


def picture(seed, size=(8, 16)):
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    return Image.fromarray(values.astype(np.uint8))


def make(root, folders, ending=".jpg"):
    for folder, names in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            seed = list(f"{folder}/{name}".encode())
            picture(seed).save(root / folder / (name + ending))
    return root


@pytest.fixture
def good(tmp_path):
    return make(tmp_path / "good", GOOD)


def the(lines, words):
    """The one line with these words."""
    found = [line for line in lines if words in line]
    assert len(found) == 1, lines
    return found[0]


def test_a_good_dataset_is_counted_and_has_no_problems(good):
    result = inspect_dataset(good)
    assert result.format == "market1501"
    assert result.problems == ()
    train, query, gallery = (result.splits[s] for s in ("train", "query", "gallery"))
    assert (train.images, train.identities, train.cameras) == (4, 2, {1: 2, 2: 2})
    assert (query.images, query.identities) == (2, 2)
    assert (gallery.images, gallery.identities) == (4, 2)
    assert (gallery.junk, gallery.distractors, gallery.unlabelled) == (1, 1, 0)
    note = the(result.notes, "published for market1501")
    assert "train 4 images, not 12,936; train 2 identities, not 751" in note
    assert "gallery 4 images, not 19,732" in note
    assert json.loads(json.dumps(result.to_dict()))["splits"]["query"]["images"] == 2


def test_published_counts_leave_no_note(good, monkeypatch):
    counts = {"other": ((9, 9), (9, 9), (9, 9)), "this": ((4, 2), (2, 2), (4, None))}
    monkeypatch.setitem(inspection._PUBLISHED, "market1501", counts)
    assert inspect_dataset(good).notes == ()
    # Of two versions the closer one is compared.
    counts["this"] = ((4, 2), (2, 2), (5, None))
    note = the(inspect_dataset(good).notes, "published")
    assert "market1501 this" in note and note.endswith(": gallery 4 images, not 5")


def test_numbers_that_a_pattern_cuts_are_a_problem(good, caplog):
    """Junk -1 as person 1 is a match where there is none."""
    old = "(?P<person>[0-9]+)_c(?P<camera>[0-9]+)"
    result = inspect_dataset(good, pattern=old)
    line = the(result.problems, "cuts numbers")
    assert line.startswith(
        "gallery: the pattern's group person cuts numbers (1 of 4): "
    )
    assert "-1_c2s1_000001_01.jpg (as 1); let it hold the whole number" in line
    assert result.splits["gallery"].junk == 0
    result = inspect_dataset(good, pattern=EXAMPLE_PATTERN)
    assert (result.problems, result.splits["gallery"].junk) == ((), 1)
    assert not caplog.records  # a list that is asked for needs no log


def test_images_that_are_passed_over_are_a_problem(good):
    for name in ("0003_c1s1_000002_00.heic", "0003_c1s1_000003_00.NEF", "Thumbs.db"):
        (good / "query" / name).write_bytes(b"x")
    for ending in (".jfif", ".jpe", ".ppm", ".dib"):
        picture(9).convert("RGB").save(good / "query" / f"0003_c1s1_000004_00{ending}")
    make(good, {"bounding_box_train/more": ["0001_c1s1_000009_01"]})
    result = inspect_dataset(good)
    assert result.splits["query"].images == 6
    line = the(result.problems, "query: files passed over")
    assert "(1 .heic, 1 .nef): 0003_c1s1_000002_00.heic, 0003_c1s1_000003" in line
    line = the(result.problems, "train: images passed over in folders below")
    assert "(1): more/0001_c1s1_000009_01.jpg; " in line
    assert not [p for p in result.problems if "Thumbs" in p]


def test_identities_and_queries_that_cannot_be_matched(good):
    make(
        good,
        {
            "bounding_box_train": ["0009_c1s1_000001_01", "0003_c2s1_000009_01"],
            "query": ["0008_c1s1_000001_00", "0007_c1s1_000001_00"],
            "bounding_box_test": ["0007_c1s1_000001_01"],
        },
    )
    problems = inspect_dataset(good).problems
    assert the(problems, "train:").endswith("one camera only (2 of 4): 3, 9")
    line = the(problems, "no match in the gallery")
    assert line.endswith(
        "(2 of 4): query/0007_c1s1_000001_00.jpg, query/0008_c1s1_000001_00.jpg"
    )
    assert the(problems, "identities in train and again").endswith("people (1): 3")
    assert len(problems) == 3


def test_msmt17_may_number_its_test_people_as_it_numbers_its_train_people(tmp_path):
    for folder, camera in [("train", 1), ("train", 2), ("query", 1), ("gallery", 2)]:
        name = f"0000_000_{camera:02}_0303morning_0008_0"
        make(tmp_path, {folder: [name]})
    result = inspect_dataset(tmp_path)
    assert (result.format, result.problems) == ("msmt17", ())


def test_one_camera_or_none(tmp_path):
    make(tmp_path / "one", {"": ["0001_c3_f01", "0002_c3_f01"]})
    problems = inspect_dataset(tmp_path / "one").problems
    assert "train: images of one camera only (camera 3)" in problems
    assert [p for p in problems if "no " in p] == [
        "no query split found",
        "no gallery split found",
    ]
    assert len(problems) == 3
    names = ["5_x", "6_x"]
    make(tmp_path / "none", {"train": names, "query": names, "gallery": names})
    problems = inspect_dataset(
        tmp_path / "none", pattern=r"(?P<person>\d+)_", check_images=False
    ).problems
    assert the(problems, "train: no camera numbers")
    assert the(problems, "query and gallery: no camera numbers")


def test_unlabelled_images_are_a_note(tmp_path):
    make(tmp_path, {"": ["cam1_a", "cam2_a"]})
    result = inspect_dataset(tmp_path, pattern=r"cam(?P<camera>\d)")
    assert result.splits["train"].unlabelled == 2
    assert "without an identity (2)" in the(result.notes, "train: ")


def test_a_split_that_cannot_be_read_does_not_hide_the_others(good):
    for path in (good / "query").iterdir():
        path.rename(path.with_name(f"IMG_{path.name[:4]}.jpg"))
    result = inspect_dataset(good)
    assert list(result.splits) == ["train", "gallery"]
    assert "2 of 2 image names don't match" in the(result.problems, "query can't be")


def test_images_with_other_names_are_listed_and_the_others_counted(good):
    for folder, name in (
        ("query", "logo"),
        ("query", "a"),
        ("bounding_box_train", "b"),
    ):
        picture(1).save(good / folder / f"{name}.jpg")
    result = inspect_dataset(good)
    assert [split.images for split in result.splits.values()] == [4, 2, 4]
    line = the(result.problems, "names don't match")
    assert line.startswith(
        "images whose names don't match (3): bounding_box_train/b.jpg, query/a.jpg, "
        "query/logo.jpg; expected a market1501 name"
    )
    assert line.endswith("leave them out by --skip-unreadable")


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no images found"):
        inspect_dataset(tmp_path)
    (tmp_path / "a.HEIC").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no images found .*\(1 .heic\): a.HEIC;"):
        inspect_dataset(tmp_path)
    (tmp_path / "query").mkdir()
    with pytest.raises(InputError, match="no images found for split query"):
        inspect_dataset(tmp_path, format="market1501")
    (tmp_path / "list_train.txt").write_text("")
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="list_val.txt is missing"):
        inspect_dataset(tmp_path)


def test_unreadable_files_are_named(good):
    folder = good / "bounding_box_train"
    whole = (folder / "0001_c1s1_000001_01.jpg").read_bytes()
    broken = {
        "0001_c1s1_000001_02.jpg": b"",
        "0001_c1s1_000001_03.jpg": b"plain text",
        "0001_c1s1_000001_04.jpg": whole[: len(whole) // 2],
    }
    for name, data in broken.items():
        (folder / name).write_bytes(data)
    line = the(inspect_dataset(good).problems, "can't be read")
    assert line.startswith("files that can't be read (3): ")
    assert "_02.jpg (empty)" in line
    assert "_03.jpg (not an image)" in line
    assert "_04.jpg (" in line and "truncated" in line.lower()
    assert inspect_dataset(good, check_images=False).problems == ()
    (folder / "0001_c1s1_000001_05.jpg").symlink_to("gone.jpg")
    result = inspect_dataset(good)
    assert "(4): " in the(result.problems, "...")
    # All of them, with their paths.
    assert list(result.unreadable) == [
        str(folder / f"0001_c1s1_000001_0{number}.jpg") for number in (2, 3, 4, 5)
    ]
    assert result.unreadable[str(folder / "0001_c1s1_000001_02.jpg")] == "empty"


def test_damage_that_pillow_answers_with_another_error_is_named(good, monkeypatch):
    def fail(data, **options):
        raise SyntaxError("broken PNG file")

    monkeypatch.setattr(Image, "open", fail)
    line = the(inspect_dataset(good).problems, "can't be read")
    assert "can't be read (10): " in line and "broken PNG" in line


def test_what_is_converted_is_a_note(good):
    folder = good / "bounding_box_train"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1).save(folder / "0001_c1s1_000002_01.jpg", exif=exif)
    wide = np.arange(128, dtype=np.uint16).reshape(16, 8) * 500
    Image.fromarray(wide).save(folder / "0001_c1s1_000003_01.png")
    picture(2).save(
        folder / "0001_c1s1_000004_01.png", save_all=True, append_images=[picture(3)]
    )
    picture(4).convert("P").save(folder / "0001_c1s1_000005_01.bmp")
    picture(5).save(folder / "0001_c1s1_000006_01.jpg", format="TIFF")
    cut_out = picture(6)
    cut_out.putalpha(Image.linear_gradient("L").resize(cut_out.size))
    cut_out.save(folder / "0001_c1s1_000007_01.png")
    result = inspect_dataset(good)
    assert result.problems == () and result.unreadable == {}
    for words, name in [
        ("turned as their EXIF says", "000002_01.jpg"),
        ("16 bits", "000003_01.png"),
        ("more than one frame", "000004_01.png"),
        ("format BMP", "000005_01.bmp"),
        ("mode P,", "000005_01.bmp"),
        ("format TIFF", "000006_01.jpg"),
        ("images transparent in parts, pasted on white", "000007_01.png"),
    ]:
        line = the(result.notes, words)
        assert "(1): " in line and line.endswith(name)


def test_other_modes_are_a_note(good):
    folder = good / "query"
    picture(1).convert("L").save(folder / "0003_c1s1_000002_00.jpg")
    picture(1).convert("RGBA").save(folder / "0003_c1s1_000003_00.png")
    result = inspect_dataset(good)
    assert result.problems == ()
    assert "000002_00.jpg" in the(result.notes, "images of mode L,")
    assert "000003_00.png" in the(result.notes, "mode RGBA")


def test_the_same_bytes_in_train_and_test_or_with_two_labels_are_named(good):
    source = good / "query" / "0003_c1s1_000001_00.jpg"
    for copy in (
        "bounding_box_train/0001_c1s1_000007_01.jpg",
        "bounding_box_test/0004_c2s1_000007_01.jpg",
    ):
        (good / copy).write_bytes(source.read_bytes())
    result = inspect_dataset(good)
    assert the(result.problems, "byte for byte, in query or gallery (1): ")
    line = the(result.problems, "as another person or camera (1): ")
    assert line.startswith("images of query and gallery ")
    assert len(result.problems) == 2
    assert not [note for note in result.notes if "byte" in note]


def test_the_same_bytes_under_two_people_of_train_are_named(good):
    folder = good / "bounding_box_train"
    source = folder / "0001_c1s1_000001_01.jpg"
    (folder / "0002_c1s1_000007_01.jpg").write_bytes(source.read_bytes())
    result = inspect_dataset(good)
    assert the(result.problems, "images of train that are there again").endswith(
        "as another person or camera (1): bounding_box_train/0001_c1s1_000001_01.jpg "
        "and bounding_box_train/0002_c1s1_000007_01.jpg"
    )
    assert len(result.problems) == 1


def test_queries_that_are_in_the_gallery_are_named(good):
    for name in ("0003_c1s1_000001_00", "0004_c2s1_000001_00"):
        copy = good / "bounding_box_test" / f"{name[:-2]}01.jpg"
        copy.write_bytes((good / "query" / f"{name}.jpg").read_bytes())
    result = inspect_dataset(good)
    assert the(result.problems, "query images that are in the gallery too").endswith(
        "left out when that query is evaluated (2): query/0003_c1s1_000001_00.jpg and "
        "bounding_box_test/0003_c1s1_000001_01.jpg, query/0004_c2s1_000001_00.jpg and "
        "bounding_box_test/0004_c2s1_000001_01.jpg"
    )
    assert len(result.problems) == 1
    assert not [note for note in result.notes if "byte" in note]


def test_copies_within_a_split_are_a_note(good):
    for split, name in (
        ("bounding_box_train", "0001_c1s1_000001_0"),
        ("query", "0003_c1s1_000001_0"),
        ("bounding_box_test", "0004_c1s1_000001_0"),
    ):
        source = next((good / split).glob(f"{name}*"))
        (good / split / f"{name}8.jpg").write_bytes(source.read_bytes())
    result = inspect_dataset(good)
    assert result.problems == ()
    for split in ("train", "query", "gallery"):
        note = the(result.notes, f"{split}: images that are there again, byte for byte")
        assert "as the same person and camera (1): " in note and "8.jpg" in note


def test_two_files_that_can_not_be_read_are_not_the_same_image(good):
    for name in ("bounding_box_train/0001_c1s1_07_01.jpg", "query/0003_c1s1_02_00.jpg"):
        (good / name).write_bytes(b"")
    problems = inspect_dataset(good).problems
    assert the(problems, "can't be read (2)")
    assert len(problems) == 1


def test_the_same_digests_in_order():
    """Against the slow way, and with zeros at either end of a digest."""
    chance = np.random.default_rng(0)
    digests = chance.integers(0, 2, (40, 16), np.uint8)
    digests[:, 3:-3] = 0
    places = {}
    for place, digest in enumerate(map(bytes, digests)):
        if any(digest):
            places.setdefault(digest, []).append(place)
    expected = [group for group in places.values() if len(group) > 1]
    assert list(inspection._same(digests)) == expected and len(expected) > 3
    assert not list(inspection._same(digests[:1]))
