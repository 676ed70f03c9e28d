"""The package as its users get it: what the wheel holds, and that it runs by itself."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"tfipgan": "tfipgan", "cli": "tfipgan.cli", "serving": "tfipgan.serving"}
FOLDERS["configs"] = "tfipgan.configs"
PYTHON_FILES = [path for name in FOLDERS for path in (ROOT / name).rglob("*.py")]

# Asks for the help of every command and names what mustn't have been imported for it.
ASK_FOR_ALL_HELP = """
import contextlib, io, re, sys

sys.argv = ["tfipgan"]
from tfipgan.cli.main import main

def ask(*names):
    sys.argv[1:] = [*names, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            assert not end.code, (names, end.code)
    assert "Usage: " in out.getvalue(), names
    print(" ".join(names))
    _, _, commands = out.getvalue().partition("Commands:")
    for name in re.findall(r"^  ([a-z][\\w-]*)", commands, flags=re.MULTILINE):
        ask(*names, name)

ask()
heavy = {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""


def run(*command, **options):
    """Runs a command to its end and gives its output; a failure shows all of it."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source distribution of a copy of this checkout.

    A copy, since setuptools leaves build/ behind and would pick up old files from it.
    """
    source = tmp_path_factory.mktemp("source")
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source)
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin/ of an environment that holds the wheel and sees our dependencies.

    They come by a .pth file. Python doesn't follow the .pth files of a folder that is
    added so: the editable install of this checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet"]
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n")
    return folder / "bin"


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Runs with no way to the checkout but an installed package."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def requirement_names(text):
    names = (re.match(r"[\w.-]+", line) for line in text.split())
    return {name.group().lower().replace("_", "-") for name in names if name}


def test_every_package_is_listed():
    found = set()
    for path in PYTHON_FILES:
        top, *below = path.parent.relative_to(ROOT).parts
        found.add(".".join([FOLDERS[top], *below]))
        assert (path.parent / "__init__.py").is_file()
    assert set(setup_cfg()["options"]["packages"].split()) == found


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("constraints.txt", ["test"]),
        ("constraints-addons.txt", ["addons", "test"]),
    ],
)
def test_every_requirement_is_pinned(file, extras):
    lines = (ROOT / file).read_text().splitlines()
    pins = [line.partition("#")[0].strip() for line in lines]
    assert all("==" in pin for pin in pins if pin)
    pinned = requirement_names("\n".join(pin.partition(";")[0] for pin in pins))
    config = setup_cfg()
    needed = requirement_names(config["options"]["install_requires"])
    for extra in extras:
        needed |= requirement_names(config["options.extras_require"][extra])
    assert needed <= pinned


def test_wheel_holds_all(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    sources = [path.relative_to(ROOT) for path in PYTHON_FILES]
    sources += [path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")]
    sources += [path.relative_to(ROOT) for path in (ROOT / "tfipgan").rglob("*.jinja")]
    for source in sources:
        top, *below = source.parts
        assert "/".join([FOLDERS[top].replace(".", "/"), *below]) in held
    folders = {name.split("/")[0] for name in held}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"tfipgan"}


def test_installed_package_is_used(installed, outside):
    code = (
        "import tfipgan, tfipgan.cli, tfipgan.serving\n"
        "from tfipgan.config import load_config, packaged_configs\n"
        "for name in packaged_configs(): load_config(name)\n"
        "print(len(packaged_configs()), 'configs')\n"
        "for module in tfipgan, tfipgan.cli, tfipgan.serving: print(module.__file__)\n"
    )
    first, *files = run(installed / "python", "-c", code).splitlines()
    files_here = list((ROOT / "configs").rglob("*.yaml"))
    files_here = [path for path in files_here if path.name != "experiment.yaml"]
    assert first == f"{len(files_here)} configs"
    environment = str(installed.parent)
    assert [file.startswith(environment) for file in files] == [True] * 3


def test_installed_command(installed, outside):
    assert "Usage: tfipgan" in run(installed / "tfipgan", "--help")


@pytest.mark.slow
def test_the_whole_chain(installed, outside):
    """A demo of the smallest size, by the wheel alone and outside of the checkout."""
    told = run(installed / "tfipgan", "demo", "--quick", "--out", outside / "demo")
    results = json.loads((outside / "demo" / "results.json").read_text())
    assert results.keys() == {"rows", "source_test", "seconds"}
    names = [(row["name"], row["network"]) for row in results["rows"]]
    methods = ("direct transfer", "colour map", "stargan", "ipgan", "ipgan+adapt")
    methods += ("supervised",)
    assert names == [(name, "baseline") for name in methods]
    for row in results["rows"]:
        numbers = [row[key] for key in ("rank-1", "rank-5", "mAP")]
        if row["name"] in ("direct transfer", "ipgan+adapt", "supervised"):
            assert row["identity_accuracy"] is None
        else:
            numbers.append(row["identity_accuracy"])
        assert all(0 <= number <= 1 for number in numbers)
    assert results["source_test"].keys() == {"rank-1", "mAP"}
    figures = {path.name for path in (outside / "demo" / "figures").iterdir()}
    assert figures == {
        f"source_to_target_{name}.png"
        for name in (
            "cmc", "losses", "colour_map_translated", "ipgan_translated",
            "stargan_translated",
        )
    }  # fmt: skip
    report = outside / "demo" / "report.html"
    assert "<img" in report.read_text() and f"Report: {report}" in told
    assert f"{results['rows'][2]['mAP']:.3f}" in told
    for dataset in ("source", "target"):
        assert (outside / "demo" / "data" / "world_0" / dataset / "query").is_dir()


def test_help_imports_nothing_heavy():
    asked = run(sys.executable, "-c", ASK_FOR_ALL_HELP).splitlines()
    commands = {"demo", "synthesize", "inspect", "train-reid", "train-gan"}
    commands |= {"translate", "extract", "evaluate", "identity-accuracy"}
    assert commands <= set(asked)
