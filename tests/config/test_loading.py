"""Reading, checking and writing configs."""

import dataclasses
import re

import pytest
import yaml

from tfipgan.config import (
    Config,
    GanConfig,
    ReidConfig,
    config_from_dict,
    load_config,
    load_saved_config,
    packaged_configs,
    save_config,
    to_dict,
)
from tfipgan.errors import ConfigError

IMAGENET = "backbone.weights=imagenet"
ROWS = ("supervised", "direct_transfer", "stargan", "ipgan")


@pytest.fixture
def write(tmp_path):
    """Writes a config file's text and gives its path."""

    def write_file(text, name="mine.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def message(error):
    """The text of a raised error, which must be one line."""
    text = str(error.value)
    assert "\n" not in text
    return text


# ------------------------------------------------------------------- packaged configs


@pytest.mark.parametrize("name", packaged_configs())
def test_packaged_config_loads(name):
    assert isinstance(load_config(name), Config)


@pytest.mark.parametrize("folder", ["market_to_duke", "duke_to_market", "synthetic"])
def test_packaged_rows_differ_where_they_should(folder):
    chosen = 0.3 if folder == "synthetic" else 1.0  # the paper's
    for row in ROWS:
        for suffix, ibn in (("", None), ("_ibn", "b")):
            config = load_config(f"{folder}/{row}{suffix}")
            weight = {"stargan": 0.0, "ipgan": chosen}.get(row, 1.0)
            assert config.gan.lambda_semantic == weight
            assert config.backbone.ibn == ibn
            if folder == "synthetic":
                assert config.backbone.weights == "none"
            else:
                assert (config.backbone.weights == "imagenet") == (ibn is None)
    semantic = load_config(f"{folder}/semantic")
    assert semantic.reid.image_size == semantic.gan.image_size
    assert semantic.backbone.ibn is None


def test_base_holds_every_key_at_its_default():
    assert load_config("base") == Config()
    assert load_config("base.yaml") == Config()
    packaged = yaml.safe_load((packaged_folder() / "base.yaml").read_text())
    assert {k: v if k == "seed" else set(v) for k, v in packaged.items()} == {
        k: v if k == "seed" else set(v) for k, v in to_dict(Config()).items()
    }


def packaged_folder():
    from importlib.resources import files

    return files("tfipgan.configs")


def test_paper_values():
    gan = Config().gan
    assert gan.image_size == (128, 64)
    weights = gan.lambda_domain, gan.lambda_reconstruction, gan.lambda_semantic
    assert weights == (1.0, 10.0, 1.0)
    assert (gan.learning_rate, gan.constant_epochs, gan.decay_epochs) == (
        1e-4,
        100,
        100,
    )
    assert Config().reid.fc_units == 1024


# ---------------------------------------------------------------------- files and bases


def test_file_over_base_over_packaged(write):
    write("base: synthetic/ipgan\ngan: {batch_size: 4, width: 8}\n", "shared/b.yaml")
    path = write("base: shared/b.yaml\nseed: 7\ngan: {width: 12}\nreid:\n")
    config = load_config(path)
    assert config.seed == 7
    assert (config.gan.width, config.gan.batch_size) == (12, 4)
    assert config.gan.image_size == load_config("synthetic/ipgan").gan.image_size
    assert config.reid == load_config("synthetic/ipgan").reid


def test_empty_file_is_the_defaults(write):
    assert load_config(str(write("# nothing yet\n"))) == Config()


def test_file_goes_before_packaged_name(write, monkeypatch, tmp_path):
    write("seed: 9\n", "base.yaml")
    monkeypatch.chdir(tmp_path)
    assert load_config("base.yaml").seed == 9
    assert load_config("base").seed == 0


def test_numbers_as_people_write_them(write):
    gan = load_config(write("gan: {learning_rate: 2e-4, lambda_domain: 2}\n")).gan
    assert gan.learning_rate == 2e-4
    assert gan.lambda_domain == 2.0
    assert isinstance(gan.lambda_domain, float)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010", 10),
        ("08", 8),
        ("007", 7),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b11", 3),
        ("+5", 5),
    ],
)
def test_whole_numbers_are_decimal(write, text, number):
    assert load_config("base", [f"reid.epochs={text}"]).reid.epochs == number
    assert load_config(write(f"reid: {{epochs: {text}}}\n")).reid.epochs == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-4", 1e-4),
        ("1.e-4", 1e-4),
        (".5", 0.5),
        ("05.5", 5.5),
        ("1_000.5", 1000.5),
        ("2E+1", 20.0),
    ],
)
def test_other_numbers_are_decimal(write, text, number):
    assert load_config(write(f"gan: {{epsilon: {text}}}\n")).gan.epsilon == number


@pytest.mark.parametrize("text", ["2024-05-01", "1:30", "0o8", "1_", "runs/08"])
def test_text_stays_text(write, text):
    config = load_config(write(f"backbone: {{weights: {text}}}\n"))
    assert config.backbone.weights == text


def test_round_trip(tmp_path):
    config = load_config("market_to_duke/ipgan_ibn", ["seed=3", "gan.epsilon=1e-7"])
    path = tmp_path / "config.yaml"
    save_config(config, path)
    save_config(config, path)  # over an older one
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]
    assert load_config(path) == config
    assert config_from_dict(yaml.safe_load(path.read_text())) == config
    assert config_from_dict(to_dict(Config())) == Config()
    assert to_dict(Config())["gan"]["image_size"] == [128, 64]
    assert to_dict(Config())["backbone"]["ibn"] == "none"


def test_failed_save_leaves_nothing(tmp_path):
    target = tmp_path / "config.yaml"
    target.mkdir()
    with pytest.raises(OSError):
        save_config(Config(), target)
    assert list(tmp_path.iterdir()) == [target]


def test_old_run_takes_defaults_for_new_keys():
    assert config_from_dict({"reid": {"epochs": 18}}).reid == ReidConfig(epochs=18)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gan:\n  batch_sise: 4\n", r"gan\.batch_sise; did you mean gan\.batch_size\?"),
        ("reid: {n_critic: 1}\n", r"reid\.n_critic; did you mean gan\.n_critic\?"),
        ("n_critic: 1\n", r"unknown key n_critic; did you mean gan\.n_critic\?"),
        ("gann: {}\n", r"unknown key gann; did you mean gan\?"),
        ("xyzzy: 1\n", r"unknown key xyzzy; known keys are seed, gan, backbone"),
        ("evaluation: {xyzzy: 1}\n", r"known keys are batch_size, "),
        ("1: 2\n", r"unknown key 1; known keys are"),
        ("gan: 3\n", r"gan: expected a section of keys, found 3"),
        ("- gan\n", r"expected keys and values \(a mapping\), found \['gan'\]"),
        ("base: [a]\n", r"base: expected one file's path, found \['a'\]"),
        ("gan: [1\n", r"can't be read as YAML: line 2: "),
        ("gan: {width: 1, width: 2}\n", r"line 1: the key width is given twice"),
        (
            "gan: {image_size: [100, 64]}\n",
            r"gan\.image_size: expected multiples of 64",
        ),
    ],
)
def test_bad_file_is_named(write, text, expected):
    path = write(text)
    with pytest.raises(ConfigError, match=expected) as error:
        load_config(path)
    assert message(error).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What the constructors of YAML's own tags stumble over.
        (f"seed: {'9' * 5000}\n", "can't be read as YAML: Exceeds the limit"),
        ("seed: 2020-13-32\n", "seed: expected a whole .*, found '2020-13-32'"),
        ("seed: !!int ''\n", "can't be read as YAML: "),
        ("gan: !!map 1\n", "can't be read as YAML: line 1: expected a mapping node"),
        ("gan: !!python/object/apply:os.getpid []\n", "could not determine a constr"),
        ("[" * 2000, "can't be read as YAML: too many brackets inside each other"),
        # Numbers that Python does not turn into others, or into text.
        (f"seed: 0x{'f' * 5000}\n", r"seed: .* 2147483647, found a number of 20000 "),
        (f"gan: {{epsilon: 1{'0' * 400}}}\n", r"gan\.epsilon: expected a number"),
        # 8**20 values.
        (
            "seed:\n- &a0 [1]\n"
            + "".join(
                f"- &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 21)
            ),
            r"seed: expected .*, found \[\[1\], \[\[",
        ),
        ("gan: &a {width: 8}\nreid: {<<: *a}\n", r"line 2: merge keys \(<<\) are not"),
        ("a\\nb: 1\n", r"unknown key a\\nb; known"),
        ('"a\\nb": 1\n', r"unknown key 'a\\nb'; known keys"),
        ('base: "a\\nb"\n', r"base: config 'a\\nb' not found"),
        (f"# {'x' * 2**16}\n", "expected YAML of at most 65536 bytes"),
    ],
)
def test_file_from_elsewhere(write, text, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config(write(text))
    assert len(message(error)) < 1000


def test_bases_without_end(write):
    for number in range(25):
        write(f"base: {number + 1}.yaml\n", f"{number}.yaml")
    with pytest.raises(ConfigError, match="0.yaml: more than 20 files by base: keys"):
        load_config(write("base: 0.yaml\n").with_name("0.yaml"))


def test_a_runs_own_config(write):
    path = write("seed: 3\n")
    assert load_saved_config(path) == Config(seed=3)
    assert load_saved_config(write("")) == Config()
    for text, expected in (
        ("base: synthetic/ipgan\n", "mine.yaml: unknown key base; known keys"),
        ("gan: {width: 5000}\n", "mine.yaml: gan.width: .* from 1 to 4096, found 5000"),
    ):
        with pytest.raises(ConfigError, match=expected):
            load_saved_config(write(text))
    with pytest.raises(ConfigError, match="none.yaml not found; expected a run fol"):
        load_saved_config(path.with_name("none.yaml"))


def test_text_that_looks_like_a_number(tmp_path):
    for weights in (
        *(
            "1e-4",
            "123",
            "010",
            "08",
            "0o17",
            "0x1F",
            "1:30",
            "2020-01-01",
            "1_0",
            "no",
        ),
        *("a: b", "\x00 \ud800", "imagenet "),
    ):
        config = load_config("base")
        backbone = dataclasses.replace(config.backbone, weights=weights)
        config = dataclasses.replace(config, backbone=backbone)
        save_config(config, tmp_path / "config.yaml")
        assert load_saved_config(tmp_path / "config.yaml") == config


def test_value_is_blamed_on_the_file_that_holds_it(write):
    base = write("gan: {width: no}\n", "b.yaml")
    path = write("base: b.yaml\n")
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(base))}: gan\.width"):
        load_config(path)


def test_not_utf8(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="expected a YAML file in UTF-8"):
        load_config(path)


def test_a_section_that_is_none_is_found_below_one_that_is(write):
    """What stands above doesn't hide it."""
    base = write("gan: 3\n", "b.yaml")
    path = write("base: b.yaml\ngan: {width: 8}\n")
    with pytest.raises(
        ConfigError, match=f"^{re.escape(str(base))}: gan: expected a s"
    ):
        load_config(path)


def test_circle_of_bases(write):
    write("base: c.yaml\n", "b.yaml")
    write("base: mine.yaml\n", "c.yaml")
    expected = r"circle, .*mine\.yaml -> .*b\.yaml -> .*c\.yaml -> .*mine\.yaml"
    with pytest.raises(ConfigError, match=expected) as error:
        load_config(write("base: b.yaml\n"))
    message(error)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("synthetic/ipgam", r"not found, .*; did you mean synthetic/ipgan\?"),
        ("zzzz.yaml", r"config zzzz\.yaml not found, .*; for example synthetic"),
        (".", r"config \. is a folder, expected a YAML file; for example"),
    ],
)
def test_missing_config(name, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config(name)
    message(error)


def test_missing_base(write):
    path = write("base: nowhere.yaml\n")
    with pytest.raises(ConfigError, match="base: config nowhere.yaml not found") as e:
        load_config(path)
    assert message(e).startswith(str(path))


# ----------------------------------------------------------------------------- values

A_NUMBER = "expected a number of at least 0"
BELOW_1 = r"expected a number of at least 0 and below 1"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("gan.batch_size", "x", "expected a whole number from 1 to 65536, found 'x'"),
        ("gan.batch_size", "0", "expected a whole number from 1 to 65536, found 0"),
        ("gan.batch_size", "true", "from 1 to 65536, found True"),
        ("gan.batch_size", "2.0", "from 1 to 65536, found 2.0"),
        ("gan.batch_size", "", "from 1 to 65536, found None"),
        ("gan.num_layers", "13", "expected a whole number from 1 to 12, found 13"),
        ("gan.learning_rate", "0", "expected a number greater than 0, found 0"),
        ("gan.learning_rate", ".inf", "expected a number greater than 0, found inf"),
        ("gan.lambda_domain", "-1", A_NUMBER),
        ("gan.lambda_domain", ".nan", A_NUMBER),
        ("gan.lambda_domain", "true", A_NUMBER),
        ("gan.beta_1", "1", BELOW_1),
        ("reid.random_erasing", "1.1", "expected a number from 0 to 1, found 1.1"),
        ("reid.random_erasing", "-0.5", "expected a number from 0 to 1, found -0.5"),
        ("reid.pad_crop", "2.5", "expected a whole number from 0 to 8192, found 2.5"),
        ("gan.random_flip", "1", "expected true or false, found 1"),
        ("gan.adversarial", "lsgan", "expected one of wgan-gp, vanilla, found 'lsgan'"),
        ("gan.image_size", "128", r"expected two whole numbers .*\[height, width\]"),
        ("gan.image_size", "[128]", r"\[height, width\], found \[128\]"),
        ("gan.image_size", "[0, 64]", r"found \[0, 64\]"),
        ("backbone.depth", "20", "expected one of 18, 34, 50, 101, found 20"),
        ("backbone.depth", "50.5", "expected one of 18, 34, 50, 101, found 50.5"),
        ("backbone.ibn", "c", "expected one of none, a, b, found 'c'"),
        ("backbone.ibn", "[a]", "expected one of none, a, b, found"),
        ("backbone.weights", "3", "expected none, imagenet or a path, found 3"),
        ("backbone.weights", "' '", "expected none, imagenet or a path, found ' '"),
        ("backbone.mean", "[0, 0]", "expected three numbers, found"),
        ("backbone.std", "[1, 1, 0]", "expected three numbers greater than 0, found"),
        ("gan.target_domains", "1", "expected one of cameras, one, found 1"),
        ("reid.labels", "people", "expected one of person, camera, found 'people'"),
        ("translation.quality", "101", "expected a whole number from 1 to 100"),
        ("evaluation.metric", "l1", "expected one of euclidean, cosine, found 'l1'"),
        ("seed", "-1", "expected a whole number from 0 to 2147483647, found -1"),
        # What YAML 1.1 takes for numbers and dates, and nobody else.
        ("reid.epochs", "1:30", "from 1 to 1000000, found '1:30'"),
        ("reid.learning_rate", "1:30.5", "greater than 0, found '1:30.5'"),
        ("reid.epochs", "2024-05-01", "from 1 to 1000000, found '2024-05-01'"),
        ("reid.epochs", "1__0", "from 1 to 1000000, found '1__0'"),
        ("backbone.ibn", "no", "expected one of none, a, b, found False"),
        ("backbone.weights", "on", "expected none, imagenet or a path, found True"),
        ("gan.random_flip", "y", "expected true or false, found 'y'"),
        ("gan.random_flip", "~", "expected true or false, found None"),
        ("reid.triplet_margin", "-0.1", "expected none, soft or a .*, found -0.1"),
        ("reid.triplet_margin", "hard", "expected none, soft or a .*, found 'hard'"),
        ("reid.triplet_margin", "true", "expected none, soft or a .*, found True"),
        ("adapt.k", "0", "expected none or a whole number from 1 to 65536, found 0"),
        ("adapt.k_intra", "5.0", "expected none or a whole number .*, found 5.0"),
        ("adapt.distance", "near", "one of none, camera_aware, plain, found 'near'"),
        ("adapt.distance", "[plain]", r"one of none, .*, found \['plain'\]"),
        ("adapt.eps", "1", "expected none or a number above 0 and below 1, found 1"),
        ("adapt.eps", "0.0", "expected none or a number above 0 .*, found 0.0"),
        ("adapt.eps", "wide", "expected none or a number above 0 .*, found 'wide'"),
        ("adapt.batch_clusters", "1", "expected a whole number from 2 to .*, found 1"),
        ("reid.label_smoothing", "1", f"{BELOW_1}, found 1"),
        ("reid.label_smoothing", "-0.1", f"{BELOW_1}, found -0.1"),
        ("reid.decay_epoch", "[40, 40]", r"a list of such that rise, found \[40, 40"),
        ("reid.decay_epoch", "[]", r"a list of such that rise, found \[\]"),
        ("reid.decay_epoch", "[1.5]", r"a whole number from 0 to .*, found \[1.5\]"),
        ("reid.decay_epoch", "-1", "a whole number from 0 to .*, found -1"),
        ("reid.frozen_stages", "6", "a whole number from 0 to 5, found 6"),
        ("reid.sampler", "pk", "expected one of shuffle, identities, found 'pk'"),
        # What is another number in float32.
        ("gan.epsilon", "1e-50", r"what float32 holds\), found 1e-50"),
        ("gan.learning_rate", "1e39", r"what float32 holds\), found 1e\+39"),
        ("gan.lambda_semantic", "1e-40", r"3.4e\+38 \(what float32 holds\), found"),
        ("gan.beta_2", "0.99999999", f"{BELOW_1} as float32 too, found 0.99999999"),
        ("reid.dropout", "0.99999999", f"{BELOW_1} as float32 too, found 0.99999999"),
        ("backbone.mean", "[0, 1e-60, 0]", r"what float32 holds\), found \[0, "),
    ],
)
def test_bad_value(key, value, expected):
    pattern = rf"^--set {re.escape(f'{key}={value}')}: {re.escape(key)}: .*{expected}"
    with pytest.raises(ConfigError, match=pattern) as error:
        load_config("base", [f"{key}={value}"])
    message(error)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["gan.image_size=[64, 64]", "gan.num_layers=7"],
            r"multiples of 128 .*= 7 times",
        ),
        (["gan.image_size=[30, 30]", "gan.num_layers=1"], "multiples of 4 "),
        (["gan.constant_epochs=0", "gan.decay_epochs=0"], "at least 1 epoch"),
        (
            ["reid.labels=camera", "reid.held_out_identities=2"],
            "expected 0 with reid.labels camera, .* found 2",
        ),
        (
            ["reid.pad_crop=10"],
            "reid.pad_crop: expected 0 with reid.random_sized_crop true, found 10",
        ),
        (
            ["reid.pad_crop=128", "reid.random_sized_crop=false"],
            r"shorter side of reid.image_size \[256, 128\], found 128",
        ),
        (
            ["reid.sampler=identities", "reid.batch_size=30"],
            r"expected a multiple of reid.images_per_identity \(4\) with .* found 30$",
        ),
        ([IMAGENET, "backbone.depth=18"], "found depth 18.*import-weights"),
        ([IMAGENET, "backbone.ibn=b"], "found depth 50, ibn b and width 64"),
        ([IMAGENET, "backbone.width=32"], "found .* ibn none and width 32"),
    ],
)
def test_values_that_do_not_fit_together(overrides, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config("base", overrides)
    message(error)


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("triplet_margin", "none", None),
        ("triplet_margin", "~", None),
        ("triplet_margin", "0", 0.0),
        ("triplet_margin", "soft", "soft"),
        ("decay_epoch", "[40, 70]", (40, 70)),
        # As it was before there were lists, so that it is the same config.
        ("decay_epoch", "[40]", 40),
    ],
)
def test_values_of_several_kinds(key, given, kept):
    config = load_config("base", [f"reid.{key}={given}"])
    assert getattr(config.reid, key) == kept
    assert config_from_dict(to_dict(config)) == config


def test_checked_when_made_in_python():
    with pytest.raises(ConfigError, match=r"gan\.width: expected a whole number"):
        GanConfig(width=0)
    with pytest.raises(ConfigError, match=r"reid\.dropout: expected"):
        dataclasses.replace(ReidConfig(), dropout=1.5)
    with pytest.raises(ConfigError, match="seed: expected"):
        Config(seed="x")
    with pytest.raises(ConfigError, match="^gan: expected a section of keys, found 3"):
        Config(gan=3)
    with pytest.raises(ConfigError, match=r"^gan\.width: expected .*, found 0"):
        Config(gan={"width": 0})
    with pytest.raises(ConfigError, match=r"key gan\.widht; did you mean gan\.width\?"):
        GanConfig(widht=0)
    assert Config(gan={"width": 8}).gan == GanConfig(width=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().gan.width = 3
    assert GanConfig(image_size=[64, 64]).image_size == (64, 64)


# -------------------------------------------------------------------------- overrides


def test_overrides():
    config = load_config(
        "base",
        [
            "gan.batch_size=8",
            "gan.batch_size=4",
            "gan.learning_rate=3e-4",
            "gan.image_size=[64, 64]",
            " reid.random_flip =off",
            "backbone.weights=runs/resnet=1",
            "backbone.ibn=null",
            "evaluation={metric: cosine}",
            "seed=5",
        ],
    )
    assert (config.gan.batch_size, config.gan.learning_rate) == (4, 3e-4)
    assert config.gan.image_size == (64, 64)
    assert config.reid.random_flip is False
    assert config.backbone.weights == "runs/resnet=1"
    assert load_config("base", ["backbone.weights=null"]).backbone.weights == "none"
    assert config.backbone.ibn is None
    assert (config.evaluation.metric, config.evaluation.ap) == ("cosine", "standard")
    assert config.seed == 5


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("gan.batch_size", "expected section.key=value, for example gan.batch_size=8"),
        ("=3", "expected section.key=value"),
        ("", "expected section.key=value"),
        ("gan.image_size=[64", "can't be read as YAML: line 1: "),
        (
            "gna.batch_size=3",
            r"unknown key gna.batch_size; did you mean gan.batch_size",
        ),
        ("gan.bach_size=3", r"unknown key gan.bach_size; did you mean gan.batch_size"),
        ("gan.width.x=3", r"unknown key gan.width.x"),
        ("gan.=3", r"unknown key gan\."),
        ("gan=3", "gan: expected a section of keys, found 3"),
        ("base=other", "unknown key base"),
        ("seed.x=1", "unknown key seed.x"),
    ],
)
def test_bad_override(override, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config("base", [override])
    assert message(error).startswith(f"--set {override}: ")
