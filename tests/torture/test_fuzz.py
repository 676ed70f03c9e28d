"""Random file names, configs, lists and JSON: see tests/helpers/fuzzing.py."""

import json
import os

import pytest
from fuzzing import VALUES, fuzzer, spoilt, value_or_line, words
from hypothesis import strategies as st

from tfipgan.config import (
    Config,
    config_from_dict,
    load_config,
    load_saved_config,
    packaged_configs,
    save_config,
    to_dict,
)
from tfipgan.data.datasets import read_dataset
from tfipgan.data.filenames import (
    NAMING_FORMATS,
    Sample,
    compile_pattern,
    parse_sample,
    translated_name,
)
from tfipgan.data.labels import DomainMap, LabelMap
from tfipgan.data.layouts import find_layout


@pytest.fixture
def fuzz(torture, tally):
    return fuzzer(torture, tally)


# ------------------------------------------------------------------------- file names

PARTS = (
    "0002", "-1", "_", "_c", "c1", "s1", "_000451_03", "_f0046182", "_to_c", "_to_c4",
    "9" * 30, "٣", "a/", "../", "/", ".jpg", ".PNG", ".", "\n", "\0", "\ud800", "é",
    "0000_000_01_0303morning_0015_0", "0001_c1_1",
)  # fmt: skip
PATTERN_PARTS = (
    "(?P<person>", "(?P<camera>", "(?P<", ")", "(", "[0-9]", "[", "]", "+", "*", "{3}",
    "{99999999999}", "\\d", "\\", "|", "?", "x", "^", "$", "(?i)", "(?P=person)", "_",
)  # fmt: skip


def test_file_names(fuzz):
    def check(name, format):
        sample = value_or_line(parse_sample, "path", name, format)
        if sample is not None:
            assert -1 <= sample.person_id < 10**18 and 0 <= sample.camera_id < 10**18
            if sample.source_camera_id is None:
                translated = parse_sample("path", translated_name(name, 7), format)
                expected = (sample.person_id, 7, sample.camera_id)
                found = translated.person_id, translated.camera_id
                assert (*found, translated.source_camera_id) == expected

    names = st.one_of(words(*PARTS), st.text())
    fuzz(check, names, st.sampled_from(NAMING_FORMATS[:-1]), count=100)


def test_names_that_are_right(fuzz):
    def check(person, camera, folder, other):
        name = f"{folder}{person:04d}_c{camera}s1_000451_03.jpg"
        expected = Sample("p", person, camera, distractor=person == 0)
        assert parse_sample("p", name, "market1501") == expected
        translated = translated_name(name, other, ".png")
        sample = parse_sample("p", translated, "market1501")
        assert (sample.camera_id, sample.source_camera_id) == (other, camera)

    number, folder = st.integers(0, 999999999), st.sampled_from(["", "a_to_c1/", "é/"])
    fuzz(check, number, number, folder, number, count=30)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_patterns_of_the_user(fuzz):
    def check(pattern, name):
        compiled = value_or_line(compile_pattern, pattern)
        if compiled is not None:
            sample = value_or_line(parse_sample, "path", name, "pattern", compiled)
            assert sample is None or -2 <= sample.person_id < 10**18

    # Not longer: a pattern may take time that doubles with each character.
    names = words(*PARTS).map(lambda name: name[:16])
    fuzz(check, words(*PATTERN_PARTS), names, count=150)


# ------------------------------------------------------------------- YAML: two readers

YAML_PARTS = (
    "gan", "seed", "reid", "width", "base", "format", "pattern", "train", ": ", ":",
    "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<", "!!int ", "!!map ",
    "!!timestamp ", "!!python/name:os.system ", "!", "|", ">", "? ", "'", '"', "\\x",
    "# ", "%YAML 1", "---", "...", "\t", "\0", "\ufeff", "é", "1e400", "no",
    "0x" + "f" * 4000, "9" * 5000, ".nan", "2020-13-32", "1:2:3", "~", "../..",
    "/", "market1501", "[" * 50, "synthetic/ipgan", "mine.yaml",
)  # fmt: skip
KEYS = [
    f"{s}.{key}" for s, keys in to_dict(Config()).items() if s != "seed" for key in keys
]


def same_when_saved(config, folder):
    save_config(config, folder / "saved.yaml")
    assert load_saved_config(folder / "saved.yaml") == config


def test_config_files(fuzz, tmp_path):
    path = tmp_path / "mine.yaml"

    def check(data):
        path.write_bytes(data)
        for load in (load_config, load_saved_config):
            config = value_or_line(load, path)
            if config is not None:
                same_when_saved(config, tmp_path)

    text = words(*YAML_PARTS).map(lambda text: text.encode("utf-8", "surrogatepass"))
    save_config(Config(), path)
    whole = path.read_bytes()
    fuzz(check, st.one_of(text, st.binary(), spoilt(whole)), count=60)


def test_config_values(fuzz, tmp_path):
    def check(key, value):
        values = to_dict(Config())
        section, _, name = key.partition(".")
        values[section][name] = value
        config = value_or_line(config_from_dict, values)
        if config is not None:
            same_when_saved(config, tmp_path)
            assert config_from_dict(to_dict(config)) == config

    fuzz(check, st.sampled_from(KEYS), VALUES, count=150)


def test_overrides(fuzz, tmp_path):
    def check(key, equals, text):
        config = value_or_line(load_config, "synthetic/ipgan", [f"{key}{equals}{text}"])
        if config is not None:
            same_when_saved(config, tmp_path)

    keys = st.one_of(st.sampled_from([*KEYS, "seed", "gan"]), words(*YAML_PARTS))
    values = st.one_of(words(*YAML_PARTS), VALUES.map(repr), st.text())
    fuzz(check, keys, st.sampled_from(["=", "=", ""]), values, count=40)


def test_config_names(fuzz):
    def check(name):
        value_or_line(load_config, name)

    known = st.sampled_from(packaged_configs())
    fuzz(check, st.one_of(known, words(*PARTS), st.text()), count=30)


def test_dataset_yaml(fuzz, tmp_path):
    root = tmp_path / "data"
    (root / "a").mkdir(parents=True)
    (root / "a" / "0001_c1_1.png").touch()
    (tmp_path / "outside").mkdir()

    def check(data):
        (root / "dataset.yaml").write_bytes(data)
        layout = value_or_line(lambda: find_layout(root, flat=True))
        if layout is not None:
            for folder in layout.folders.values():
                assert os.path.realpath(folder).startswith(str(root))

    folders = ("train: ", "query: ", "a", "../outside", ".", "/", "..", "format: ")
    text = words(*YAML_PARTS, *folders, *folders, "\n", "\n", "(?P<camera>1)")
    text = text.map(lambda text: text.encode("utf-8", "surrogatepass"))
    fuzz(check, st.one_of(text, st.binary()), count=50)


def test_lists_of_msmt17(fuzz, tmp_path):
    root, name = tmp_path / "data", "0000_000_01_0303morning_0015_0.jpg"
    for folder in (root / "train" / "0000", tmp_path / "outside"):
        folder.mkdir(parents=True)
        (folder / name).touch()
    (root / "list_val.txt").touch()

    def check(data):
        (root / "list_train.txt").write_bytes(data)
        dataset = value_or_line(lambda: read_dataset(root, splits=("train",)))
        for sample in dataset.train if dataset is not None else ():
            assert os.path.realpath(sample.path).startswith(str(root)), data

    parts = (
        "0000/", name, "../", "../../outside/", f"{tmp_path}/outside/", " 0", " 1",
        "\n", f"0000/{name} 0\n", f"../../outside/{name} 0\n", " ", "\0",
        " " + "9" * 5000, " ٠", "\r", ".",
        # As Windows writes them: a byte order mark, its line ends, its slashes.
        "\ufeff", f"0000\\{name} 0\r\n", "..\\..\\outside\\",
        f"..\\..\\outside\\{name} 0\r\n",
    )  # fmt: skip
    text = words(*parts).map(str.encode)
    fuzz(check, st.one_of(text, st.binary(max_size=40)), count=120)


def test_stray_names(fuzz, tmp_path):
    """Files of other names among a dataset's: it stops, or lists what it left out."""
    root, count = tmp_path / "bounding_box_train", iter(range(10**6))
    right = [f"{k:04d}_c1s1_000451_03.jpg" for k in range(1, 6)]

    def check(strays):
        folder = root / str(next(count)) / "train"
        folder.mkdir(parents=True)
        strays = {f"{name}.jpg" for name in strays}
        for name in (*right, *strays):
            (folder / name).touch()
        wrong = {n for n in strays if parse_sample("p", n, "market1501") is None}
        plain = value_or_line(lambda: read_dataset(folder.parent, splits=("train",)))
        assert (plain is None) == bool(wrong)
        misnamed = {}
        found = read_dataset(folder.parent, splits=("train",), misnamed=misnamed)
        read = {os.path.basename(sample.path) for sample in found.train}
        assert read == {*right, *strays} - wrong
        assert {os.path.basename(path) for path in misnamed} == wrong

    parts = ("0001_c1s1_000451_03", " (1)", "Kopie", "é", "0009_c2s1_1_1", "x", "~")
    fuzz(check, st.lists(words(*parts).filter(bool), max_size=2), count=20)


# ------------------------------------------------------------------------------- JSON


def test_labels_and_domains(fuzz, tmp_path):
    path = tmp_path / "file.json"

    def check(data):
        path.write_bytes(data)
        for kind in (LabelMap, DomainMap):
            found = value_or_line(kind.load, path)
            if found is not None:
                numbers = getattr(found, "class_ids", None) or found.cameras
                assert all(0 <= number < 10**18 for number in numbers)
                found.save(path)
                assert kind.load(path) == found

    known = st.sampled_from([[1, 10**18 - 1], [1, 10**18], [1, True], [0, 1.0]])
    rising = st.lists(st.integers(-2, 9), max_size=5, unique=True).map(sorted)
    numbers = st.one_of(known, rising, st.lists(VALUES, max_size=3))
    content = st.fixed_dictionaries({"person_ids": numbers, "cameras": numbers})
    text = st.one_of(content, VALUES).map(lambda value: json.dumps(value).encode())
    deep = st.integers(0, 3000).map(lambda depth: b"[" * depth)
    whole = spoilt(b'{"person_ids": [1, 2, 3], "cameras": [1, 2]}')
    fuzz(check, st.one_of(text, whole, st.binary(), deep), count=120)


def test_runs(fuzz, tmp_path):
    from tfipgan.runs.run import open_run

    files = {
        "run.json": b'{"kind": "gan", "tfipgan": "0.1.0", "imported": "a.pth"}',
        "domains.json": b'{"cameras": [1, 2, 3]}',
    }
    save_config(Config(), tmp_path / "config.yaml")
    files["config.yaml"] = (tmp_path / "config.yaml").read_bytes()

    def check(change):
        for name, data in (files | change).items():
            (tmp_path / name).write_bytes(data)
        run = value_or_line(open_run, tmp_path, "gan")
        assert run is None or run.domains.num_domains >= 3

    changes = [
        st.fixed_dictionaries({name: spoilt(data)}) for name, data in files.items()
    ]
    values = VALUES.map(lambda value: {"run.json": json.dumps(value).encode()})
    kinds = VALUES.map(
        lambda v: {"run.json": json.dumps({"kind": "gan", "imported": v}).encode()}
    )
    deep = st.just({"run.json": b"[" * 3000})
    fuzz(check, st.one_of(*changes, values, kinds, deep), count=30)


def test_metrics(fuzz, tmp_path):
    from tfipgan.runs.metrics_log import read_metrics

    path = tmp_path / "metrics.jsonl"

    def check(data):
        path.write_bytes(data)
        for record in value_or_line(read_metrics, path) or ():
            assert isinstance(record, dict)

    whole = b'{"step": 1, "D/loss": 0.5}\n{"step": 2, "D/loss": 0.25}\n'
    lines = st.lists(VALUES.map(json.dumps), max_size=3).map("\n".join).map(str.encode)
    deep = st.just(b"[" * 3000 + b"\n{}\n")
    fuzz(check, st.one_of(spoilt(whole), lines, st.binary(), deep), count=80)


def test_manifests(fuzz, tmp_path):
    from tfipgan.translation.manifest import NAME, read_manifest

    image = {
        "image": "a/b_to_c4.jpg",
        "source": "a/b.jpg",
        "source_sha256": "0" * 64,
        "camera": 4,
        "sha256": "1" * 64,
        "size": 9,
    }
    header = {"manifest": 2, "model": {}, "images": 2, "left_out": 1}
    left_out = {"left_out": "c.jpg", "why": "empty"}

    def check(data):
        (tmp_path / NAME).write_bytes(data)
        manifest = value_or_line(read_manifest, tmp_path)
        if manifest is None:
            return
        for found in value_or_line(lambda: list(manifest.images())) or ():
            for name in (found.image, found.source):
                place = os.path.normpath(tmp_path / name)
                assert place.startswith(f"{tmp_path}{os.sep}"), name

    names = st.one_of(words(*PARTS, ".."), VALUES)
    changed = st.builds(
        lambda k, v: image | {k: v}, st.sampled_from(list(image)), names
    )
    headers = st.builds(
        lambda k, v: header | {k: v}, st.sampled_from([*header]), VALUES
    )
    lines = st.tuples(st.one_of(st.just(header), headers), changed).map(
        lambda drawn: [drawn[0], left_out, image, drawn[1]]
    )
    text = lines.map(
        lambda lines: "".join(f"{json.dumps(x)}\n" for x in lines).encode()
    )
    whole = "".join(f"{json.dumps(x)}\n" for x in (header, left_out, image, image))
    fuzz(check, st.one_of(text, spoilt(whole.encode()), st.binary()), count=100)
