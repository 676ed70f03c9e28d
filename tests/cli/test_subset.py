"""tfipgan subset."""

import shutil

import pytest


def test_two_cameras_are_kept(tfipgan, tiny_world, tmp_path):
    out = tmp_path / "some"
    result = tfipgan("subset", tiny_world / "source", "--cameras", "1,3", "--out", out)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        str(out / split) for split in ("train", "query", "gallery")
    ]
    names = [path.name for path in out.rglob("*.jpg")]
    assert {name.split("_c")[1][0] for name in names} == {"1", "3"}
    again = tfipgan("subset", tiny_world / "source", "--cameras", "1", "--out", out)
    assert again.exit_code == 1 and "exists and is not empty" in again.stderr


@pytest.mark.parametrize("cameras", ["", "1,", "one", "-1"])
def test_cameras_that_are_no_numbers(tfipgan, tiny_world, tmp_path, cameras):
    words = "subset", tiny_world / "source", "--out", tmp_path / "x"
    result = tfipgan(*words, f"--cameras={cameras}")
    assert result.exit_code == 2
    assert "expected numbers such as 1,2,4" in result.stderr


def test_no_place_among_the_images(tfipgan, tiny_world):
    source = tiny_world / "source"
    out = source / "query" / "some"
    result = tfipgan("subset", source, "--cameras", "1", "--out", out)
    assert result.exit_code == 1 and "images are read from" in result.stderr


def test_a_stray_name_is_an_error_or_left_out(tfipgan, tiny_world, tmp_path, caplog):
    dataset = shutil.copytree(tiny_world / "source", tmp_path / "dataset")
    stray = dataset / "query" / "logo.jpg"
    shutil.copy(next((dataset / "query").glob("*.jpg")), stray)
    words = "subset", dataset, "--cameras", "1", "--out", tmp_path / "some"
    result = tfipgan(*words)
    assert result.exit_code == 1 and f"{stray}: 1 of" in result.stderr
    assert not (tmp_path / "some").exists()
    result = tfipgan(*words, "--skip-unreadable")
    assert result.exit_code == 0 and f"left out {stray}" in caplog.text
    copies = list((tmp_path / "some").rglob("*.jpg"))
    assert copies and all("_c1" in path.name for path in copies)
