import pytest

from tfipgan.clustering import ClusterSettings
from tfipgan.errors import InputError


def test_the_defaults_leave_all_open():
    settings = ClusterSettings()
    assert (settings.distance, settings.min_samples) == (None, 4)
    assert settings.k is settings.k_intra is settings.k_inter is settings.eps is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"distance": "cosine"},
            "distance is 'cosine', expected camera_aware or plain",
        ),
        ({"k": 0}, "k is 0, expected 1 or more"),
        ({"k_intra": -1}, "k_intra is -1, expected 1 or more"),
        ({"k_inter": 0}, "k_inter is 0, expected 1 or more"),
        ({"min_samples": 0}, "min_samples is 0, expected 1 or more"),
        ({"eps": 0.0}, "eps is 0.0, expected above 0 and below 1"),
        ({"eps": 1.0}, "eps is 1.0, expected above 0 and below 1"),
        ({"eps": float("nan")}, "eps is nan, expected above 0 and below 1"),
    ],
)
def test_out_of_range(values, message):
    with pytest.raises(InputError) as caught:
        ClusterSettings(**values)
    assert str(caught.value) == message


def test_the_ends_of_the_ranges():
    ClusterSettings(k=1, k_intra=1, k_inter=1, eps=0.001, min_samples=1)
