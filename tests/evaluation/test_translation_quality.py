"""Translation quality by a classifier that is foretold; the command has a real one."""

import numpy as np
import pytest

from tfipgan.data.filenames import Sample
from tfipgan.data.labels import LabelMap
from tfipgan.errors import InputError
from tfipgan.evaluation import translation_quality as module
from tfipgan.evaluation.kernel_distance import kernel_distance
from tfipgan.evaluation.translation_quality import translation_quality

LABELS = LabelMap((1, 3, 8))
# Images made for the cameras 1, 3 and 8, and what the classifier takes them for.
NAMED = {1: (1, 1, 3, 1), 3: (3, 3, 3, 3), 8: (1, 3, 3, 8, 8)}


def rows_of(samples):
    """A feature of length 1 for each image, that its path decides."""
    rows = []
    for sample in samples:
        seed = int.from_bytes(sample.path.encode(), "little")
        row = np.random.default_rng(seed).normal(size=6)
        rows.append(row / np.linalg.norm(row))
    return np.array(rows, np.float32)


@pytest.fixture(autouse=True)
def foretold(monkeypatch):
    """The classifier names the camera that the end of the path tells."""

    def measured(network, samples, image_size, batch_size, progress):
        assert (network, image_size, batch_size, progress) == ("net", (8, 4), 5, True)
        named = [int(s.path.rpartition("=")[2]) for s in samples]
        return np.array([LABELS.index(n) for n in named]), rows_of(samples)

    def energies(made, real, batch_size):
        assert batch_size == 5
        return tuple(
            np.array([[len(s.path), s.camera_id] for s in one], float)
            for one in (made, real)
        )

    monkeypatch.setattr(module, "classes_and_features", measured)
    monkeypatch.setattr(module, "energies_at_one_size", energies)


def images(kind, named, source_camera=None):
    return [
        Sample(f"{kind}{camera}-{number}={name}", 5, camera, source_camera)
        for camera, names in named.items()
        for number, name in enumerate(names)
    ]


TRANSLATED = images("made", NAMED, source_camera=2)
REAL = images("real", {1: (1,) * 3, 3: (3,) * 2, 8: (8,) * 5})
HELD_OUT = images("held", {1: (1, 1, 8), 3: (3,), 99: (1, 1)})
SOURCE = images("source", {1: (1,), 2: (1, 3)})


def measure(translated=TRANSLATED, real=REAL, *more, labels=LABELS):
    return translation_quality(
        "net", labels, translated, real, *more,
        image_size=(8, 4), batch_size=5, progress=True,
    )  # fmt: skip


def apart(first, second, camera=None):
    """The kernel distance of two sets, of the second's camera."""
    second = [s for s in second if s.camera_id == camera]
    return kernel_distance(rows_of(first), rows_of(second))


def test_each_camera():
    found = measure(TRANSLATED, REAL, HELD_OUT, SOURCE)
    one, three, eight = found["cameras"]
    assert one == {
        "camera": 1,
        "images": 4,
        "accuracy": 0.75,
        "real_images": 3,
        "real_accuracy": pytest.approx(2 / 3),
        "distance": pytest.approx(apart(TRANSLATED[:4], REAL, 1)),
        "source_distance": pytest.approx(apart(SOURCE, REAL, 1)),
        "floor": pytest.approx(apart(HELD_OUT[:3], REAL, 1)),
        # Both have names of nine letters, and the camera's number.
        "sharpness": 1.0,
        "fine": 1.0,
    }
    assert (three["camera"], three["accuracy"], three["distance"]) == (
        3, 1.0, pytest.approx(apart(TRANSLATED[4:8], REAL, 3)),
    )  # fmt: skip
    # One image can be named, but has no distance.
    assert (three["real_images"], three["real_accuracy"]) == (1, 1.0)
    assert three["floor"] is None
    assert (eight["images"], eight["accuracy"]) == (5, 0.4)
    assert (eight["real_images"], eight["real_accuracy"], eight["floor"]) == (
        0, None, None,
    )  # fmt: skip


def test_all_cameras():
    found = measure(TRANSLATED, REAL, HELD_OUT, SOURCE)
    cameras = found["cameras"]
    assert found["accuracy"] == pytest.approx(9 / 13)
    # A share of images: the cameras have 3 and 1.
    assert found["real_accuracy"] == pytest.approx(3 / 4)
    for name in ("distance", "source_distance", "sharpness", "fine"):
        expected = np.mean([camera[name] for camera in cameras])
        assert found[name] == pytest.approx(expected)
    assert found["floor"] == cameras[0]["floor"]


def test_without_held_out_images_and_source():
    found = measure()
    for values in (found, *found["cameras"]):
        assert values["real_accuracy"] is values["floor"] is None
        assert values["source_distance"] is None
    assert {camera["real_images"] for camera in found["cameras"]} == {None}
    assert found["accuracy"] == pytest.approx(9 / 13)


def test_a_set_translated_to_the_whole_target():
    """There is no camera to name; every camera is compared with all of it."""
    whole = images("whole", {0: (1, 3, 3)}, source_camera=2)
    found = measure(whole, REAL, HELD_OUT)
    assert found["accuracy"] is None
    assert found["real_accuracy"] == pytest.approx(3 / 4)
    for camera in found["cameras"]:
        assert (camera["accuracy"], camera["images"]) == (None, 3)
        expected = apart(whole, REAL, camera["camera"])
        assert camera["distance"] == pytest.approx(expected)
        # All of the set, whose number is 0, and names of ten letters.
        assert (camera["sharpness"], camera["fine"]) == (10 / 9, 0.0)


def test_camera_0_of_several_is_a_camera_like_any():
    made = images("made", {0: (1, 1), 3: (3, 3)}, source_camera=2)
    real = images("real", {0: (1, 1), 3: (3, 3)})
    zero, three = measure(made, real, labels=LabelMap((0, 3, 8)))["cameras"]
    assert zero["images"] == three["images"] == 2
    # By its own images alone, whose number is 3 as that of the real ones.
    assert (three["sharpness"], three["fine"]) == (1, 1)


def test_real_images_without_any_detail(monkeypatch):
    flat = np.zeros((len(REAL), 2))
    made = np.ones((len(TRANSLATED), 2))
    monkeypatch.setattr(module, "energies_at_one_size", lambda *args: (made, flat))
    found = measure()
    for values in (found, *found["cameras"]):
        assert values["sharpness"] is values["fine"] is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"translated": [*TRANSLATED, *REAL]}, "real1-0=1 is not a translated image"),
        ({"translated": TRANSLATED[:8]}, "of cameras 1, 3, .* images of 1, 3, 8; exp"),
        ({"real": REAL[:5]}, "of cameras 1, 3, 8, .* images of 1, 3; expected the sam"),
        ({"labels": LabelMap((1, 3))}, "tells cameras 1, 3 .* the target's camera 8"),
        ({"translated": TRANSLATED[:9]}, "camera 8 has 1 translated image, .* least 2"),
        ({"real": REAL[:6]}, "camera 8 has 1 real image, expected at least 2"),
        (
            {"translated": images("whole", {0: (1,)}, source_camera=2)},
            "camera 1 has 1 translated image",
        ),
    ],
)
def test_sets_that_do_not_fit(changes, expected):
    with pytest.raises(InputError, match=expected) as error:
        measure(**changes)
    assert "\n" not in str(error.value)


def test_a_source_of_one_image():
    with pytest.raises(InputError, match="the source has 1 image, .* leave the source"):
        measure(TRANSLATED, REAL, (), SOURCE[:1])
