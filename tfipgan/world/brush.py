"""A brush that draws in body lengths, and the patterns of clothes.

Lengths are fractions of a person's height, y down from the crown (0) to the soles (1),
x to the right from the middle of the body.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from tfipgan.world.people import RGB
from tfipgan.world.views import Pose


def shade(colour: RGB, factor: float) -> tuple[int, int, int, int]:
    """Return an opaque colour, brighter or darker."""
    r, g, b = (min(255, round(c * factor)) for c in colour)
    return r, g, b, 255


class Brush:
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
        """Draw a tapered limb with round ends of radii w0 and w1."""
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
        """Fill a polygon with a pattern that is fixed to the body."""
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
    """Return where (uint8, 0 or 1) a pattern shows its accent colour."""
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
    elif pattern == "yoke":
        on = (y < 0.25) & (x == x)
    else:
        on = (y > 0.34) & (x == x)
    return on.astype(np.uint8)
