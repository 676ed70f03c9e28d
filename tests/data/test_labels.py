import json

import pytest

from tfipgan.data.filenames import JUNK, NO_CAMERA, UNLABELLED, Sample
from tfipgan.data.labels import (
    WHOLE_TARGET,
    DomainMap,
    LabelMap,
    camera_classes,
    domain_titles,
    without_identities,
)
from tfipgan.errors import InputError


def samples(*pairs):
    return [Sample(f"{p}_{c}.jpg", p, c) for p, c in pairs]


def test_titles_of_domains():
    assert domain_titles((0, 3)) == ["camera 0", "camera 3"]
    assert domain_titles((WHOLE_TARGET,)) == ["target"]


def test_labels_are_the_places_of_sorted_identities():
    labels = LabelMap.from_samples(samples((30, 1), (2, 1), (30, 2), (7, 4)))
    assert labels.class_ids == (2, 7, 30)
    assert len(labels) == 3
    assert [labels.index(p) for p in (2, 7, 30)] == [0, 1, 2]
    assert LabelMap.from_samples(samples((0, 1))).class_ids == (0,)


@pytest.mark.parametrize("person", [-3, 3, 31])
def test_an_unknown_person_is_an_error(person):
    with pytest.raises(InputError, match=f"person {person} is not among the 3"):
        LabelMap((2, 7, 30)).index(person)


@pytest.mark.parametrize(
    "sample",
    [
        Sample("a.jpg", JUNK, 1),
        Sample("a.jpg", UNLABELLED, 1),
        Sample("a.jpg", 0, 1, distractor=True),
    ],
)
def test_only_identities_get_labels(sample):
    with pytest.raises(InputError, match="a.jpg: person .* is not an identity"):
        LabelMap.from_samples([sample])


def test_no_identity_at_all_is_an_error():
    with pytest.raises(InputError, match="0 person_ids; expected at least 1"):
        LabelMap.from_samples([])


def test_domains_are_the_sorted_cameras_and_then_the_source():
    domains = DomainMap.from_samples(samples((1, 8), (1, 2), (-1, 5), (3, 2)))
    assert domains.cameras == (2, 5, 8)
    assert [domains.index(c) for c in (2, 5, 8)] == [0, 1, 2]
    assert (domains.source_domain, domains.num_domains) == (3, 4)
    with pytest.raises(InputError, match="camera 3 is not .* one of 2, 5, 8"):
        domains.index(3)


def test_a_target_needs_two_cameras():
    words = "at least two cameras, found only camera 6; .* gan.target_domains=one, or "
    with pytest.raises(InputError, match=words):
        DomainMap.from_samples(samples((1, 6), (2, 6)))
    with pytest.raises(
        InputError, match="at least two cameras, found no image; .*inspect\\)$"
    ):
        DomainMap.from_samples([])
    with pytest.raises(InputError, match="9_-1.jpg has no camera number"):
        DomainMap.from_samples(samples((1, 6), (9, NO_CAMERA)))


def test_the_whole_target_is_one_domain(tmp_path):
    domains = DomainMap((WHOLE_TARGET,))
    assert (domains.index(0), domains.source_domain, domains.num_domains) == (0, 1, 2)
    domains.save(tmp_path / "domains.json")
    assert DomainMap.load(tmp_path / "domains.json") == domains
    # Any other camera alone is none.
    with pytest.raises(InputError, match="1 cameras; expected at least 2"):
        DomainMap((1,))
    # Nor is a camera 0 that is read from names.
    with pytest.raises(InputError, match="at least two cameras, found only camera 0"):
        DomainMap.from_samples(samples((1, 0), (2, 0)))


def test_cameras_as_classes():
    """Whoever is in the image; a distractor is an image of its camera too."""
    given = [
        Sample("a.jpg", 5, 3),
        Sample("b.jpg", JUNK, 8),
        Sample("c.jpg", 0, 3, distractor=True, needs_conversion=True),
    ]
    classes = camera_classes(given)
    assert classes == (
        Sample("a.jpg", 3, 3), Sample("b.jpg", 8, 8),
        Sample("c.jpg", 3, 3, needs_conversion=True),
    )  # fmt: skip
    assert LabelMap.from_samples(classes).class_ids == (3, 8)
    with pytest.raises(InputError, match="d.jpg has no camera number; .* group named"):
        camera_classes([*given, Sample("d.jpg", 5, NO_CAMERA)])


def test_samples_whose_identities_are_forgotten():
    given = [
        Sample("a.jpg", 7, 3, distractor=True, needs_conversion=True),
        Sample("b.jpg", JUNK, 1),
    ]
    assert without_identities(given) == (
        Sample("a.jpg", UNLABELLED, 3, needs_conversion=True),
        Sample("b.jpg", UNLABELLED, 1),
    )  # fmt: skip


def test_maps_come_back_from_their_files(tmp_path):
    labels, domains = LabelMap((0, 5, 9)), DomainMap((1, 4))
    labels.save(tmp_path / "labels.json")
    domains.save(tmp_path / "domains.json")
    assert LabelMap.load(tmp_path / "labels.json") == labels
    assert DomainMap.load(str(tmp_path / "domains.json")) == domains
    assert sorted(p.name for p in tmp_path.iterdir()) == ["domains.json", "labels.json"]


def test_labels_of_several_datasets_come_back(tmp_path):
    """Which person of which dataset a number stands for; the last is held out."""
    labels = LabelMap((0, 2, 3), datasets=((4, 9), (1, 4, 7)))
    labels.save(tmp_path / "labels.json")
    assert LabelMap.load(tmp_path / "labels.json") == labels
    content = {"person_ids": [0, 2, 3], "datasets": [[4, 9], [1, 4, 7]]}
    assert json.loads((tmp_path / "labels.json").read_text()) == content


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (3, "datasets is no list of two or more"),
        ([[1, 2, 3]], "datasets is no list of two or more"),
        ([[1, 2], 3], "3 in datasets; expected lists"),
        ([[1, 2], []], "0 datasets; expected at least 1"),
        ([[1, 2], [5, 4]], "4 after 5 in datasets"),
        ([[1], [1]], "person 2 of 2 in all datasets"),
    ],
)
def test_damaged_labels_of_several_datasets(tmp_path, datasets, message):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"person_ids": [0, 2], "datasets": datasets}))
    with pytest.raises(InputError, match=f"labels.json is damaged .*: {message}"):
        LabelMap.load(path)


def test_a_failed_save_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "labels.json"
    LabelMap((1,)).save(path)

    def full_disk(source, target):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        LabelMap((2,)).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["labels.json"]
    assert LabelMap.load(path) == LabelMap((1,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[1, 2]", "no list 'cameras'"),
        (json.dumps({"person_ids": [1, 2]}), "no list 'cameras'"),
        (json.dumps({"cameras": 3}), "no list 'cameras'"),
        (json.dumps({"cameras": [3]}), "1 cameras; expected at least 2"),
        (json.dumps({"cameras": [3, 3]}), "3 after 3"),
        (json.dumps({"cameras": [4, 3]}), "3 after 4"),
        (json.dumps({"cameras": [-1, 3]}), "-1 after"),
        (json.dumps({"cameras": [1, "2"]}), "'2' after 1"),
        (json.dumps({"cameras": [1, 2.0]}), "2.0 after 1"),
        (json.dumps({"cameras": [0, True]}), "True after 0"),
        (json.dumps({"cameras": [False]}), "False after -1"),
        ("\xff\xfe", "damaged"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, text, message):
    path = tmp_path / "domains.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=f"domains.json.*{message}"):
        DomainMap.load(path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match="labels.json not found"):
        LabelMap.load(tmp_path / "labels.json")
