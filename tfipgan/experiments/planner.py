"""The plan of an experiment: a command for everything that its rows need.

OUT/DIRECTION/seed_K/runs/        runs of train-reid and train-gan
OUT/DIRECTION/seed_K/translated/  a folder of images of each generator
OUT/DIRECTION/seed_K/measured/    what evaluate and translation-quality wrote
OUT/data/                         the built-in world's datasets
OUT/logs/                         of each command, see `tfipgan.experiments.chain`

What two rows have in common is made once, where the first of them is.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tfipgan.config import (
    EXPERIMENT_FILE,
    Config,
    load_config,
    packaged_folder,
    to_dict,
)
from tfipgan.errors import ConfigError, shorten_name
from tfipgan.experiments.chain import Command
from tfipgan.experiments.experiment import Direction, Experiment
from tfipgan.experiments.plan import Classifiers, Plan, Row, Translation, part_of

PLAIN_ROWS = ("supervised", "direct_transfer")
ROW_ORDER = (*PLAIN_ROWS, "stargan", "ipgan")
# The end of a config's name, and the network it stands for; others are the baseline.
NETWORKS = {"_ibn": "ibn", "_ibn_a": "ibn_a"}
SEMANTIC, CAMERA = "semantic", "camera"
# The classifier that measures G is D_sem's recipe with another seed.
INDEPENDENT_SEED = 1000
# Their first rows show what networks see; the others' numbers are enough.
WITH_RANKED_LISTS = ("direct_transfer", "stargan", "ipgan")
# Seconds that each took in the demo, for the progress bar only.
SECONDS = {
    "synthesize": 9,
    "train-reid": 35,
    "train-gan": 290,
    "translate": 13,
    "identity-accuracy": 7,
    "translation-quality": 12,
    "evaluate": 6,
}


def make_plan(
    experiment: Experiment,
    out: Path,
    data: Path,
    seeds: Sequence[int],
    *,
    directions: Sequence[str] = (),
    rows: Sequence[str] = (),
    overrides: Sequence[str] = (),
    threads: int = 1,
) -> Plan:
    """Return what is to be run for the rows that the folders' configs name.

    Args:
        out: the folder of all that is made.
        data: the folder of the datasets.
        seeds: of the trainings; each row runs once with each.
        directions, rows: names of those to run, a row's being its config's; no names
            are all.
        overrides: config values, as for --set.
        threads: CPU threads of each command.

    Raises:
        ConfigError: an unknown direction or row, a config that can't be used, or no
            semantic.yaml where one is needed.
    """
    for override in overrides:
        if override.partition("=")[0].strip() == "seed":
            raise ConfigError(
                f"--set {shorten_name(override)}: expected other values; the seeds are "
                "0, 1, .., as many as --seeds says"
            )
    planner = _Planner(experiment, out, data, overrides, threads)
    # Seed by seed: a first table is whole before the second seed begins.
    for seed in seeds:
        for direction in experiment.directions:
            planner.add(direction, seed)
    plan = planner.plan()
    _require_known(directions, (d.name for d in experiment.directions), "--direction")
    _require_known(rows, (row.config for row in plan.rows), "--row")
    # Chosen from all, so that what is made once has its place whoever asks first.
    part = part_of(
        plan,
        lambda row: (
            (not directions or row.direction in directions)
            and (not rows or row.config in rows)
        ),
    )
    if not part.rows:
        raise ConfigError(
            "nothing to run: expected configs of rows, such as ipgan.yaml, in "
            + " or ".join(str(d.configs) for d in experiment.directions)
        )
    return part


def _require_known(names, known, option):
    known = tuple(dict.fromkeys(known))
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{option} {shorten_name(name)}: expected one of {', '.join(known)}"
            )


def _row_names(folder: Path) -> list[str]:
    """Return the names of the rows' configs, in the order of the paper's tables."""
    others = ("base", SEMANTIC, CAMERA, EXPERIMENT_FILE.removesuffix(".yaml"))
    names = sorted(
        path.stem
        for path in folder.glob("*.yaml")
        # Editors and file systems leave hidden ones.
        if path.stem not in others and not path.name.startswith(".")
    )

    def place(name):
        method, _ = _split(name)
        order = ROW_ORDER.index(method) if method in ROW_ORDER else len(ROW_ORDER)
        return order, name

    return sorted(names, key=place)


def _split(name: str) -> tuple[str, str]:
    """Return a config's method and network."""
    for ending, network in sorted(NETWORKS.items(), key=lambda item: -len(item[0])):
        if name.endswith(ending):
            return name.removesuffix(ending), network
    return name, "baseline"


class _Planner:
    """Gathers the commands; asked twice for the same thing, it gives the first."""

    def __init__(self, experiment, out, data, overrides, threads):
        self._experiment = experiment
        self._out = out
        self._data = data
        self._overrides = overrides
        self._threads = threads
        self._configs: dict[Path, Config] = {}
        self._commands: dict[str, Command] = {}
        self._rows: list[Row] = []
        self._classifiers: list[Classifiers] = []
        # By all that decides what is made.
        self._reid_runs: dict[str, tuple[Path, str]] = {}
        self._translations: dict[str, tuple[Translation, str]] = {}
        self._before: tuple[str, ...] = ()
        if experiment.world is not None:
            self._before = (self._synthesize(),)

    def plan(self) -> Plan:
        return Plan(
            tuple(self._commands.values()),
            tuple(self._rows),
            tuple(translation for translation, _ in self._translations.values()),
            tuple(self._classifiers),
        )

    def add(self, direction: Direction, seed: int) -> None:
        """Add the rows of one direction and seed."""
        names = _row_names(direction.configs)
        translated = {
            name: self._config(direction, name, seed)
            for name in names
            if _split(name)[0] not in PLAIN_ROWS
        }
        # StarGAN's images are shown to D_sem too, if any row has one.
        has_semantic = any(c.gan.lambda_semantic for c in translated.values())
        for name in names:
            method, network = _split(name)
            translation = None
            if method in PLAIN_ROWS:
                data = self._dataset(
                    direction.target if method == "supervised" else direction.source
                )
                run, after = self._train_reid(direction, seed, name, data)
            else:
                translation, made = self._translate(
                    direction, seed, name, translated[name], has_semantic
                )
                run, after = self._train_reid(
                    direction,
                    seed,
                    name,
                    self._dataset(direction.source),
                    images=translation.images,
                    after=(made,),
                )
            measured_by, metrics, figures = self._evaluate(
                direction, seed, name, run, after
            )
            if any(
                (r.direction, r.row, r.network, r.seed)
                == (direction.name, _row(name), network, seed)
                for r in self._rows
            ):
                raise ConfigError(
                    f"{direction.configs}: two configs are the row {_row(name)} with "
                    f"the network {network}; rename one"
                )
            self._rows.append(
                Row(
                    *(direction.name, _row(name), network, seed, run, metrics, figures),
                    *(translation, name, measured_by),
                )
            )
        if translated:
            self._classifiers.append(self._real_accuracy(direction, seed, has_semantic))

    # ------------------------------------------------------------------- the commands

    def _synthesize(self) -> str:
        options = (
            f"--{key.replace('_', '-')}={value}"
            for key, value in self._experiment.world.items()
        )
        # The dataset that is written last.
        return self._add(
            "synthesize",
            ("synthesize", str(self._data), *options),
            makes=self._data / "target",
            threads=False,
        )

    def _train_reid(
        self,
        direction,
        seed,
        name,
        data,
        *,
        config_name=None,
        training_seed=None,
        images=None,
        after=(),
    ) -> tuple[Path, str]:
        """Return the run's folder and the name of the command that makes it."""
        config_name = config_name or name
        training_seed = seed if training_seed is None else training_seed
        config = self._config(direction, config_name, training_seed)
        settings = _sections(config, "seed", "backbone", "reid", "evaluation")
        key = json.dumps([settings, str(data), str(images)])
        if key not in self._reid_runs:
            out = self._folder(direction, seed, "runs", name)
            translated = ("--translated", str(images)) if images else ()
            command = self._add(
                _name(direction, seed, "train-reid", name),
                (
                    *("train-reid", "--config", _reference(direction, config_name)),
                    *("--data", str(data), *translated, "--out", str(out)),
                    *self._settings(training_seed),
                ),
                after,
                resume=True,
                settings=settings,
            )
            self._reid_runs[key] = out, command
        return self._reid_runs[key]

    def _semantic(self, direction, seed) -> tuple[Path, str]:
        self._require_semantic(direction)
        return self._train_reid(
            direction, seed, SEMANTIC, self._dataset(direction.source)
        )

    def _independent(self, direction, seed) -> tuple[Path, str]:
        self._require_semantic(direction)
        return self._train_reid(
            direction,
            seed,
            "independent",
            self._dataset(direction.source),
            config_name=SEMANTIC,
            training_seed=seed + INDEPENDENT_SEED,
        )

    def _require_semantic(self, direction):
        if not (direction.configs / f"{SEMANTIC}.yaml").is_file():
            raise ConfigError(
                f"{direction.configs} has no {SEMANTIC}.yaml; its rows need one, the "
                "config of a classifier of the source's identities"
            )

    def _translate(
        self, direction, seed, name, config, has_semantic
    ) -> tuple[Translation, str]:
        """Return what is made of the source, and the name of the command for it."""
        source, target = map(self._dataset, (direction.source, direction.target))
        settings = _sections(config, "seed", "gan", "translation")
        needs, semantic = (), ()
        if config.gan.lambda_semantic:
            semantic_run, command = self._semantic(direction, seed)
            needs = (command,)
            semantic = ("--semantic", str(semantic_run))
        key = json.dumps([settings, str(source), str(target), semantic])
        if key in self._translations:
            return self._translations[key]
        run = self._folder(direction, seed, "runs", f"{name}_gan")
        images = self._folder(direction, seed, "translated", name)
        trained = self._add(
            _name(direction, seed, "train-gan", name),
            (
                *("train-gan", "--config", _reference(direction, name)),
                *("--source", str(source), "--target", str(target), *semantic),
                *("--out", str(run), *self._settings(seed)),
            ),
            needs,
            resume=True,
            settings=settings,
        )
        made = self._add(
            _name(direction, seed, "translate", name),
            (
                *("translate", "--model", str(run), "--source", str(source)),
                *("--out", str(images)),
            ),
            (trained,),
            makes=images,
        )
        classifiers = self._classifiers_of(direction, seed, has_semantic)
        accuracies = {
            which: self._identity_accuracy(
                direction, seed, f"{name}-{which}", classifier, "--images", images, made
            )
            for which, classifier in classifiers.items()
        }
        quality, *looked_at = self._quality(direction, seed, name, images, made)
        translation = Translation(
            *(direction.name, _row(name), seed, run, images),
            accuracies.get("d_sem"),
            accuracies["independent"],
            quality,
            (*accuracies.values(), *looked_at),
        )
        self._translations[key] = translation, made
        return self._translations[key]

    def _identity_accuracy(
        self, direction, seed, name, classifier, option, images, after=None
    ) -> str:
        run, command = classifier
        return self._add(
            _name(direction, seed, "identity-accuracy", name),
            (
                *("identity-accuracy", "--classifier", str(run)),
                *(option, str(images)),
            ),
            (command, after) if after else (command,),
        )

    def _classifiers_of(self, direction, seed, has_semantic):
        classifiers = {"independent": self._independent(direction, seed)}
        if has_semantic:
            classifiers["d_sem"] = self._semantic(direction, seed)
        return classifiers

    def _real_accuracy(self, direction, seed, has_semantic) -> Classifiers:
        source = self._dataset(direction.source)
        names = {
            which: self._identity_accuracy(
                direction, seed, f"real-{which}", classifier, "--data", source
            )
            for which, classifier in self._classifiers_of(
                direction, seed, has_semantic
            ).items()
        }
        return Classifiers(
            direction.name, seed, names.get("d_sem"), names["independent"]
        )

    def _quality(self, direction, seed, name, images, made) -> tuple:
        """Return the file that is written and the name of the command for it."""
        if not (direction.configs / f"{CAMERA}.yaml").is_file():
            return (None,)
        source, target = map(self._dataset, (direction.source, direction.target))
        classifier, trained = self._train_reid(direction, seed, CAMERA, target)
        path = self._folder(direction, seed, "measured", f"quality_{name}.json")
        command = self._add(
            _name(direction, seed, "translation-quality", name),
            (
                *("translation-quality", "--translated", str(images)),
                *("--target", str(target), "--source", str(source)),
                *("--classifier", str(classifier), "--json", str(path)),
            ),
            (made, trained),
        )
        return path, command

    def _evaluate(
        self, direction, seed, name, run, after
    ) -> tuple[str, Path, Path | None]:
        """Return the command's name, its numbers' file and its ranked lists' folder."""
        path = self._folder(direction, seed, "measured", f"{name}.json")
        figures, more = None, ()
        if name in WITH_RANKED_LISTS:
            figures = self._folder(direction, seed, "measured", name)
            more = ("--figures", str(figures))
        command = self._add(
            _name(direction, seed, "evaluate", name),
            (
                *("evaluate", "--model", str(run)),
                *("--data", str(self._dataset(direction.target))),
                *("--json", str(path), *more),
            ),
            (after,),
        )
        return command, path, figures

    # ------------------------------------------------------------------ what they share

    def _add(
        self,
        name,
        arguments,
        after=(),
        *,
        makes=None,
        settings=None,
        resume=False,
        threads=True,
    ) -> str:
        runtime = (f"--threads={self._threads}",) if threads else ()
        command = Command(
            name,
            arguments,
            (*self._before, *after),
            (*runtime, "--resume") if resume else runtime,
            makes,
            settings or {},
            SECONDS[arguments[0]],
        )
        if self._commands.setdefault(name, command) != command:
            raise ConfigError(
                f"two different commands are both {name}: expected configs of other "
                "names; rename the one that is not of the paper"
            )
        return name

    def _config(self, direction, name, seed) -> Config:
        path = direction.configs / f"{name}.yaml"
        if path not in self._configs:
            self._configs[path] = load_config(path, self._overrides)
        return replace(self._configs[path], seed=seed)

    def _settings(self, seed):
        words = (*self._overrides, f"seed={seed}")
        return tuple(word for value in words for word in ("--set", value))

    def _dataset(self, name: str) -> Path:
        return self._data / name

    def _folder(self, direction, seed, *parts) -> Path:
        return self._out.joinpath(direction.name, f"seed_{seed}", *parts)


def _row(name: str) -> str:
    """Return a config's row as results.json has it."""
    return _split(name)[0].replace("_", " ")


def _name(direction, seed, command, what) -> str:
    return f"{direction.name}-seed_{seed}-{command}-{what}"


def _reference(direction, name) -> str:
    """Return how a config is named on a command line."""
    path = direction.configs / name
    if path.is_absolute() and path.is_relative_to(packaged_folder()):
        return path.relative_to(packaged_folder()).as_posix()
    return f"{path}.yaml"


def _sections(config: Config, *names) -> dict:
    values = to_dict(config)
    return {name: values[name] for name in names}
