"""A dataset's cameras: who passes them, from where they look, and in what light."""

import itertools

import numpy as np
import pytest
from PIL import Image

from tfipgan.world import network as networks
from tfipgan.world.lighting import Lighting, draw_lighting, floor_shadow, light_field
from tfipgan.world.network import TEST, TRAIN, Network, Shot
from tfipgan.world.people import draw_people
from tfipgan.world.scenes import PLACES, cut_background, draw_panorama
from tfipgan.world.views import (
    View,
    draw_direction,
    draw_pose,
    draw_view,
    seen_from_above,
)
from tfipgan.world.visits import draw_shares, draw_visits, share_images

LEVEL = View(directions=(0.0,), pitch=0.0, roll=0.0, room=0.15)
EVEN = Lighting(0, 0, 0, 0, depth=0.5, cool=0, sun=(0.1, 0.4))


def test_few_are_seen_by_all_cameras_and_all_by_two_or_more():
    shares = draw_shares(np.random.default_rng(4), 4)
    assert shares.sum() == pytest.approx(1)
    rngs = [np.random.default_rng(k) for k in range(500)]
    visits = [draw_visits(rng, 1, shares) for rng in rngs]
    counts = np.bincount([len(cameras) for cameras in visits])
    assert counts[:2].sum() == 0
    # 2 + Binomial(2, 0.4): a sixth of them by all four.
    assert abs(counts[4] / 500 - 0.16) < 0.05
    assert abs(np.mean([len(cameras) for cameras in visits]) - 2.8) < 0.1
    seen = np.bincount(list(itertools.chain(*visits)), minlength=4)
    assert np.argmax(seen) == np.argmax(shares)
    assert np.argmin(seen) == np.argmin(shares)
    assert draw_visits(rngs[0], 0, shares) == (0, 1, 2, 3)


def test_two_cameras_see_everybody():
    for number in range(9):
        rng = np.random.default_rng(number)
        assert draw_visits(rng, number, np.array([0.9, 0.1])) == (0, 1)


def test_images_are_shared_by_the_cameras():
    rng = np.random.default_rng(0)
    shared = [share_images(rng, 16, 3) for _ in range(50)]
    assert {sum(counts) for counts in shared} == {16}
    assert min(min(counts) for counts in shared) >= 1
    assert len(set(map(tuple, shared))) > 20


def test_a_camera_sees_most_people_from_its_own_directions():
    views = [draw_view(np.random.default_rng(k)) for k in range(60)]
    assert {len(view.directions) for view in views} == {1, 2, 3}
    rng = np.random.default_rng(0)
    for view in views[:5]:
        seen = [draw_direction(rng, view) for _ in range(300)]
        own = sum(yaw in view.directions for yaw in seen)
        assert 0.83 < own / 300 < 0.97
        assert {yaw for yaw in seen if seen.count(yaw) > 1} == set(view.directions)


def test_boxes_are_off_and_a_few_of_them_badly():
    rng = np.random.default_rng(0)
    ((person,),) = draw_people((0,), 1, 1)
    poses = [draw_pose(rng, person, LEVEL, 90.0) for _ in range(2000)]
    assert np.std([pose.height for pose in poses]) > 0.02
    feet_cut = np.mean([1.03 < pose.y < 1.25 for pose in poses])
    head_cut = np.mean([pose.y - pose.height < -0.01 for pose in poses])
    aside = np.mean([abs(pose.x - 0.25) > 0.075 for pose in poses])
    half = np.mean([pose.height > 1.1 for pose in poses])
    for share in (feet_cut, head_cut, aside, half):
        assert 0.01 < share < 0.08
    assert abs(np.mean([pose.yaw for pose in poses]) - 90) < 1


def test_from_above_the_head_is_larger_and_the_feet_are_smaller():
    layer = Image.new("RGBa", (128, 256))
    layer.paste((255, 255, 255, 255), (48, 20, 80, 236))
    level = np.asarray(seen_from_above(layer, LEVEL))[..., 3] > 128
    assert np.array_equal(level, np.asarray(layer)[..., 3] > 128)
    view = View((0.0,), pitch=0.2, roll=0.0, room=0.15)
    above = np.asarray(seen_from_above(layer, view))[..., 3] > 128
    widths = above.sum(axis=1)[above.any(axis=1)]
    assert widths[3] > 35 > 32 > 29 > widths[-3]


def test_light_falls_unevenly():
    even = light_field(np.random.default_rng(0), EVEN, (128, 64))
    assert even.shape == (128, 64, 3)
    assert np.ptp(even) < 1e-6
    shade = Lighting(0, 0, shadows=1, leaves=0, depth=0.8, cool=0.2, sun=(0, 0.3))
    field = light_field(np.random.default_rng(1), shade, (128, 64))
    assert field[..., 1].max() / field[..., 1].min() > 1.5
    dark = field[np.unravel_index(field[..., 1].argmin(), (128, 64))]
    assert dark[0] < dark[1] < dark[2]
    leaves = Lighting(0, 0, 0, leaves=1, depth=0.8, cool=0, sun=(0, 0.3))
    pool = Lighting(0, pools=1, shadows=0, leaves=0, depth=0.8, cool=0, sun=(0, 0.3))
    for lighting in (leaves, pool):
        fields = light_field(np.random.default_rng(2), lighting, (128, 64))
        assert fields.std() > 0.02


def test_places_differ_in_light():
    found = {draw_lighting(np.random.default_rng(k)) for k in range(20)}
    assert len(found) == 20
    assert {lighting.leaves for lighting in found} == {0.0, 0.4}


def test_a_shadow_is_the_figure_laid_on_the_floor():
    cover = Image.new("L", (64, 128))
    cover.paste(255, (28, 20, 36, 120))
    shadow = floor_shadow(cover, 120, EVEN)
    assert shadow.shape == (128, 64)
    rows, columns = np.nonzero(shadow > 0.1)
    # 0.4 of its 100 rows long, its end to the right by 0.1 of them.
    assert 76 <= rows.min() <= 84
    assert 116 <= rows.max() <= 123
    assert columns[rows == rows.max()].mean() + 5 < columns[rows < 90].mean()


def test_backgrounds_move():
    rng = np.random.default_rng(0)
    for kind in range(len(PLACES)):
        place = draw_panorama(rng, kind)
        views = [np.asarray(cut_background(place, rng, (64, 32))) for _ in range(6)]
        assert views[0].shape == (64, 32, 3)
        for one, other in itertools.combinations(views, 2):
            assert np.abs(one.astype(float) - other).mean() > 8


def test_source_and_target_are_other_draws_by_the_same_rules():
    source, target = (Network(0, dataset, 10, (32, 16), 1.0) for dataset in (0, 1))
    assert not set(source.looks) & set(target.looks)
    views = [{place.view for place in one.places} for one in (source, target)]
    assert len(views[0]) == len(views[1]) == 10
    assert not views[0] & views[1]
    # As far from neutral as one another, over a few worlds.
    looks = [
        [one.exposure for seed in range(8) for one in Network(
            seed, dataset, 4, (32, 16), 1.0).looks]
        for dataset in (0, 1)
    ]  # fmt: skip
    assert 0.5 < np.std(looks[0]) / np.std(looks[1]) < 2


def test_every_occluder_is_drawn(monkeypatch):
    monkeypatch.setattr(networks, "OCCLUDED", 1.0)
    network = Network(0, 0, 2, (32, 16), 1.0)
    ((person,),) = draw_people((0,), 1, 1)
    drawn = set()
    paint = networks.paint_occluder
    monkeypatch.setattr(
        networks, "paint_occluder", lambda layer, rng: drawn.add(paint(layer, rng))
    )
    images = {network.light(person, Shot(TRAIN, 0, 0, k)).tobytes() for k in range(16)}
    assert len(images) == 16
    assert drawn == {None}


def test_all_images_of_a_passage_are_from_one_direction(monkeypatch):
    network = Network(0, 0, 2, (32, 16), 1.0)
    ((person,),) = draw_people((0,), 1, 1)
    yaws = []
    paint = networks.paint_person

    def watch(layer, person, pose):
        yaws.append(pose.yaw)
        paint(layer, person, pose)

    monkeypatch.setattr(networks, "paint_person", watch)
    for shot in network.test_shots(3, 12):
        if shot.camera == 0:
            network.light(person, shot)
    assert len(yaws) == 12
    assert 2 < np.std(yaws) < 25
    assert network.visits(TEST, 3) == (0, 1)
