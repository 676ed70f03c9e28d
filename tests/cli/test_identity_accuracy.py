"""`tfipgan identity-accuracy`: real images; tests/cli/test_translate.py has others."""

from tfipgan.data.datasets import training_samples
from tfipgan.evaluation.features import identity_accuracy


def test_the_share_of_real_images(
    tfipgan, tiny_reid_run, tiny_network, tiny_world, tiny_samples
):
    images = tiny_world / "source" / "bounding_box_train"
    words = ["--classifier", tiny_reid_run.path, "--images", images]
    result = tfipgan("identity-accuracy", *words)
    assert result.exit_code == 0, result.output
    expected = identity_accuracy(
        tiny_network,
        tiny_reid_run.labels,
        training_samples(tiny_samples[0]),
        (32, 16),
    )
    assert result.stdout == f"{expected:.4f}\n"


def test_people_that_the_classifier_never_saw(refused, tiny_reid_run, tiny_world):
    line = refused(
        1, "identity-accuracy", "--classifier", tiny_reid_run.path,
        "--images", tiny_world / "source" / "query",
    )  # fmt: skip
    assert line.startswith("person 6 is not among the 5 identities")
