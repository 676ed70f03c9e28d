"""What is transparent is white, in files and in the graph, whatever lies under it."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfipgan.data.images import decode_image
from tfipgan.data.local_images import check_images, open_rgb

# Of the picture below: what is seen, where nothing is, and its size.
GREY = np.array([[0, 85, 170], [255, 85, 0], [170, 0, 255], [85, 170, 0]], np.uint8)
CLEAR = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]], bool)
SEEN = np.where(CLEAR, 255, GREY)
SIZE = GREY.shape
PARTS = "transparent in parts, pasted on white"


def chunk(kind, data):
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png(bits, colour, samples, *chunks):
    """A PNG of samples (height, width, channels); Pillow doesn't write all kinds."""
    height, width, channels = samples.shape
    rows = samples.reshape(height, width * channels).astype(np.uint32)
    each = [(rows >> place) & 1 for place in reversed(range(bits))]
    packed = np.packbits(np.stack(each, axis=-1).reshape(height, -1), axis=1)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def rgba(hidden, alpha=None):
    colours = np.where(CLEAR[..., None], hidden, GREY[..., None])
    alpha = np.where(CLEAR, 0, 255) if alpha is None else alpha
    return np.dstack([colours, alpha]).astype(np.uint8)


def grey_key(bits, hidden):
    """A grey PNG that has the hidden value where nothing is seen; it is the key."""
    scale = {1: 255, 2: 85, 4: 17, 8: 1, 16: 1}[bits]
    grey = GREY.astype(int) * 256 if bits == 16 else GREY // scale
    samples = np.where(CLEAR, hidden, grey)[..., None]
    return png(bits, 0, samples, (b"tRNS", struct.pack(">H", hidden)))


def palette(bits, hidden):
    """A palette of five, the last of which is transparent."""
    colours = [0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255, *hidden]
    samples = np.where(CLEAR, 4, GREY // 85)[..., None]
    opacity = (b"tRNS", bytes([255] * 4 + [0]))
    return png(bits, 3, samples, (b"PLTE", bytes(colours)), opacity)


def rgb_key(bits, hidden):
    colours = rgba(hidden)[..., :3].astype(int) * (256 if bits == 16 else 1)
    key = [int(value) * (256 if bits == 16 else 1) for value in hidden]
    return png(bits, 2, colours, (b"tRNS", struct.pack(">3H", *key)))


def grey_alpha(bits, hidden):
    samples = np.dstack([np.where(CLEAR, hidden[0], GREY), np.where(CLEAR, 0, 255)])
    return png(bits, 4, samples.astype(int) * (257 if bits == 16 else 1))


# Each makes a file of the picture with this colour, which is none of it, hidden in it.
PNGS = {
    "RGBA": lambda hidden: png(8, 6, rgba(hidden)),
    "RGBA, 16 bits": lambda hidden: png(16, 6, rgba(hidden).astype(int) * 257),
    "LA": lambda hidden: grey_alpha(8, hidden),
    "LA, 16 bits": lambda hidden: grey_alpha(16, hidden),
    "palette": lambda hidden: palette(8, hidden),
    "palette, 4 bits": lambda hidden: palette(4, hidden),
    "RGB, a key": lambda hidden: rgb_key(8, hidden),
    "grey, a key": lambda hidden: grey_key(8, hidden[0]),
    "grey, a key of 4 bits": lambda hidden: grey_key(4, 1 + hidden[0] % 4),
    "grey, a key of 16 bits": lambda hidden: grey_key(16, 1 + hidden[0]),
}
OTHERS = {
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {},
    "GIF": {},
}
HIDDEN = [(20, 20, 20), (30, 200, 140), (222, 7, 99)]


@pytest.fixture
def sent(tmp_path):
    """Function of bytes: the `LocalImage` of a file of them."""

    def check(data):
        path = tmp_path / "image.png"
        path.write_bytes(data)
        (image,), broken = check_images([path])
        assert not broken
        return image

    return check


def grey_pixels(contents, size=SIZE):
    pixels = decode_image(contents, size).numpy()
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


@pytest.mark.parametrize("kind", PNGS)
def test_pngs_are_seen_alike_by_the_graph_and_by_pillow(sent, kind):
    for hidden in HIDDEN:
        contents = PNGS[kind](hidden)
        image = sent(contents)
        assert not image.plain and image.oddities[-1] == PARTS
        np.testing.assert_array_equal(grey_pixels(contents), SEEN)
        np.testing.assert_array_equal(grey_pixels(image.contents()), SEEN)
        np.testing.assert_array_equal(open_rgb(image.path).getchannel("R"), SEEN)


@pytest.mark.parametrize("format", OTHERS)
def test_other_formats_are_seen_as_pngs_are(sent, format):
    for hidden in HIDDEN:
        image = Image.fromarray(rgba(hidden))
        if format == "GIF":  # saved with a key
            image = Image.open(io.BytesIO(palette(8, hidden)))
        image = sent(encoded(image, format, **OTHERS[format]))
        assert image.oddities == (f"of format {format}", PARTS)
        np.testing.assert_array_equal(grey_pixels(image.contents()), SEEN)


def test_a_bitmap_with_alpha(sent):
    """Whose fourth byte is alpha if there is a mask for it, and nothing otherwise."""
    for hidden in HIDDEN:
        pixels = rgba(hidden)[::-1, :, [2, 1, 0, 3]].tobytes()
        for compression, masks in ((3, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)), (0, ())):
            masks = struct.pack(f"<{len(masks)}I", *masks)
            info = struct.pack("<iiHHIIiiII", 3, 4, 1, 32, compression, 48, 0, 0, 0, 0)
            info = struct.pack("<I", 40 + len(masks)) + info + masks
            start = 14 + len(info)
            head = b"BM" + struct.pack("<IHHI", start + 48, 0, 0, start)
            image = sent(head + info + pixels)
            parts = (PARTS,) if compression else ()
            assert image.oddities == ("of format BMP", *parts)
            got = decode_image(image.contents(), SIZE)
            colours = SEEN[..., None] if compression else rgba(hidden)[..., :3]
            np.testing.assert_array_equal(got, np.broadcast_to(colours, (4, 3, 3)))


@pytest.mark.parametrize("turned", [1, 3])
def test_a_key_of_one_bit(sent, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    for key in (0, 1):
        tiff = exif.tobytes()[6:]
        samples = (GREY > 85)[..., None]
        key_chunk = (b"tRNS", struct.pack(">H", key))
        contents = png(1, 0, samples, key_chunk, (b"eXIf", tiff))
        seen = np.where((GREY > 85) | (key == 0), 255, 0)
        np.testing.assert_array_equal(grey_pixels(contents), seen)
        if turned == 3:
            seen = seen[::-1, ::-1]
        np.testing.assert_array_equal(grey_pixels(sent(contents).contents()), seen)


def test_every_colour_and_every_alpha(sent):
    """Half transparent is rounded to the nearest level, in both ways alike."""
    colours, alpha = np.indices((256, 256))
    other = 255 - colours
    pixels = np.dstack([colours, other, colours, alpha]).astype(np.uint8)
    contents = encoded(Image.fromarray(pixels), "PNG")
    shares = alpha[..., None] / 255
    exact = pixels[..., :3] * shares + 255 * (1 - shares)
    assert np.abs(exact % 1 - 0.5).min() > 1e-3  # nothing lies halfway
    np.testing.assert_array_equal(decode_image(contents, (256, 256)), np.rint(exact))
    image = sent(contents)
    expected = decode_image(contents, (256, 256))
    np.testing.assert_array_equal(decode_image(image.contents(), (256, 256)), expected)


def test_premultiplied_colours(sent):
    """A TIFF may have its colours darkened by their alpha already."""
    straight = rgba((20, 20, 20), alpha=np.where(CLEAR, 0, 100))
    darkened = straight.copy()
    darkened[..., :3] = np.rint(straight[..., :3] * (straight[..., 3:] / 255))
    # Tag 338 says which kind of alpha: 1 is premultiplied, 2 is not.
    data = encoded(Image.fromarray(darkened), "TIFF")
    tag = struct.pack("<HHI", 338, 3, 1)
    assert data.count(tag + b"\2") == 1
    image = sent(data.replace(tag + b"\2", tag + b"\1"))
    expected = decode_image(encoded(Image.fromarray(straight), "PNG"), SIZE)
    got = decode_image(image.contents(), SIZE)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette, 4 bits", "grey, a key"])
def test_after_resizing_too(sent, kind):
    contents = PNGS[kind]((30, 200, 140))
    white = encoded(Image.fromarray(SEEN), "PNG")
    for size in ((2, 2), (9, 7)):
        expected = decode_image(white, size)
        np.testing.assert_array_equal(decode_image(contents, size), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colour", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("more", [(), ((b"tEXt", b"a\0tRNS IDAT"),)])
def test_what_is_opaque_is_as_it_was(sent, bits, colour, more):
    """Of every kind of PNG, with and without another chunk before the pixels."""
    if bits < 8 and colour in (2, 4, 6) or bits == 16 and colour == 3:
        return  # there is no such
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rng = np.random.default_rng(bits)
    top = 2**bits - 1
    samples = rng.integers(
        0, min(top, 15 if colour == 3 else top) + 1, (5, 4, channels)
    )
    if colour in (4, 6):
        samples[..., -1] = top
    entries = rng.integers(0, 256, (min(top, 15) + 1, 3))
    table = ((b"PLTE", entries.astype(np.uint8).tobytes()),) * (colour == 3)
    contents = png(bits, colour, samples, *table, *more)
    if colour == 3:
        expected = entries[samples[..., 0]]
    else:
        colours = samples[..., :1] if channels < 3 else samples[..., :3]
        expected = colours >> 8 if bits == 16 else colours * (255 // top)
    expected = np.broadcast_to(expected, (5, 4, 3))
    np.testing.assert_array_equal(decode_image(contents, (5, 4)), expected)
    image = sent(contents)
    assert image.plain == (2 <= bits <= 8 and colour != 3)
    if image.plain:
        assert image.contents() == contents
    np.testing.assert_array_equal(decode_image(image.contents(), (5, 4)), expected)


def test_what_is_transparent_all_over_is_said_so(sent):
    key = png(8, 0, np.full((4, 3, 1), 5), (b"tRNS", b"\0\5"))
    for contents in (encoded(Image.new("RGBA", (3, 4), (9, 8, 7, 0)), "PNG"), key):
        image = sent(contents)
        assert image.oddities == ("transparent all over, read as white",)
        for read in (contents, image.contents()):
            assert (decode_image(read, (4, 3)).numpy() == 255).all()


def test_a_colour_of_16_bits_is_refused_and_read_by_the_graph(tmp_path):
    """Pillow has read only 8 of the bits that are to be compared."""
    contents = rgb_key(16, (30, 200, 140))
    np.testing.assert_array_equal(grey_pixels(contents), SEEN)
    path = tmp_path / "image.png"
    path.write_bytes(contents)
    (image,), broken = check_images([path])
    assert image is None
    words = "16 bits a channel with a transparent colour: convert it"
    assert broken == {str(path): words}


def test_keys_that_no_pixel_has(sent):
    contents = png(8, 0, GREY[..., None], (b"tRNS", b"\0\7"))
    image = sent(contents)
    assert image.plain and image.contents() == contents
    np.testing.assert_array_equal(grey_pixels(contents), GREY)
    # Only the lower bits of a key count.
    contents = png(8, 0, GREY[..., None], (b"tRNS", b"\1\125"))
    expected = np.where(GREY == 85, 255, GREY)
    np.testing.assert_array_equal(grey_pixels(contents), expected)
    np.testing.assert_array_equal(grey_pixels(sent(contents).contents()), expected)
