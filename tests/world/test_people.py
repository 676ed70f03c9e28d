"""The people of the built-in world: who differs from whom, and by how much."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np

from tfipgan.world.people import ALIKE, CLOTH, draw_people, pick
from tfipgan.world.textures import CHEST, cloth_texture, texture_in_image
from tfipgan.world.views import Pose


def differing(one, other):
    pairs = zip(one.traits(), other.traits(), strict=True)
    return sum(a != b for a, b in pairs)


def test_a_third_are_pairs_in_the_same_colours_and_all_others_differ():
    groups = draw_people((0, 1), 2, 30)
    pairs = [
        (group[k - 1], group[k])
        for group in groups
        for k in range(ALIKE - 1, 30, ALIKE)
    ]
    assert len(pairs) * 2 == 60 // 3
    for one, other in pairs:
        assert 2 <= differing(one, other) <= 4
        assert (one.upper, one.accent, one.lower) == (
            other.upper,
            other.accent,
            other.lower,
        )
        assert one.weave != other.weave
    everybody = [person for group in groups for person in group]
    for one, other in itertools.combinations(everybody, 2):
        if (one, other) not in pairs:
            assert differing(one, other) >= 4


def test_a_person_does_not_depend_on_how_many_there_are():
    few, many = draw_people((0, 1), 2, 8), draw_people((0, 1), 2, 20)
    assert [group[:8] for group in many] == few


def test_dark_clothes_are_frequent_and_plain_smooth_ones_few():
    (people,) = draw_people((3,), 1, 200)
    lower = Counter(person.lower for person in people)
    assert lower["black"] > 1.4 * 200 / len(CLOTH)
    flat = [p for p in people if p.pattern == "plain" and p.fabric == "smooth"]
    assert 0 < len(flat) < 20


def test_pick_takes_each_by_its_parts():
    rng = np.random.default_rng(0)
    found = Counter(pick(rng, {"a": 3, "b": 0, "c": 1}) for _ in range(4000))
    assert set(found) == {"a", "c"}
    assert abs(found["a"] / 4000 - 0.75) < 0.03


def test_texture_leaves_what_is_bare_and_turns_with_the_body():
    ((one, other),) = draw_people((0,), 1, 2)
    texture = cloth_texture(one)
    assert (texture[:CHEST] == 1).all()
    assert texture[CHEST:].std() > 0.02
    bare = cloth_texture(replace(one, lower_kind="shorts"))
    assert (bare[80:] == 1).all() and bare[60:70].std() > 0.01
    assert not np.array_equal(texture, cloth_texture(other))

    def seen(yaw):
        pose = Pose(yaw, 0.0, 0.3, x=0.25, y=0.95, height=0.85)
        return texture_in_image(one, pose, (128, 64))

    assert seen(0).shape == (128, 64)
    assert np.array_equal(seen(0), seen(360))
    assert not np.array_equal(seen(0), seen(180))
