"""A step of a row: a `tfipgan` command line, with $names for what it reads."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from tfipgan.errors import ConfigError, shorten, shorten_name

# What a line may name beside other steps: the direction's datasets, the seed (also
# ${seed+1000}), and the row's own folder.
GIVEN = ("source", "target", "seed", "here")
_SET_BY_PLAN = ("--threads", "--resume", "--no-progress")
# Options that the plan reads itself, with their value in the next word.
_READ_BY_PLAN = ("--config", "--set", "--figures")


@dataclass(frozen=True)
class Stage:
    """What has to be known of a command for it to be a step.

    Attributes:
        output: the option that names what it makes; None of one that prints a number.
        ending: of what it makes.
        computes: whether it takes --threads.
        resumes: whether it takes --resume.
        is_whole: whether what it makes is there only once it is whole.
        sections: of a config, which decide what it makes.
        from_run: sections that it takes from the run it goes on from, and no --set of.
        weight: seconds that it took in the demo, for the progress bar.
    """

    output: str | None
    ending: str = ""
    computes: bool = True
    resumes: bool = False
    is_whole: bool = False
    sections: tuple[str, ...] = ()
    from_run: tuple[str, ...] = ()
    weight: float = 1.0


STAGES = {
    "train-gan": Stage(
        "--out", resumes=True, sections=("seed", "gan", "translation"), weight=290
    ),
    "subset": Stage("--out", computes=False, is_whole=True),
    "translate": Stage("--out", is_whole=True, weight=13),
    "train-reid": Stage(
        "--out",
        resumes=True,
        sections=("seed", "backbone", "reid", "evaluation"),
        weight=35,
    ),
    "adapt": Stage(
        "--out",
        resumes=True,
        sections=("seed", "adapt", "pul", "evaluation"),
        from_run=("backbone", "reid"),
        weight=90,
    ),
    "extract": Stage("--out", ".npz", is_whole=True, weight=6),
    "fit-camel": Stage("--out", ".npz", computes=False, is_whole=True, weight=3),
    "evaluate": Stage("--json", ".json", weight=6),
    "identity-accuracy": Stage(None, weight=7),
    "translation-quality": Stage("--json", ".json", weight=12),
}


# What the tables read under these names, by the command that measures it.
_MEASURED = {
    "identity_accuracy": "identity-accuracy",
    "real_accuracy": "identity-accuracy",
    "semantic_accuracy": "identity-accuracy",
    "semantic_real_accuracy": "identity-accuracy",
    "quality": "translation-quality",
}


class _Word(Template):
    braceidpattern = r"(?a:[_a-z][_a-z0-9]*(?:\+[0-9]{1,9})?)"


@dataclass(frozen=True)
class Step:
    """One command line.

    Attributes:
        name: of what it makes, for the lines that read it.
        command: of `tfipgan`, one of STAGES.
        words: what follows it, with $names.
    """

    name: str
    command: str
    words: tuple[str, ...]

    def reads(self) -> set[str]:
        """Return the names in its words."""
        return {name.partition("+")[0] for name in self._identifiers()}

    def filled_in(self, values: Mapping[str, object]) -> list[str]:
        """Return its words with the values of the names that it reads."""
        found = {}
        for name in self._identifiers():
            base, _, more = name.partition("+")
            found[name] = int(values[base]) + int(more) if more else values[base]
        return [_Word(word).substitute(found) for word in self.words]

    def _identifiers(self):
        return [n for word in self.words for n in _Word(word).get_identifiers()]


def parse_step(name: str, line: object, where: str) -> Step:
    """Read a line of an experiment.yaml.

    Args:
        name: the step's.
        line: such as `train-reid --config supervised --data $target`.
        where: what stands before an error's message.

    Raises:
        ConfigError: it is no line, of no command that can be a step, or gives an option
            that the plan gives.
    """
    is_name = isinstance(name, str) and name.isascii() and name.isidentifier()
    if not is_name or name in GIVEN:
        raise ConfigError(
            f"{where}: {shorten_name(name)}: expected a step's name of letters a to z, "
            f"digits and underscores, none of {', '.join(GIVEN)}"
        )
    where = f"{where}.{shorten_name(name)}"
    if not isinstance(line, str):
        raise ConfigError(f"{where}: expected a command line, found {shorten(line)}")
    try:
        command, *words = shlex.split(line) or [""]
    except ValueError as error:
        raise ConfigError(
            f"{where}: {shorten(line)} is no command line: {error}"
        ) from None
    if command not in STAGES:
        raise ConfigError(
            f"{where}: expected a line that begins with one of {', '.join(STAGES)}, "
            f"found {shorten(line)}"
        )
    if _MEASURED.get(name, command) != command:
        raise ConfigError(
            f"{where}: the tables read that name, expected {_MEASURED[name]}, found "
            f"{command}; give it another name"
        )
    words = _separate(words)
    step = Step(name, command, tuple(words))
    for word in words:
        if not _Word(word).is_valid():
            raise ConfigError(
                f"{where}: expected $name, or ${{seed+1000}}, found {shorten(word)}"
            )
        option = word.partition("=")[0]
        if option in (STAGES[command].output, *_SET_BY_PLAN):
            raise ConfigError(
                f"{where}: expected no {option}, which is set for each step"
            )
        if option == "--help" or "\0" in word:
            raise ConfigError(f"{where}: expected no {shorten(word)} in it")
    for identifier in step._identifiers():
        if "+" in identifier and not identifier.startswith("seed+"):
            raise ConfigError(
                f"{where}: expected ${{seed+..}}, found ${{{shorten_name(identifier)}}}"
            )
    if words and words[-1] in _READ_BY_PLAN:
        raise ConfigError(f"{where}: expected a value after {words[-1]}")
    if command == "evaluate" and _datasets_in(words) > 1:
        raise ConfigError(
            f"{where}: expected one --data, found more; give each a step of its own"
        )
    if words.count("--config") > 1:
        raise ConfigError(f"{where}: expected one --config, found more")
    return step


def _datasets_in(words: list[str]) -> int:
    return sum(word.partition("=")[0] == "--data" for word in words)


def _separate(words: list[str]) -> list[str]:
    """Return the words with --config=NAME as two, as the plan reads it."""
    found = []
    for word in words:
        option, equals, value = word.partition("=")
        found += [option, value] if equals and option in _READ_BY_PLAN else [word]
    return found
