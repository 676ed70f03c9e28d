"""The manifest of a translated folder, and what is found to differ from it."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from tfipgan.data.datasets import read_images
from tfipgan.errors import InputError
from tfipgan.translation.manifest import (
    NAME,
    TranslatedImage,
    file_digest,
    format_line,
    parse_line,
    read_manifest,
    write_manifest,
)
from tfipgan.translation.manifest_check import check_translated, readable_as_listed

SHA = "0123456789abcdef" * 4


def line_of(image="a_to_c4.jpg", source="a.jpg", **other):
    fields = {"source_sha256": SHA, "camera": 4, "sha256": SHA} | other
    return TranslatedImage(image=image, source=source, **fields)


@pytest.fixture
def folder(tmp_path):
    """Three images of two sources, one of them in a folder below, and the manifest."""
    out = tmp_path / "out"
    (out / "below").mkdir(parents=True)
    (tmp_path / "source" / "below").mkdir(parents=True)
    lines = []
    for source, cameras in (("a.png", (1, 2)), ("below/b.jpg", (2,))):
        (tmp_path / "source" / source).write_text(source)
        for camera in cameras:
            image = f"{os.path.splitext(source)[0]}_to_c{camera}.jpg"
            (out / image).write_text(image)
            digests = [hashlib.sha256(t.encode()).hexdigest() for t in (source, image)]
            about = source, digests[0], camera, digests[1], len(image)
            lines.append(TranslatedImage(image, *about))
    (tmp_path / "lines").write_text("".join(map(format_line, lines)))
    header = {"model": {}, "images": 3}
    left_out = {"torn.jpg": "empty"}
    write_manifest(out / NAME, header, left_out, [tmp_path / "lines"])
    return out


def sources_of(folder):
    root = folder.parent / "source"
    return {name: str(root / name) for name in ("a.png", "below/b.jpg")}


def test_a_line_and_back():
    for name in (
        "a b.jpg",
        "x\ny.jpg",
        "\u540d\u2028\U0001f600.jpg",
        "\udcff\udc80.jpg",
    ):
        image = line_of(f"{name}_to_c4.jpg", name)
        line = format_line(image)
        assert line.isascii() and line.count("\n") == 1 and line.endswith("\n")
        assert parse_line(line.encode()) == image


def test_a_line_without_a_size():
    """As version 1 has it."""
    assert '"size"' not in format_line(line_of())
    image = line_of(size=0)
    assert format_line(image).endswith(', "size": 0}\n')
    assert parse_line(format_line(image).encode()) == image


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0" * 60,
        b"[1]\n",
        b'{"image": "a"}\n',
        b"[" * 100_000,
        format_line(line_of())[:-9].encode(),
        format_line(line_of())[:-1].encode(),
        *(
            format_line(line_of(**{field: value})).encode()
            for field, value in (
                ("image", "/etc/passwd"),
                ("image", "../a.jpg"),
                ("image", "a/../../b.jpg"),
                ("image", "."),
                ("image", "a\0.jpg"),
                ("image", "\ud800.jpg"),
                ("image", 3),
                ("source", "../a.jpg"),
                ("camera", "4"),
                ("camera", True),
                ("sha256", SHA[1:]),
                ("sha256", None),
                ("source_sha256", SHA.upper()),
                ("size", -1),
                ("size", "9"),
                ("size", True),
            )
        ),
    ],
)
def test_what_is_no_line(line):
    with pytest.raises(InputError, match="is damaged; expected an image") as raised:
        parse_line(line)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


def test_a_manifest_and_back(folder):
    manifest = read_manifest(folder)
    header = {"manifest": 2, "model": {}, "images": 3, "left_out": 1}
    assert manifest.header == header
    assert manifest.left_out == {"torn.jpg": "empty"}
    images = ["a_to_c1.jpg", "a_to_c2.jpg", "below/b_to_c2.jpg"]
    assert [line.image for line in manifest.images()] == images


def rewritten(folder, change):
    """Change the manifest's lines, a list of JSON objects or texts."""
    path = folder / NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [x if isinstance(x, str) else json.dumps(x) for x in change(lines)]
    path.write_text("".join(f"{text}\n" for text in texts))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda n: [], "its first lines are no header"),
        (lambda n: ["\x89PNG"], "its first lines are no header"),
        (lambda n: ["[1, 2]"], "its first lines are no header"),
        (lambda n: [{}], "its first lines are no header"),
        (lambda n: [{**n[0], "model": 3}, *n[1:]], "its first lines are no header"),
        (lambda n: [{**n[0], "images": "3"}, *n[1:]], "its first lines are no header"),
        (lambda n: [{**n[0], "left_out": -1}, *n[1:]], "its first lines are no header"),
        (lambda n: [{**n[0], "left_out": 9}, *n[1:]], "its first lines are no header"),
        (lambda n: [{**n[0], "manifest": 3}, *n[1:]], "version 3, expected 1 or 2: "),
        (lambda n: n[:-1], "has 2 images and its header says 3"),
        (lambda n: [*n[:-1], n[-2]], "has a_to_c2.jpg twice"),
        (lambda n: [*n[:3], "{"], r"manifest.jsonl, line 4: b'{\\n' is damaged"),
    ],
)
def test_a_damaged_manifest(folder, change, told):
    rewritten(folder, change)
    with pytest.raises(InputError, match=told) as raised:
        check_translated(read_manifest(folder))
    assert str(folder / NAME) in str(raised.value)


def test_a_folder_without_one(folder):
    (folder / NAME).unlink()
    with pytest.raises(InputError, match=f"has no {NAME}; expected a folder that"):
        read_manifest(folder)


def test_all_as_it_says(folder, capsys):
    # Neither hidden files nor others than images are read with a dataset.
    (folder / "dataset.yaml").touch()
    (folder / ".hidden.jpg").touch()
    manifest = read_manifest(folder)
    assert check_translated(manifest) == []
    assert capsys.readouterr() == ("", "")
    assert check_translated(manifest, sources_of(folder), progress=True) == []
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err


def test_what_differs(folder):
    sources = sources_of(folder)
    (folder / "a_to_c1.jpg").write_text("a_to_c1.jpG")
    (folder / "below" / "b_to_c2.jpg").unlink()
    (folder / "a_to_c2.jpg").unlink()
    (folder / "a_to_c2.jpg").mkdir()
    (folder / "below" / "new\n.PNG").touch()
    os.truncate(sources["a.png"], 2)
    manifest = read_manifest(folder)
    assert check_translated(manifest, sources | {"c.jpg": "", "torn.jpg": ""}) == [
        "images changed (1): a_to_c1.jpg",
        "source images changed (1): a.png",
        "images unreadable: Is a directory (1): a_to_c2.jpg",
        "images missing (1): below/b_to_c2.jpg",
        r"images that the manifest lacks (1): 'below/new\n.PNG'",
        "source images that are not translated (1): c.jpg",
    ]
    del sources["a.png"]
    found = check_translated(manifest, sources)
    assert "source images missing (1): a.png" in found


def test_what_differs_at_a_look(folder):
    """Names and sizes; another text of the same length is the checksums' to find."""
    manifest = read_manifest(folder)
    assert check_translated(manifest, contents=False) == []
    (folder / "a_to_c1.jpg").write_text("a_to_c1.jpG")
    assert check_translated(manifest, contents=False) == []
    (folder / "a_to_c1.jpg").write_text("shorter")
    (folder / "a_to_c2.jpg").unlink()
    (folder / "a_to_c2.jpg").mkdir()
    (folder / "below" / "b_to_c2.jpg").unlink()
    (folder / "new.jpg").touch()
    assert check_translated(manifest, contents=False) == [
        "images changed (2): a_to_c1.jpg, a_to_c2.jpg",
        "images missing (1): below/b_to_c2.jpg",
        "images that the manifest lacks (1): new.jpg",
    ]


def test_a_file_that_nobody_may_look_at(folder):
    (folder / "a_to_c1.jpg").unlink()
    (folder / "a_to_c1.jpg").symlink_to("a_to_c1.jpg")
    (line,) = check_translated(read_manifest(folder), contents=False)
    assert line.startswith("images unreadable: Too many levels") and "a_to_c1" in line


def without_sizes(lines):
    """Change a manifest to version 1."""
    lines[0]["manifest"] = 1
    return [{k: v for k, v in line.items() if k != "size"} for line in lines]


def test_version_1_has_names_only(folder):
    rewritten(folder, without_sizes)
    (folder / "a_to_c1.jpg").write_text("shorter")
    (folder / "a_to_c2.jpg").unlink()
    manifest = read_manifest(folder)
    missing = "images missing (1): a_to_c2.jpg"
    assert check_translated(manifest, contents=False) == [missing]
    changed = "images changed (1): a_to_c1.jpg"
    assert check_translated(manifest) == [changed, missing]


# ------------------------------------------------------- what a command makes of it


@pytest.fixture
def images(tmp_path):
    """Function of a folder's name: real images in it with a manifest, its samples."""

    def make(name):
        folder, lines = tmp_path / name, []
        for camera in (1, 2, 3):
            image = f"0001_c1s1_000000_00_to_c{camera}.png"
            path = folder / "below" / image
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8), (camera, 0, 0)).save(path)
            digest, size = file_digest(path), path.stat().st_size
            lines.append(line_of(f"below/{image}", sha256=digest, size=size))
        (tmp_path / "lines").write_text("".join(map(format_line, lines)))
        header = {"model": {}, "images": 3}
        write_manifest(folder / NAME, header, {}, [tmp_path / "lines"])
        return folder

    return make


def look(folder, **options):
    return readable_as_listed(folder, read_images(folder), **options)


def told(folder, **options):
    with pytest.raises(InputError) as raised:
        look(folder, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_folder_as_listed(images, capsys):
    folder = images("out")
    for options in ({}, {"skip": True}, {"contents": True}):
        samples, left_out = look(folder, **options)
        assert samples == list(read_images(folder)) and left_out == {}
    assert capsys.readouterr().err == ""
    look(folder, contents=True, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_a_folder_that_is_not(images):
    folder = images("out")
    first, second, third = sorted((folder / "below").iterdir())
    third.unlink()
    remedy = f"; translate again, or remove {NAME} to use the folder as it is"
    missing = f"images missing (1): below/{third.name}"
    assert told(folder) == f"{folder} is not as its {NAME} says: {missing}{remedy}"
    assert missing in told(folder, skip=True)
    (folder / "below" / "0001_c1s1_000000_00_to_c9.png").write_bytes(first.read_bytes())
    assert f"{missing}; images that the manifest lacks (1): below/" in told(folder)
    # One by another of the same size: what --verify-contents is for.
    folder = images("same")
    first, second, _ = sorted((folder / "below").iterdir())
    assert first.stat().st_size == second.stat().st_size
    first.write_bytes(second.read_bytes())
    look(folder)
    assert f"images changed (1): below/{first.name}" in told(folder, contents=True)
    # The user's own, or a server's.
    (folder / NAME).unlink()
    assert len(look(folder, contents=True)[0]) == 3


def test_what_is_skipped_may_differ(images):
    """It is told of as left out, and can't be trained on."""
    folder = images("out")
    first, second, _ = sorted((folder / "below").iterdir())
    first.write_bytes(first.read_bytes()[:20])
    assert f"images changed (1): below/{first.name}" in told(folder)
    torn = folder / "below" / "0001_c1s1_000000_00_to_c9.png"
    torn.touch()
    samples, left_out = look(folder, skip=True)
    assert len(samples) == 2 and [*left_out] == [str(first), str(torn)]
    second.write_bytes(second.read_bytes() + b"\0")
    line = told(folder, skip=True)
    assert f"images changed (1): below/{second.name};" in line


def test_folders_below(images):
    """Several translations together, each with its manifest, and others without."""
    folder = images("all/one").parent
    images("all/two")
    (folder / "own").mkdir()
    Image.new("RGB", (4, 8)).save(folder / "own" / "0001_c1s1_000000_00_to_c1.png")
    assert len(look(folder)[0]) == 7
    os.unlink(next((folder / "two" / "below").iterdir()))
    assert told(folder).startswith(f"{folder / 'two'} is not as its {NAME} says: ")
    # A manifest of a folder that none of the samples is from.
    samples = [s for s in read_images(folder) if "two" not in s.path]
    assert len(readable_as_listed(folder, samples)[0]) == 4


def test_an_unfinished_translation(images):
    folder = images("out.part/images")
    (folder.parent / "part.json").write_text('{"about": {"weights": "1"}}')
    (folder / NAME).unlink()
    for given in (folder, folder.parent, folder.parent.parent):
        line = told(given)
        assert line.startswith(f"{folder.parent} is what an unfinished `tfipgan tran")
    # A file of that name is no part.
    (folder.parent / "part.json").write_text("[]")
    assert len(look(folder)[0]) == 3


def test_the_first_few_of_many(folder):
    for number in range(7):
        (folder / f"{number}.jpg").touch()
    assert check_translated(read_manifest(folder)) == [
        "images that the manifest lacks (7): 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, ..."
    ]


def test_it_takes_no_tensorflow():
    command = (
        "import sys, tfipgan.translation.manifest_check; "
        "print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # The first of the examples in FIPS 180.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "file") == known
