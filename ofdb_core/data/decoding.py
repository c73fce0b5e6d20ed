"""Image files become bytes: 8 bits a channel, upright as the camera was held, and opaque.

What is transparent is laid on a ground. Gray values of more than 8 bits are scaled: white is the first of the mode's
`WHITES` that no value exceeds; a picture with other values is refused. Everything else is as Pillow converts it.
"""

import contextlib
import functools
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from PIL import ExifTags, Image

with contextlib.suppress(ImportError):  # with this package Pillow reads .heic files, as phones write them
    import pillow_heif

    pillow_heif.register_heif_opener()

Ground = Literal["white", "black"]
NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}  # Pillow knows them, but needs other programs
READERS = dict.fromkeys((".heic", ".heif", ".hif"), "pip install pillow-heif")  # ending -> what makes Pillow read it
WHITES = {"I;16": (4095, 65535), "I": (255, 4095, 65535), "F": (1, 255)}  # 12 bits are common in 16
ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND"}  # the first bytes -> some of the last
DENSEST = {b"\xff\xd8\xff": 512, b"\x89PNG": 8256}  # the most pixels a byte: a bit for 8 x 8; 1032 bytes of bits
LAST = 512  # bytes
MOST, LIMIT = 90_000_000, 178_956_970  # pixels: about where Pillow warns of a bomb, and where it refuses to open one
SCALED = ("JPEG", "MPO")  # formats whose decoder makes smaller pictures; phones write both
TURNS = {  # EXIF's orientation -> what turns the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Packed(Protocol):
    """An image file inside another file, as in a shard."""

    @property
    def name(self) -> str: ...

    def read_bytes(self) -> bytes: ...


File = str | Path | Packed


class Least(NamedTuple):
    """The smallest picture of which a network's view enlarges nothing: pixels of its short side, root of its area."""

    side: float
    root: float

    def scale(self, width: int, height: int) -> int:
        """The part, one of 8, 4, 2 and 1, of a larger picture's sides that is enough."""

        def is_enough(high: int, wide: int) -> bool:
            return min(high, wide) >= self.side and math.sqrt(high * wide) >= self.root

        return next((part for part in (8, 4, 2) if is_enough(height // part, width // part)), 1)


@dataclass(frozen=True)
class Reading:
    """How image files are decoded: the ground behind transparent pixels, and the most pixels that are decoded.

    least: JPEGs are decoded at 1/2, 1/4 or 1/8 of their sides, as long as this is left; None: whole.
    """

    ground: Ground = "white"
    least: Least | None = None
    most: int = MOST

    def begun(self, picture: Image.Image) -> tuple[int, int]:
        """The size at which an opened picture is decoded from now on; a ValueError if it has too many pixels."""
        width, height = picture.size
        part = self.least.scale(width, height) if self.least and picture.format in SCALED else 1
        if part > 1 and picture.draft(None, (width // part, height // part)) is None:
            part = 1
        if picture.width * picture.height > self.most:
            raise ValueError(
                f"it has {picture.width:,} x {picture.height:,} pixels, and max_pixels is {self.most:,}: save it "
                "smaller, or give more, of which each takes some 11 bytes in every thread"
            )
        return width // part, height // part  # without the last row or column that is padded to a whole pixel


WHOLE = Reading()


@functools.cache
def extensions() -> tuple[str, ...]:
    """The endings of image files, such as ".png", of all formats that Pillow decodes by itself (not .pdf, .mpg)."""
    known = Image.registered_extensions()
    return tuple(ending for ending, name in known.items() if name in Image.OPEN and name not in NO_PIXELS)


def stream(path: File) -> str | Path | io.BytesIO:
    """What Pillow opens."""
    return path if isinstance(path, str | Path) else io.BytesIO(path.read_bytes())


def decode(path: File, reading: Reading = WHOLE, *, upright: bool = True) -> np.ndarray:
    """The pixels of an image file, uint8: (H, W) if its RGB is gray throughout, else (H, W, 3).

    upright: turn the picture by the orientation in its EXIF block.
    """
    try:
        if isinstance(path, str | Path) and Path(path).exists() and not Path(path).is_file():
            raise ValueError("a pipe, a folder or a device")
        with Image.open(stream(path)) as opened:
            size = reading.begun(opened)
            opened.load()
            whole = opened if opened.size == size else opened.crop((0, 0, *size))
            picture = _upright(whole) if upright else whole
            if whites := WHITES.get(picture.mode[:4]):  # I;16 has variants, such as I;16B
                return _scaled(picture, whites, reading.ground)
            pixels = np.asarray(_opaque(picture, reading.ground).convert("RGB"))
    except Exception as error:  # every format has other errors: AVIF a RuntimeError, DDS a NotImplementedError
        raise ValueError(f"{path}: cannot be read as an image ({error}); restore or delete it and run again") from error
    gray = (pixels == pixels[..., :1]).all()
    return np.ascontiguousarray(pixels[..., 0]) if gray else pixels


def damage(path: File, reading: Reading = WHOLE) -> str | None:
    """What is wrong with an image file, in words, by its header and its last bytes; None if nothing is.

    A file is decoded only if it does not end where its format says: it may be cut off.
    """
    try:
        size, first, last = _ends(path)
        start = next((start for start in ENDS if first.startswith(start)), None)
        if start and ENDS[start] not in last:
            decode(path, reading)
        elif start is None or size * DENSEST[start] > reading.most:
            with Image.open(stream(path)) as picture:
                reading.begun(picture)
        return None
    except Image.UnidentifiedImageError:
        return "no picture" if size else "empty"
    except Exception as error:  # as in `decode`
        return str(error.__cause__ or error)


def _ends(path: File) -> tuple[int, bytes, bytes]:
    """The size of a file, and its first and last bytes."""
    if not isinstance(path, str | Path):
        data = path.read_bytes()
        return len(data), data[:8], data[-LAST:]
    file = os.open(path, os.O_RDONLY)  # a million files are looked at in a minute
    try:
        size = os.fstat(file).st_size
        return size, os.pread(file, 8, 0), os.pread(file, LAST, max(0, size - LAST))
    finally:
        os.close(file)


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block, which every format reports in its way, does not say how to turn
        return picture
    return picture if turn is None else picture.transpose(turn)


def _opaque(picture: Image.Image, ground: Ground) -> Image.Image:
    """The picture itself if no pixel is transparent, else laid on a ground."""
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, ground), layer)


def is_transparent(path: File) -> bool:
    """Whether a pixel of an image file is transparent, or half so."""
    with Image.open(stream(path)) as picture:
        if not picture.has_transparency_data or picture.mode[:4] in WHITES:
            return picture.has_transparency_data
        return picture.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _scaled(picture: Image.Image, whites: tuple[int, ...], ground: Ground) -> np.ndarray:
    """Gray values of more than 8 bits as bytes; a ValueError if they are beyond the largest white."""
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    white = next((white for white in whites if low >= 0 and high <= white), None)
    if white is None:
        allowed = " or ".join(f"0 to {white}" for white in whites)
        raise ValueError(f"its values are {low:g} to {high:g}, where {allowed} is expected: save it with 8 bits")
    integers = np.issubdtype(values.dtype, np.integer)
    scaled = values.astype(np.int64) * 256 // (white + 1) if integers else np.rint(values * (255 / white))
    pixels = scaled.astype(np.uint8)
    pixels[values == picture.info.get("transparency", -1)] = {"white": 255, "black": 0}[ground]
    return pixels


def unread(counts: Mapping[str, int]) -> str:
    """Endings of files that are not read, and their numbers: 12 .heic (needs: pip install pillow-heif), 3 .txt."""
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    hints = {ending: f" (needs: {reader})" for ending, reader in READERS.items()}
    return ", ".join(f"{n} {ending or 'without an ending'}{hints.get(ending, '')}" for ending, n in most_first)
