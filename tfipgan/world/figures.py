"""How the people of the built-in world are drawn; lengths are those of `Brush`."""

import math

from PIL import Image

from tfipgan.world.brush import Brush, shade
from tfipgan.world.people import CLOTH, HAIR, HEMS, SKIN, Person
from tfipgan.world.views import Pose


def paint_person(image: Image.Image, person: Person, pose: Pose) -> None:
    """Draws a person on an RGBA image, over what is there."""
    brush = Brush(image, pose)
    tone = person.tones
    upper = CLOTH[person.upper]
    accent = CLOTH[person.accent]
    lower = CLOTH[person.lower]
    skin = SKIN[person.skin]
    bag = shade(CLOTH[person.bag_colour], tone[4])
    c, s = math.cos(math.radians(pose.yaw)), math.sin(math.radians(pose.yaw))
    wide = math.hypot(c, 0.62 * s)
    shoulder = 0.122 * person.shoulder * wide
    waist = 0.088 * person.girth * wide
    hip = 0.098 * (0.4 + 0.6 * person.girth) * wide
    thick = 0.55 + 0.45 * person.girth
    hem = HEMS[person.hem]
    near = 1 if s > 0 else -1

    def arm(side, light):
        angle = -side * pose.stride * math.sin(pose.phase)
        x0, y0 = side * shoulder * 0.9 * c, 0.2
        out = 0.018 * side * c
        elbow = x0 + out + 0.16 * math.sin(angle) * s, y0 + 0.16 * math.cos(angle)
        bent = angle + 0.35
        hand = (
            elbow[0] + out * 0.3 + 0.15 * math.sin(bent) * s,
            elbow[1] + 0.15 * math.cos(bent),
        )
        sleeve = accent if person.pattern == "two-tone" else upper
        cloth = shade(sleeve, tone[0] * light)
        bare = shade(skin, light)
        above = bare if person.sleeves == "none" else cloth
        below = cloth if person.sleeves == "long" else bare
        brush.limb(elbow, hand, 0.026 * thick, 0.021 * thick, below)
        brush.limb((x0, y0), elbow, 0.034 * thick, 0.029 * thick, above)
        brush.ellipse(*hand, 0.021, 0.023, bare)
        return hand

    def leg(side, light):
        swing = side * pose.stride * math.sin(pose.phase)
        bend = 0.06 + pose.stride * max(0.0, side * math.cos(pose.phase))
        start = side * hip * 0.48 * c, 0.51
        knee = (
            start[0] + 0.235 * math.sin(swing) * s,
            start[1] + 0.235 * math.cos(swing),
        )
        ankle = (
            knee[0] + 0.225 * math.sin(swing - bend) * s,
            knee[1] + 0.225 * math.cos(swing - bend),
        )
        cloth, bare = shade(lower, tone[2] * light), shade(skin, light)
        shin = cloth if person.lower_kind == "trousers" else bare
        thigh = bare if "skirt" in person.lower_kind else cloth
        slim = 1.0 if person.lower_kind == "trousers" else 0.85
        shoe = shade(CLOTH[person.shoes], light)
        toe = ankle[0] + 0.03 * s, ankle[1] + 0.017 + 0.006 * max(0.0, c)
        brush.limb((ankle[0] - 0.012 * s, toe[1]), toe, 0.021, 0.018, shoe)
        brush.limb(knee, ankle, 0.04 * thick * slim, 0.027 * thick, shin)
        brush.limb(start, knee, 0.056 * thick, 0.042 * thick, thigh)
        if person.lower_pattern == "side stripe":
            line = shade(accent, light)
            out = 0.03 * side * abs(c)
            middle = knee[0] + out, knee[1]
            brush.limb((start[0] + out, start[1]), middle, 0.011, 0.011, line)
            brush.limb(middle, (ankle[0] + out * 0.7, ankle[1]), 0.011, 0.009, line)
        elif person.lower_pattern == "checks":
            line = shade(lower, light * (0.7 if sum(lower) > 240 else 1.9))
            for part in (0.15, 0.5, 0.85):
                for (x0, y0), (x1, y1) in ((start, knee), (knee, ankle)):
                    x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
                    brush.limb(
                        (x - 0.03 * thick, y), (x + 0.03 * thick, y), 0.006, 0.006, line
                    )

    def hanging_hair():
        if person.hat == "hood":
            return
        hair = shade(HAIR[person.hair], tone[3])
        if person.haircut == "long":
            brush.box(-0.056 - 0.02 * s, 0.06, 0.056 - 0.02 * s, 0.245, hair, 0.04)
        elif person.haircut == "bob":
            brush.box(-0.058 - 0.012 * s, 0.05, 0.058 - 0.012 * s, 0.15, hair, 0.03)
        elif person.haircut == "ponytail":
            x = -0.058 * s
            brush.limb((x, 0.07), (x * 1.35, 0.2), 0.02, 0.012, hair)

    def backpack():
        if abs(s) > 0.5:
            x = -s * (waist + 0.05)
            brush.box(x - 0.055, 0.19, x + 0.055, 0.41, bag, 0.035)
        elif c < 0:
            brush.box(-shoulder * 0.8, 0.19, shoulder * 0.8, 0.43, bag, 0.035)
            dark = shade(CLOTH[person.bag_colour], tone[4] * 0.7)
            brush.box(-shoulder * 0.55, 0.32, shoulder * 0.55, 0.40, dark, 0.02)
        else:
            for side in (-0.6, 0.6):
                x = side * shoulder
                brush.limb((x, 0.17), (x * 1.15, 0.36), 0.014, 0.014, bag)

    arm(-near, 0.72)
    leg(-near, 0.74)
    leg(near, 1.0)
    brush.polygon(
        [(-waist, 0.44), (waist, 0.44), (hip, 0.54), (-hip, 0.54)],
        shade(lower, tone[2]),
    )
    if "skirt" in person.lower_kind:
        end = 0.72 if person.lower_kind == "skirt" else 0.9
        flare = hip * (1.3 if person.lower_kind == "skirt" else 1.55)
        swing = 0.02 * math.sin(pose.phase) * s
        brush.polygon(
            [
                (-waist, 0.44),
                (waist, 0.44),
                (flare + swing, end),
                (-flare + swing, end),
            ],
            shade(lower, tone[2]),
        )
    behind = c < -0.25
    if not behind:
        hanging_hair()
    if person.bag == "backpack" and abs(s) > 0.5:
        backpack()
    brush.limb((0.0, 0.1), (0.0, 0.17), 0.026, 0.03, shade(skin, 0.9))
    edge = waist + (hip - waist) * 0.9
    brush.cloth(
        [
            (-0.04, 0.148),
            (0.04, 0.148),
            (shoulder * 0.9, 0.168),
            (shoulder, 0.2),
            (waist, 0.36),
            (edge * (1 + 0.5 * (hem - 0.48)), hem),
            (-edge * (1 + 0.5 * (hem - 0.48)), hem),
            (-waist, 0.36),
            (-shoulder, 0.2),
            (-shoulder * 0.9, 0.168),
        ],
        shade(upper, tone[0]),
        shade(accent, tone[1]),
        "plain" if person.pattern in ("print", "open") else person.pattern,
    )
    if person.pattern == "print" and c > -0.25:
        r = 0.055
        brush.ellipse(s * waist * 0.7, 0.28, r * wide, r, shade(accent, tone[1]))
    if person.pattern == "open" and c > -0.25:
        x, half = s * waist * 0.75, 0.042 * max(0.35, c)
        low = min(hem - 0.01, 0.5)
        points = [(x - half, 0.155), (x + half, 0.155), (x + half * 1.3, low)]
        points.append((x - half * 1.3, low))
        brush.polygon(points, shade(accent, tone[1]))
    if person.bag == "backpack" and abs(s) <= 0.5:
        backpack()
    if person.bag == "shoulder bag":
        side = -1 if c > 0 else 1
        strap = -side * shoulder * 0.6 * abs(c), 0.17
        end = side * (hip + 0.015), 0.47
        brush.limb(strap, end, 0.01, 0.01, bag)
        brush.box(end[0] - 0.06, 0.45, end[0] + 0.06, 0.56, bag, 0.02)
    hand = arm(near, 0.88)
    if person.bag == "hand bag":
        x, y = hand
        brush.limb((x - 0.03, y + 0.05), (x, y), 0.006, 0.006, bag)
        brush.limb((x + 0.03, y + 0.05), (x, y), 0.006, 0.006, bag)
        brush.box(x - 0.062, y + 0.04, x + 0.062, y + 0.14, bag, 0.015)
    if person.bag == "trolley":
        x, y = hand
        foot = x - 0.1 * s, 0.93
        brush.limb((x, y), (foot[0], 0.72), 0.006, 0.006, (60, 60, 64, 255))
        brush.box(foot[0] - 0.07, 0.7, foot[0] + 0.07, 0.96, bag, 0.015)
    _paint_head(brush, person, c, s)
    if behind:
        hanging_hair()


def _paint_head(brush, person, c, s):
    skin = shade(SKIN[person.skin], 1.0)
    hair = shade(HAIR[person.hair], person.tones[3])
    x = 0.012 * s
    if person.haircut == "bun" and person.hat == "none":
        brush.ellipse(x - 0.035 * s, 0.0, 0.03, 0.028, hair)
    if person.haircut == "round" and person.hat == "none":
        brush.ellipse(x, 0.06, 0.078, 0.075, hair)
    brush.ellipse(x, 0.072, 0.05, 0.066, skin if person.haircut == "bald" else hair)
    if c > -0.35:
        face = 0.03 + 0.014 * max(c, 0.0)
        low = 0.085 if person.haircut != "bald" else 0.075
        brush.ellipse(x + 0.018 * s, low, face, 0.053, skin)
        for side in (-1, 1):
            eye = x + 0.034 * s + side * 0.017 * c
            brush.ellipse(eye, 0.076, 0.0045, 0.005, (48, 38, 36, 255))
    if person.hat != "none":
        hat = shade(CLOTH[person.hat_colour], 1.0)
        brush.cap(x, 0.06, 0.058, 0.07, hat)
        if person.hat == "cap":
            brush.limb((x, 0.055), (x + 0.075 * s, 0.058), 0.012, 0.008, hat)
        elif person.hat == "hood":
            brush.ellipse(x - 0.012 * s, 0.075, 0.062, 0.08, hat)
            if c > -0.2:
                brush.ellipse(x + 0.02 * s, 0.085, 0.028 + 0.012 * c, 0.05, skin)
        elif person.hat == "brim":
            brush.ellipse(x, 0.052, 0.095, 0.016, hat)
        else:
            brush.box(x - 0.058, 0.035, x + 0.058, 0.062, hat)
