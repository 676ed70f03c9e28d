"""Which files are images by the endings of their names, and which of them are read."""

from functools import cache

# By Pillow's names of the formats. It knows more: PostScript it hands to another
# program, TGA is anything that is nothing else, and JPEG 2000 is not worth its decoder.
_READ = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".pjp", ".pjpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
}
# Of every Pillow, whatever this one reads.
IMAGE_ENDINGS = tuple(ending for endings in _READ.values() for ending in endings)
_NOT_READ = (
    # Photos: HEIF, JPEG 2000, JPEG XL, JPEG XR, JPEG-LS and others.
    ".heic", ".heics", ".heif", ".heifs", ".hif", ".jp2", ".j2k", ".j2c", ".jpc",
    ".jpf", ".jpm", ".jpx", ".jxl", ".jxr", ".hdp", ".wdp", ".jls", ".bpg", ".flif",
    # What cameras write before any of these.
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2",
    ".srf", ".srw", ".x3f",
    # Frames of videos.
    ".mjpeg", ".mjpg", ".y4m", ".yuv",
    # Of programs that draw, and of old ones.
    ".eps", ".psb", ".psd", ".svg", ".svgz", ".xcf", ".dds", ".emf", ".exr", ".hdr",
    ".pam", ".pcx", ".pfm", ".qoi", ".ras", ".sgi", ".tga", ".wmf", ".xbm", ".xpm",
)  # fmt: skip
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")
# How many bytes `begins_like_image` asks for.
BEGINNING = 12


@cache
def image_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are decoded; AVIF if Pillow has it."""
    from PIL import features  # not for --help, which imports this module

    # Pillow before 11.2 warns of a name that it doesn't know.
    avif = "avif" in features.modules and features.check("avif")
    return tuple(format for format in _READ if format != "AVIF" or avif)


@cache
def _endings_read() -> tuple[str, ...]:
    return tuple(ending for format in image_formats() for ending in _READ[format])


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken as an image: by ending, not hidden."""
    return not name.startswith(".") and name.lower().endswith(_endings_read())


def is_unread_image_name(name: str) -> bool:
    """Whether a file of this name looks like an image of a kind that is not read."""
    hidden = name.startswith(".")
    known = name.lower().endswith((*_NOT_READ, *IMAGE_ENDINGS))
    return known and not hidden and not is_image_name(name)


def begins_like_image(data: bytes) -> bool:
    """Whether a file begins as JPEG, PNG, GIF, TIFF, WebP, HEIF or AVIF do."""
    if data.startswith(_BEGINNINGS):
        return True
    return data[:4] + data[8:] == b"RIFFWEBP" or data[4:8] == b"ftyp"


def endings() -> str:
    """Words for an error message: which files are taken as images."""
    *most, last = _endings_read()
    return f"files ending in {', '.join(most)} or {last}"
