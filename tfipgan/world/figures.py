"""How the people of the built-in world are drawn.

Lengths are fractions of a person's height, y down from the crown (0) to the soles (1),
x to the right from the middle of the body.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from tfipgan.world.people import CLOTH, HAIR, HEMS, RGB, SKIN, Person, Pose


def _shade(colour: RGB, factor: float) -> tuple[int, int, int, int]:
    r, g, b = (min(255, round(c * factor)) for c in colour)
    return r, g, b, 255


class _Brush:
    """Draws in body lengths on an RGBA image."""

    def __init__(self, image: Image.Image, pose: Pose):
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.scale = pose.height * image.height
        self.left = pose.x * image.height
        self.top = pose.y * image.height - self.scale

    def at(self, x, y):
        return self.left + x * self.scale, self.top + y * self.scale

    def polygon(self, points, colour):
        self.draw.polygon([self.at(*p) for p in points], fill=colour)

    def ellipse(self, x, y, rx, ry, colour):
        box = [*self.at(x - rx, y - ry), *self.at(x + rx, y + ry)]
        self.draw.ellipse(box, fill=colour)

    def cap(self, x, y, rx, ry, colour, start=180, end=360):
        box = [*self.at(x - rx, y - ry), *self.at(x + rx, y + ry)]
        self.draw.chord(box, start, end, fill=colour)

    def box(self, x0, y0, x1, y1, colour, radius=0.01):
        x0, x1 = sorted((x0, x1))
        self.draw.rounded_rectangle(
            [*self.at(x0, y0), *self.at(x1, y1)], radius * self.scale, fill=colour
        )

    def limb(self, start, end, w0, w1, colour):
        """A tapered limb with round ends of radii w0 and w1."""
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = (y1 - y0) / length, (x0 - x1) / length
        self.polygon(
            [
                (x0 + nx * w0, y0 + ny * w0),
                (x1 + nx * w1, y1 + ny * w1),
                (x1 - nx * w1, y1 - ny * w1),
                (x0 - nx * w0, y0 - ny * w0),
            ],
            colour,
        )
        self.ellipse(x0, y0, w0, w0, colour)
        self.ellipse(x1, y1, w1, w1, colour)

    def cloth(self, points, base, accent, pattern):
        """Fills a polygon with a pattern that is fixed to the body."""
        self.polygon(points, base)
        if pattern == "plain":
            return
        corners = [self.at(*p) for p in points]
        left = max(0, int(min(x for x, _ in corners)))
        top = max(0, int(min(y for _, y in corners)))
        right = min(self.image.width, int(max(x for x, _ in corners)) + 1)
        bottom = min(self.image.height, int(max(y for _, y in corners)) + 1)
        if right <= left or bottom <= top:
            return
        x = (np.arange(left, right)[None, :] + 0.5 - self.left) / self.scale
        y = (np.arange(top, bottom)[:, None] + 0.5 - self.top) / self.scale
        inside = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(inside).polygon(
            [(cx - left, cy - top) for cx, cy in corners], fill=255
        )
        chosen = np.asarray(inside) * _pattern(pattern, x, y)
        self.image.paste(accent, (left, top), Image.fromarray(chosen))


def _pattern(pattern, x, y):
    """Returns where (uint8, 0 or 1) a pattern shows its accent colour."""
    if pattern == "hoops":
        on = (y % 0.072 < 0.036) & (x == x)
    elif pattern == "stripes":
        on = ((x + 0.016) % 0.064 < 0.032) & (y == y)
    elif pattern == "checks":
        on = (x % 0.088 < 0.044) ^ (y % 0.088 < 0.044)
    elif pattern == "dots":
        row = np.floor(y / 0.06)
        dx = (x + 0.03 * (row % 2)) % 0.06 - 0.03
        on = dx**2 + (y % 0.06 - 0.03) ** 2 < 0.019**2
    else:
        on = (y > 0.34) & (x == x)
    return on.astype(np.uint8)


def paint_person(image: Image.Image, person: Person, pose: Pose) -> None:
    """Draws a person on an RGBA image, over what is there."""
    brush = _Brush(image, pose)
    tone = person.tones
    upper = CLOTH[person.upper]
    accent = CLOTH[person.accent]
    lower = CLOTH[person.lower]
    skin = SKIN[person.skin]
    bag = _shade(CLOTH[person.bag_colour], tone[4])
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
        cloth = _shade(sleeve, tone[0] * light)
        bare = _shade(skin, light)
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
        cloth, bare = _shade(lower, tone[2] * light), _shade(skin, light)
        shin = cloth if person.lower_kind == "trousers" else bare
        thigh = bare if "skirt" in person.lower_kind else cloth
        slim = 1.0 if person.lower_kind == "trousers" else 0.85
        shoe = _shade(CLOTH[person.shoes], light)
        toe = ankle[0] + 0.03 * s, ankle[1] + 0.017 + 0.006 * max(0.0, c)
        brush.limb((ankle[0] - 0.012 * s, toe[1]), toe, 0.021, 0.018, shoe)
        brush.limb(knee, ankle, 0.04 * thick * slim, 0.027 * thick, shin)
        brush.limb(start, knee, 0.056 * thick, 0.042 * thick, thigh)

    def hanging_hair():
        hair = _shade(HAIR[person.hair], tone[3])
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
            dark = _shade(CLOTH[person.bag_colour], tone[4] * 0.7)
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
        _shade(lower, tone[2]),
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
            _shade(lower, tone[2]),
        )
    behind = c < -0.25
    if not behind:
        hanging_hair()
    if person.bag == "backpack" and abs(s) > 0.5:
        backpack()
    brush.limb((0.0, 0.1), (0.0, 0.17), 0.026, 0.03, _shade(skin, 0.9))
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
        _shade(upper, tone[0]),
        _shade(accent, tone[1]),
        "plain" if person.pattern == "logo" else person.pattern,
    )
    if person.pattern == "logo" and c > -0.25:
        r = 0.052
        brush.ellipse(s * waist * 0.7, 0.28, r * wide, r, _shade(accent, tone[1]))
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
    _paint_head(brush, person, c, s)
    if behind:
        hanging_hair()


def _paint_head(brush, person, c, s):
    skin = _shade(SKIN[person.skin], 1.0)
    hair = _shade(HAIR[person.hair], person.tones[3])
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
        hat = _shade(CLOTH[person.hat_colour], 1.0)
        brush.cap(x, 0.06, 0.058, 0.07, hat)
        if person.hat == "cap":
            brush.limb((x, 0.055), (x + 0.075 * s, 0.058), 0.012, 0.008, hat)
        elif person.hat == "brim":
            brush.ellipse(x, 0.052, 0.095, 0.016, hat)
        else:
            brush.box(x - 0.058, 0.035, x + 0.058, 0.062, hat)
