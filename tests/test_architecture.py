"""Imports run downwards only: docs/architecture.md's table of floors, and its check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A room is a folder, or a file directly in tfipgan/; it imports from lower floors only.
FLOORS = {
    "cli": 10,
    "experiments": 9,
    "serving": 8,
    "training": 8,
    "descriptors": 7,
    "export": 7,
    "reports": 7,
    "feature_extractor": 7,
    "clustering": 6,
    "evaluation": 6,
    "runs": 6,
    "translation": 6,
    "weights": 5,
    "data": 4,
    "models": 4,
    "config": 3,
    "files": 2,
    "world": 2,
    "configs": 1,
    "errors": 1,
    "layers": 1,
    "losses": 1,
    # The package itself: its version.
    "tfipgan": 0,
}
MOST_LOOSE = 5


def modules():
    """{dotted name: path} of all that is imported as tfipgan and below."""
    found = {}
    for folder, package in (
        ("tfipgan", "tfipgan"),
        ("cli", "tfipgan.cli"),
        ("serving", "tfipgan.serving"),
        ("configs", "tfipgan.configs"),
    ):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *parts))
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room(module):
    _, _, rest = module.partition(".")
    return rest.partition(".")[0] or "tfipgan"


def imported(source, known):
    """Dotted names of this project's modules that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import: give the module's whole name"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in inside]
        else:
            continue
        yield from (n for n in names if n.partition(".")[0] == "tfipgan")


def problems(module, source, known=MODULES):
    """What is wrong with a module's imports, a line each."""
    here = room(module)
    if here not in FLOORS:
        return [f"{module}: {here} is no room of the table"]
    lines = []
    for name in imported(source, known):
        there = room(name)
        if there not in FLOORS:
            lines.append(f"{module} imports {name}: {there} is no room of the table")
        elif there != here and FLOORS[there] >= FLOORS[here]:
            lines.append(
                f"{module} (floor {FLOORS[here]}) imports {name} (floor "
                f"{FLOORS[there]})"
            )
    return lines


def test_imports_run_downwards():
    assert len(MODULES) > 100
    found = [
        line
        for module, path in MODULES.items()
        for line in problems(module, path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("tfipgan.data.labels", "import tfipgan.evaluation.metrics", "floor 6"),
        ("tfipgan.data.labels", "def f():\n from tfipgan.runs import run", "runs.run"),
        ("tfipgan.data.labels", "from tfipgan.models import ResNet", "floor 4"),
        ("tfipgan.data.labels", "from tfipgan import cli", "floor 10"),
        ("tfipgan.training.start", "import tfipgan.serving.client", "floor 8"),
        ("tfipgan.errors", "from tfipgan.nowhere import x", "no room of the table"),
        ("tfipgan.cellar.wine", "import os", "cellar is no room"),
    ],
)
def test_an_upward_import_is_found(module, source, found):
    (line,) = problems(module, source)
    assert found in line


def test_a_downward_import_is_right():
    source = "import os\nimport numpy as np\nfrom tfipgan import __version__\n"
    source += "from tfipgan.data.filenames import Sample\nimport tfipgan.errors\n"
    assert list(imported(source, MODULES)) == [
        "tfipgan",
        "tfipgan.data.filenames",
        "tfipgan.errors",
    ]
    assert problems("tfipgan.runs.run", source) == []


# Which generators a GAN run has, and what they take, is nothing to those who translate.
OWN_GENERATORS = {"models", "runs", "training", "weights"}
GENERATOR_WORDS = re.compile("load_generator|one_hot")


def test_others_translate_by_the_translator_alone():
    found = {
        name: GENERATOR_WORDS.findall(path.read_text(encoding="utf-8"))
        for name, path in MODULES.items()
    }
    assert {room(name) for name in found if found[name]} <= OWN_GENERATORS
    # The words are there, where they may be.
    assert set(found["tfipgan.runs.run"]) == {"load_generator"}
    assert set(found["tfipgan.models.translator"]) == {"one_hot"}


def test_every_room_is_there_and_few_files_are_loose():
    assert {room(module) for module in MODULES} == set(FLOORS)
    assert len(list((ROOT / "tfipgan").glob("*.py"))) <= MOST_LOOSE


def test_the_page_shows_these_floors():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", page, flags=re.MULTILINE)
    shown = {
        re.sub(r"^tfipgan/|\.py$|/$", "", name): int(floor) for floor, name in rows
    }
    del shown["__init__"]
    assert shown == {name: floor for name, floor in FLOORS.items() if floor}


def test_the_tests_mirror_the_rooms():
    """A folder of tests is a room's, or serves all of them."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    others = {"bench", "golden", "helpers", "torture", "__pycache__"}
    assert folders - others <= set(FLOORS)


STACK = re.compile(r"^ *(?:import|from) (?:tensorflow|keras)\b", re.MULTILINE)
# Tested on both stacks by tests/cli/test_common.py and tests/training/test_runs_gan.py.
ON_BOTH = {"tfipgan.cli.common", "tfipgan.reports.sample_sheet"}


def test_what_one_stack_tests_calls_neither_tensorflow_nor_keras():
    (line,) = re.findall(
        r"^ONE_STACK := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    rooms = {"cli", *line.split()} & set(FLOORS)
    assert len(rooms) > 2
    found = {
        name
        for name, path in MODULES.items()
        if room(name) in rooms and STACK.search(path.read_text("utf-8"))
    }
    assert found == ON_BOTH
