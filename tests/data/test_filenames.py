import re

import pytest

from tfipgan.data.filenames import (
    EXAMPLE_PATTERN,
    JUNK,
    NO_CAMERA,
    UNLABELLED,
    Sample,
    compile_pattern,
    expected_names,
    known_names,
    matching_format,
    parse_sample,
    translated_name,
)
from tfipgan.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("name", "format", "person", "camera", "distractor"),
    [
        ("0002_c1s1_000451_03.jpg", "market1501", 2, 1, False),
        ("-1_c6s4_000401_00.jpg", "market1501", JUNK, 6, False),
        ("0000_c3s1_000151_01.JPG", "market1501", 0, 3, True),
        ("0001_c2_f0046182.jpg", "dukemtmc", 1, 2, False),
        ("0000_c8_f0046182.jpg", "dukemtmc", 0, 8, True),
        ("0000_000_01_0303morning_0015_0.jpg", "msmt17", 0, 1, False),
        ("0012_031_14_0302afternoon_0015_0_ex.jpg", "msmt17", 12, 14, False),
        ("0001_c2_10.png", "cuhk03-np", 1, 2, False),
        ("0000_c2_10.png", "cuhk03-np", 0, 2, False),
    ],
)
def test_a_known_name_gives_person_and_camera(name, format, person, camera, distractor):
    expected = Sample("at/" + name, person, camera, None, distractor)
    assert parse_sample("at/" + name, name, format) == expected
    assert matching_format("some/folder/" + name) == format


@pytest.mark.parametrize("name", ["0002_c1s1_000451_03", "0001_c2_f0046182", "7_c2_1"])
def test_a_translated_name_has_the_new_camera_and_keeps_the_old(name):
    format = matching_format(name + ".jpg")
    before = parse_sample("p", name + ".jpg", format)
    after = parse_sample("p", translated_name(name + ".png", 14), format)
    assert (after.person_id, after.camera_id) == (before.person_id, 14)
    assert after.source_camera_id == before.camera_id
    assert before.source_camera_id is None


def test_translated_name_keeps_folders_and_takes_an_ending():
    assert translated_name("a.b/c.jpeg", 4) == "a.b/c_to_c4.jpg"
    assert translated_name("c.jpg", 4, ".png") == "c_to_c4.png"


@pytest.mark.parametrize(
    "name",
    [
        "portrait.jpg",
        "0002_c1s1_000451.jpg",
        "x0002_c1s1_000451_03.jpg",
        "-2_c1s1_000451_03.jpg",
        "0002_c1s1_000451_03_to_c.jpg",
        "0002_c1s1_000451_03_to_c1_to_c2.jpg",
        "9999999999_c1s1_000451_03.jpg",
        "-1_c1_3.png",
    ],
)
def test_other_names_match_nothing(name):
    assert matching_format(name) is None
    assert parse_sample(name, name, "market1501") is None


def test_a_pattern_is_searched_for_in_the_whole_path():
    pattern = compile_pattern(r"cam(?P<camera>\d+)/.*id(?P<person>-?\d+)")
    sample = parse_sample("p", "east/cam07/walk_id42.png", "pattern", pattern)
    assert sample == Sample("p", 42, 7)
    assert parse_sample("p", "cam1/id-1.png", "pattern", pattern).person_id == JUNK
    assert parse_sample("p", "east/cam7/42.png", "pattern", pattern) is None
    # Person 0 of one's own dataset is a person.
    assert not parse_sample("p", "cam1/id0.png", "pattern", pattern).distractor


def test_a_pattern_may_leave_person_or_camera_out():
    camera = compile_pattern(r"cam(?P<camera>\d+)")
    assert parse_sample("p", "cam3_x.jpg", "pattern", camera) == Sample(
        "p", UNLABELLED, 3
    )
    person = compile_pattern(r"^(?P<person>\d+)_")
    assert parse_sample("p", "5_x.jpg", "pattern", person) == Sample("p", 5, NO_CAMERA)
    assert parse_sample("p", "5_x_to_c2.jpg", "pattern", person) == Sample(
        "p", 5, 2, NO_CAMERA
    )


def test_a_pattern_that_names_the_ending_finds_the_translated_jpeg_of_a_png():
    pattern = compile_pattern(r"^(?P<person>\d+)_(?P<camera>\d+)\.PNG$")
    assert parse_sample("p", "5_1.PNG", "pattern", pattern) == Sample("p", 5, 1)
    assert parse_sample("p", "5_1_to_c3.jpg", "pattern", pattern) == Sample(
        "p", 5, 3, 1
    )
    assert parse_sample("p", "5_1.jpg", "pattern", pattern) is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<person>", "is not a regular expression"),
        (r"(\d+)_(\d+)", "no group named person or camera"),
        (r"(?P<id>\d+)", "no group named person or camera"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_a_config_error(pattern, message):
    with pytest.raises(ConfigError, match=message):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        (r"(?P<person>\w+?)_", "anna_1.jpg", "group person holds 'anna'"),
        (r"(?P<camera>c\d)", "x_c1.jpg", "group camera holds 'c1'"),
        (r"(?P<camera>-?\d)", "x_-1.jpg", "group camera holds '-1'"),
        (r"x(?P<person>\d+)?", "x.jpg", "group person holds None"),
        (r"x(?P<camera>\d*)", "x.jpg", "group camera holds ''"),
        (r"(?P<person>.+)\.", "1" * 19 + ".jpg", "1 to 18 digits"),
        (r"(?P<person>.+)\.", "-2.jpg", "group person holds '-2'"),
        (r"(?P<person>.+)\.", "\u0664.jpg", "group person holds"),
    ],
)
def test_a_group_without_a_number_is_an_error(pattern, name, found):
    with pytest.raises(InputError, match=re.escape(found)):
        parse_sample(name, name, "pattern", compile_pattern(pattern))


def test_the_format_pattern_needs_its_pattern():
    with pytest.raises(ConfigError, match="needs a pattern"):
        parse_sample("p", "x.jpg", "pattern")


def test_the_advice_reads_junk_as_junk():
    advised = compile_pattern(EXAMPLE_PATTERN)
    for name, person, camera in [
        ("-1_c1s1_000401_00.jpg", JUNK, 1),
        ("a/-1_c12_x.jpg", JUNK, 12),
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("c3/x-17_c4.jpg", 17, 4),
    ]:
        assert parse_sample("p", name, "pattern", advised) == Sample(
            "p", person, camera
        )
    with pytest.raises(ConfigError, match=re.escape(EXAMPLE_PATTERN)):
        compile_pattern("x")
    for group in ("person", "camera"):
        with pytest.raises(InputError) as error:
            wrong = compile_pattern(rf"(?P<{group}>[a-z]+)")
            parse_sample("p", "anna.jpg", "pattern", wrong)
        advice = str(error.value).rpartition("like ")[2]
        assert advice in EXAMPLE_PATTERN and f"<{group}>" in advice


@pytest.mark.parametrize(
    ("format", "name", "junk"),
    [
        ("market1501", "{}_c{}s1_000451_03", JUNK),
        ("dukemtmc", "{}_c{}_f0046182", JUNK),
        ("msmt17", "{}_000_{}_0303morning_0015_0", None),
        ("cuhk03-np", "{}_c{}_1", None),
    ],
)
def test_a_known_format_reads_whole_numbers_or_none(format, name, junk):
    for ending in (".jpg", "_to_c9.jpg"):
        for person in ("7", "0007", "12345"):
            for camera in ("1", "12", "123"):
                text = name.format(person, camera) + ending
                found = parse_sample("p", text, format)
                seen_by = found.source_camera_id or found.camera_id
                assert (found.person_id, seen_by) == (int(person), int(camera))
        for wrong in ((-7, 1), (7, -1), ("x7", 1), ("a-1", 1), ("1-1", 1), (7, "1x")):
            assert parse_sample("p", name.format(*wrong) + ending, format) is None
        found = parse_sample("p", name.format(-1, 1) + ending, format)
        assert (found and found.person_id) == junk


def test_the_words_for_messages_show_an_example():
    assert "0002_c1s1_000451_03.jpg (market1501)" in known_names()
    assert "0001_c1_1.png" in expected_names("cuhk03-np")
    assert "cam" in expected_names("pattern", compile_pattern(r"cam(?P<camera>\d)"))
