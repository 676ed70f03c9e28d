"""What is said of numbers that a pattern cuts, and of images that are passed over."""

import re

import pytest

from tfipgan.data.doubts import misread_numbers, passed_over
from tfipgan.data.filenames import EXAMPLE_GROUPS, EXAMPLE_PATTERN, compile_pattern
from tfipgan.data.image_files import ImageFiles

OLD_ADVICE = r"(?P<person>[0-9]+)_c(?P<camera>[0-9]+)"
CUT, SIGN = "cuts numbers", "takes a hyphen"


def doubts(pattern, *names):
    return misread_numbers(names, compile_pattern(pattern))


@pytest.mark.parametrize(
    ("pattern", "name", "group", "how", "read"),
    [
        # The sign of junk, wherever it can be one.
        (OLD_ADVICE, "-1_c1s1_000401_00.jpg", "person", CUT, "1"),
        (OLD_ADVICE, "cam1/-1_c1s1.jpg", "person", CUT, "1"),
        (OLD_ADVICE, "x_-1_c1.jpg", "person", CUT, "1"),
        (OLD_ADVICE, "-1_c1_to_c4.jpg", "person", CUT, "1"),
        (r".*?(?P<person>\d+)_c", "-1_c1.jpg", "person", CUT, "1"),
        (EXAMPLE_PATTERN, "-12_c1.jpg", "person", CUT, "12"),
        # Digits before and behind.
        (r"c(?P<camera>\d)", "0001_c12.jpg", "camera", CUT, "1"),
        (r"c(?P<camera>\d)", "0001_c12_to_c3.jpg", "camera", CUT, "1"),
        (r"(?P<person>\d{3})", "1234_c1.jpg", "person", CUT, "123"),
        (r"(?P<person>\d{3})_", "1234_c1.jpg", "person", CUT, "234"),
        (r".*(?P<camera>\d)\.", "c12.jpg", "camera", CUT, "2"),
        (r"c(?:(?P<camera>\d))+", "c12.jpg", "camera", CUT, "2"),
        (r"(?P<person>-1|\d{1,2})", "-12.jpg", "person", CUT, "-1"),
        (r"^cam(?P<camera>\d)", "cam12/0001.jpg", "camera", CUT, "1"),
        # A hyphen that is no sign.
        (EXAMPLE_PATTERN, "id-1_c2.jpg", "person", SIGN, "-1"),
        (EXAMPLE_PATTERN, "5-1_c2.jpg", "person", SIGN, "-1"),
    ],
)
def test_a_number_that_goes_on_beside_its_group(pattern, name, group, how, read):
    lines = doubts(pattern, name, "no number.jpg")
    (line,) = lines
    assert line.startswith(f"the pattern's group {group} {how}")
    assert f"(1 of 2): {name} (as {read}); " in line
    assert line.endswith(EXAMPLE_GROUPS[group])


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (EXAMPLE_PATTERN, "-1_c1s1_000401_00.jpg"),
        (EXAMPLE_PATTERN, "a/-1_c12.jpg"),
        (EXAMPLE_PATTERN, "0002_c1s1_000451_03_to_c4.jpg"),
        (OLD_ADVICE, "id-12_c3.jpg"),
        (OLD_ADVICE, "2024-06-12_c3.jpg"),
        (r"cam-(?P<camera>\d+)", "person-12/cam-3.jpg"),
        (r"person-(?P<person>\d+)", "person-12/cam-3.jpg"),
        (r"p(?P<person>\d+)", "p007.jpg"),
        (r"id(?P<person>-?\d+)", "cam1/id-1.png"),
        # Digits that the pattern divides on purpose.
        (r"^(?P<person>\d{4})(?P<camera>\d{2})", "000112.jpg"),
        (r"^(?P<person>\d{4})(\d{3})\.", "0001001.png"),
        (r"_(-)(?P<person>\d+)", "x_-5.jpg"),
    ],
)
def test_a_whole_number_is_not_doubted(pattern, name):
    assert doubts(pattern, name) == []


def test_what_holds_more_than_the_digits_beside_divides_nothing():
    assert len(doubts(r"((?P<person>\d{3})\d)_", "1234_c1.jpg")) == 1
    assert len(doubts(r"(.*)(?P<camera>\d)\.", "c12.jpg")) == 1


def test_each_group_has_its_line_with_a_count_and_a_few_names():
    names = [f"-{n}_c1\n{n}.jpg" for n in range(1200)] + ["1_c1_.jpg"]
    (person,) = doubts(OLD_ADVICE, *names)
    assert "(1,200 of 1,201): '-0_c1" in person and "(as 2), ...; " in person
    assert person.isprintable()
    camera, person = doubts(r"(?P<person>\d+)_c(?P<camera>\d)", "-1_c12.jpg")
    assert "group camera" in camera and "group person" in person
    assert re.search(r"like \(\?P<camera>\[0-9\]\+\)$", camera)


def test_images_that_are_passed_over():
    assert passed_over(ImageFiles(names=["a.jpg"])) == []
    found = ImageFiles(unread=["a.svg", "b.HEIC", "bare", "c.heic", "dot.", "e\n.heic"])
    (line,) = passed_over(found)
    assert "kind that is read (3 .heic, 2 without an ending, 1 .svg): a.svg" in line
    assert "b.HEIC, bare, ...; convert" in line and line.isprintable()
    (line,) = passed_over(ImageFiles(below=["in/a.jpg", "in/b\n.jpg"]))
    assert "where none is read (2): in/a.jpg, 'in/b\\n.jpg'; move" in line
