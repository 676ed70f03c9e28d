"""Image files of every kind that a dataset may hold, whole, odd and bad."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tfipgan.data.image_endings import image_formats

HEIGHT, WIDTH = 40, 24
_ORIENTATION = 0x0112
# Of these Pillow writes the image below; the values are its options.
_FORMATS = {
    "JPEG": (".jpg", {"quality": 95}),
    "PNG": (".png", {}),
    "BMP": (".bmp", {}),
    "GIF": (".gif", {}),
    "WEBP": (".webp", {"lossless": True}),
    "TIFF": (".tif", {"compression": "tiff_lzw"}),
    "DIB": (".dib", {}),
    "PPM": (".ppm", {}),
}
if "AVIF" in image_formats():
    _FORMATS["AVIF"] = (".avif", {"quality": 90})


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
      name: what is special about it; its file's name, without folder.
      make: what makes it at a path.
      expected: "read", "named", or "either" where decoders may differ.
      pixels: uint8 (height, width, 3) that are seen; None asks Pillow.
    """

    name: str
    make: object
    expected: str
    pixels: np.ndarray | None = None


def picture() -> Image.Image:
    """RGB, smooth enough for a JPEG, and other than itself however it is turned."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)
    pixels = np.stack([230 * y + 10, 200 * x + 30, 120 * (1 - x * y) + 60], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(format: str, image: Image.Image | None = None, **options) -> bytes:
    """The image's file; the picture's if there is none."""
    file = io.BytesIO()
    (image or picture()).save(file, format, **{**_FORMATS[format][1], **options})
    return file.getvalue()


def whole_files() -> dict[str, bytes]:
    """A valid file of each format by its ending, to be damaged."""
    files = {ending: encoded(format) for format, (ending, _) in _FORMATS.items()}
    return files | {
        ".jpeg": encoded("JPEG", progressive=True),
        ".JPG": encoded("JPEG", picture().convert("L")),
        ".PNG": encoded("PNG", picture().convert("RGBA")),
        ".tiff": encoded("TIFF", compression="raw"),
        ".jfif": encoded("JPEG", optimize=True),
    }


def cases() -> Iterator[Case]:
    """All cases; each name is there once."""
    yield from _plain()
    yield from _turned()
    yield from _pixels()
    yield from _frames()
    yield from _named_otherwise()
    yield from _damaged()
    yield from _no_images()
    yield from _too_large()
    yield from _no_files()


def _of_these(*formats):
    return [format for format in formats if format in _FORMATS]


def _case(name, data, expected="read", pixels=None):
    return Case(name, lambda path: path.write_bytes(data), expected, pixels)


def _plain():
    p = picture()
    for name, options in {
        "jpeg": {},
        "jpeg_progressive": {"progressive": True},
        "jpeg_420": {"subsampling": 2},
        "jpeg_411": {"subsampling": "4:1:1"},
        "jpeg_restart": {"restart_marker_blocks": 1},
        "jpeg_profile": {"icc_profile": bytes(range(256)) * 300},
        "jpeg_comment": {"comment": b"\xff\xd9 no end"},
        "jpeg_bad_exif": {"exif": b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff"},
    }.items():
        yield _case(f"{name}.jpg", encoded("JPEG", **options))
    for mode in ("L", "LA", "RGBA"):
        yield _case(f"png_{mode}.png", encoded("PNG", p.convert(mode)))
    yield _case("jpeg_L.jpg", encoded("JPEG", p.convert("L")))
    yield _case("jpeg_and_more.jpg", encoded("JPEG") + b"\xff\xd8\xff more" * 99)
    yield _case("png_and_more.png", encoded("PNG") + bytes(99))
    yield _case("png_profile.png", encoded("PNG", icc_profile=bytes(9999)))
    yield _case("png_colour_key.png", encoded("PNG", transparency=(10, 30, 180)))
    yield _case("png_interlaced.png", _interlaced(p), pixels=np.asarray(p))
    yield _case("one_pixel.png", encoded("PNG", p.resize((1, 1))))
    yield _case("one_row.png", encoded("PNG", p.resize((300, 1))))
    yield _case("one_column.jpg", encoded("JPEG", p.resize((1, 3000))))


def _turned():
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        for format in _of_these("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
            ending = _FORMATS[format][0]
            name = f"turned_{orientation}{ending}"
            yield _case(name, encoded(format, exif=exif))
    exif[_ORIENTATION] = 6
    for mode in ("CMYK", "L"):
        data = encoded("JPEG", picture().convert(mode), exif=exif)
        yield _case(f"turned_{mode}.jpg", data)
    yield _case("turned_P.png", encoded("PNG", picture().quantize(9), exif=exif))
    exif[_ORIENTATION] = 9  # there is no such
    yield _case("turned_9.jpg", encoded("JPEG", exif=exif))


def _pixels():
    p = picture()
    yield _case("cmyk.jpg", encoded("JPEG", p.convert("CMYK")))
    yield _case("cmyk.tif", encoded("TIFF", p.convert("CMYK")))
    for mode in ("1", "P"):
        image = p.quantize(16) if mode == "P" else p.convert(mode)
        for format in ("PNG", "BMP", "GIF", "TIFF"):
            ending = _FORMATS[format][0]
            yield _case(f"mode_{mode}{ending}", encoded(format, image))
    yield _case(
        "P_alpha.png", encoded("PNG", p.quantize(9), transparency=bytes(range(9)))
    )
    yield _case("P_clear.gif", encoded("GIF", p.quantize(9), transparency=3))
    cut = p.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(p.size))
    for format in ("PNG", "WEBP", "TIFF"):
        yield _case(f"cut_out{_FORMATS[format][0]}", encoded(format, cut))
    yield _case("cut_out_grey.png", encoded("PNG", cut.convert("LA")))
    yield _case("alpha.webp", encoded("WEBP", p.convert("RGBA")))
    yield _case("lossy.webp", encoded("WEBP", lossless=False, quality=90))
    yield _case("alpha.tif", encoded("TIFF", p.convert("RGBA")))
    ycbcr = encoded("TIFF", p.convert("YCbCr"), compression="raw")
    yield _case("ycbcr.tif", ycbcr, "either")  # Pillow before 11 does not read it
    yield _case("grey.bmp", encoded("BMP", p.convert("L")))
    yield _case("alpha.bmp", encoded("BMP", p.convert("RGBA")))
    yield _case("upside_down.bmp", _top_down(), pixels=np.asarray(p))
    for compression in ("raw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield _case(f"{compression}.tiff", encoded("TIFF", compression=compression))
    fax = encoded("TIFF", p.convert("1"), compression="group4")
    yield _case("fax.tiff", fax)
    deep = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 68
    grey = np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2)
    for format in ("PNG", "TIFF"):
        data = encoded(format, Image.fromarray(deep), **_raw(format))
        yield _case(f"16_bit{_FORMATS[format][0]}", data, pixels=grey)
    colours = np.stack([deep, deep[::-1], deep[:, ::-1]], axis=-1)
    rows = [b"\0" + row.astype(">u2").tobytes() for row in colours]
    data = _png(WIDTH, HEIGHT, 16, 2, b"".join(rows))
    yield _case("16_bit_colours.png", data, pixels=(colours >> 8).astype(np.uint8))
    rows = [b"\0" + bytes([0b00011011] * (WIDTH // 4))] * HEIGHT
    header = f"{WIDTH} {HEIGHT}\n".encode()
    wide = b"P5 " + header + b"65535\n" + deep.astype(">u2").tobytes()
    yield _case("16_bit.pgm", wide, pixels=grey)
    ten = b"P5 " + header + b"1023\n" + (deep >> 6).astype(">u2").tobytes()
    exact = np.round((deep >> 6) / 1023 * 65535).astype(np.uint16) >> 8
    grey_ten = np.repeat(exact.astype(np.uint8)[..., None], 3, axis=2)
    yield _case("10_bit.pgm", ten, pixels=grey_ten)
    text = " ".join(map(str, np.asarray(p).ravel())).encode()
    yield _case("text.pnm", b"P3 " + header + b"255\n" + text, pixels=np.asarray(p))
    yield _case("mode_1.pbm", encoded("PPM", p.convert("1")))
    yield _case("mode_L.pgm", encoded("PPM", p.convert("L")))
    yield _case("palette.dib", encoded("DIB", p.quantize(16)))
    if "AVIF" in _FORMATS:
        yield _case("alpha.avif", encoded("AVIF", p.convert("RGBA")))
        yield _case("grey.avif", encoded("AVIF", p.convert("L")))
    two = np.tile([0, 85, 170, 255], (HEIGHT, WIDTH // 4)).astype(np.uint8)
    data = _png(WIDTH, HEIGHT, 2, 0, b"".join(rows))
    yield _case("2_bit.png", data, pixels=np.repeat(two[..., None], 3, axis=2))
    for name, image in {
        "32_bit.tif": Image.fromarray(deep.astype(np.int32)),
        "float.tif": Image.fromarray(deep.astype(np.float32)),
    }.items():
        yield _case(name, encoded("TIFF", image, compression="raw"), "named")
    floats = encoded("PPM", Image.fromarray(deep.astype(np.float32)))
    yield _case("float.pnm", floats, "named")


def _frames():
    more = [Image.new("RGB", (WIDTH, HEIGHT), "red")] * 2
    for format in _of_these("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = encoded(format, save_all=True, append_images=more)
        yield _case(f"frames{_FORMATS[format][0]}", data)
    file = io.BytesIO()
    picture().save(file, "MPO", save_all=True, append_images=more)
    yield _case("frames.jpg", file.getvalue())
    yield _case("frames.mpo", file.getvalue())


def _named_otherwise():
    files = whole_files()
    for place, ending in enumerate(list(files)[:6]):
        other = list(files)[(place + 1) % 6]
        yield _case(f"wrong{ending}{other}", files[ending])
    for name in (
        "with space.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg", "new\nline.jpg", "UP.JPG",
        "Up.Jpeg", "a.jpe", "a.JFIF", "a.jif", "a.pjp", "a.pjpeg",
        "%s.png", "'quote\".png", "-dash.jpg", "\u05d0.png",
        os.fsdecode(b"latin\xe9.jpg"), "x" * 200 + ".jpg",
    ):  # fmt: skip
        ending = ".png" if name.endswith("png") else ".jpg"
        yield _case(name, files[ending])

    def linked(path):
        target = path.parent.parent / "elsewhere.jpg"
        target.write_bytes(files[".jpg"])
        path.symlink_to(target)

    yield Case("link.jpg", linked, "read")


def _damaged():
    for ending, data in whole_files().items():
        # The end of a GIF or TIFF may hold nothing that Pillow asks for.
        lost = "either" if ending in (".gif", ".tif", ".tiff") else "named"
        for percent in (10, 50, 90):
            cut = data[: len(data) * percent // 100]
            yield _case(f"cut_{percent}{ending}", cut, lost)
        yield _case(f"last_byte{ending}", data[:-1], lost)
        if data[0]:  # an AVIF begins with a zero
            yield _case(f"first_byte{ending}", b"\0" + data[1:], "named")
        yield _case(f"head{ending}", data[:12], "named")
        middle = bytearray(data)
        middle[len(data) // 2] ^= 16
        yield _case(f"bit{ending}", bytes(middle), "either")
        zeros = data[:99] + bytes(len(data) - 99)
        yield _case(f"zeros{ending}", zeros, "either")
    png = encoded("PNG")
    yield _case("no_checksum.png", png[:-16] + bytes(4) + png[-12:], "named")
    yield _case("no_end.png", png[:-12], "named")
    yield _case("no_end.jpg", encoded("JPEG")[:-2], "named")


def _no_images():
    for name, data in {
        "empty": b"",
        "byte": b"\xff",
        "text": b"to do: download the images\n",
        "page": b"<!DOCTYPE html><html><h1>403 Forbidden</h1></html>",
        "vector": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "pdf": b"%PDF-1.4\n1 0 obj << >> endobj\ntrailer << >>\n%%EOF",
        "zip": b"PK\x03\x04" + bytes(99),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
        "ppm": b"P6 1 1 65536\n" + bytes(99),
        "large_file": b"git-lfs" * 9,
        "noise": np.random.default_rng(3).bytes(5000),
        "zeros": bytes(5000),
    }.items():
        yield _case(f"no_{name}.jpg", data, "named")


def _too_large():
    for side in (9000, 60_000):
        yield _case(f"{side}.png", _png(side, side, 8, 2, b""), "named")
    yield _case("long.png", _png(2_000_000, 1, 8, 0, bytes(2_000_001)), "named")
    bitmap = bytearray(encoded("BMP"))
    bitmap[18:26] = struct.pack("<ii", 30_000, 30_000)
    yield _case("30000.bmp", bytes(bitmap), "named")
    frame = bytearray(encoded("GIF"))
    frame[6:10] = struct.pack("<HH", 65_535, 65_535)
    yield _case("65535.gif", bytes(frame), "named")
    jpeg = bytearray(encoded("JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65_500, 65_500)
    yield _case("65500.jpg", bytes(jpeg), "named")
    canvas = struct.pack("<I", 10) + bytes(4) + (12_000).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + canvas + encoded("WEBP")[12:]
    yield _case("12000.webp", b"RIFF" + struct.pack("<I", len(body)) + body, "named")
    yield _case("9000.ppm", b"P6 9000 9000 255\n", "named")
    yield _case("slow.ppm", b"P3 3000 3000 255\n", "named")
    if "AVIF" in _FORMATS:
        size = encoded("AVIF").replace(
            struct.pack(">II", WIDTH, HEIGHT), struct.pack(">II", 7000, 7000)
        )
        yield _case("7000.avif", size, "named")
    scans = encoded("JPEG", progressive=True)
    last = scans[scans.rindex(b"\xff\xda") : -2]
    # In a smaller file there is no room for as many scans as the bound allows.
    many = scans[:-2] + last * (8_000_000 // len(last)) + scans[-2:]
    yield _case("scans.jpg", many, "either")

    def sparse(path):
        with open(path, "wb") as file:
            file.write(encoded("JPEG"))
            file.truncate(2**33)

    yield Case("eight_gigabytes.jpg", sparse, "named")


def _no_files():
    yield Case("folder.jpg", lambda path: path.mkdir(), "named")
    yield Case("pipe.jpg", os.mkfifo, "named")
    yield Case("gone.jpg", lambda path: path.symlink_to("nowhere"), "named")
    yield Case("itself.jpg", lambda path: path.symlink_to(path.name), "named")
    yield Case("endless.jpg", lambda path: path.symlink_to("/dev/zero"), "named")
    yield Case("nothing.jpg", lambda path: path.symlink_to("/dev/null"), "named")
    yield Case("up.jpg", lambda path: path.symlink_to(".."), "named")


def _raw(format):
    return {"compression": "raw"} if format == "TIFF" else {}


def _png(width, height, bits, colour, rows, interlaced=0):
    """A PNG written by hand, of what Pillow does not write."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def _interlaced(image):
    pixels, rows = np.asarray(image), []
    # The seven passes of the PNG specification: first column, row, and steps.
    for x, y, dx, dy in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
        (1, 0, 2, 2), (0, 1, 1, 2),
    ):  # fmt: skip
        rows += [b"\0" + row.tobytes() for row in pixels[y::dy, x::dx]]
    return _png(image.width, image.height, 8, 2, b"".join(rows), interlaced=1)


def _top_down():
    """A BMP whose height is negative: its first row is the upper one."""
    data = bytearray(encoded("BMP"))
    data[22:26] = struct.pack("<i", -HEIGHT)
    start = struct.unpack_from("<I", data, 10)[0]
    pixels = np.frombuffer(bytes(data[start:]), np.uint8).reshape(HEIGHT, -1)
    return bytes(data[:start]) + pixels[::-1].tobytes()


def write_corpus(folder: Path) -> dict[Path, Case]:
    """Makes all files in a new folder, named so that a pattern reads them."""
    folder.mkdir(parents=True)
    made = {}
    for number, case in enumerate(cases()):
        path = folder / f"p{number % 3}_c{number % 2}_{case.name}"
        assert path not in made, case.name
        case.make(path)
        made[path] = case
    return made


PATTERN = r"^p(?P<person>\d)_c(?P<camera>\d)_"
