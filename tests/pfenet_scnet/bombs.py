"""Files of a few hundred bytes that say they hold more pixels than a memory does."""

import struct
import zlib
from io import BytesIO

from PIL import Image

SIDE = 60_000


def png_bomb(colours=False):
    """A PNG of one byte a pixel, or of three."""
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2 if colours else 0, 0, 0, 0)
    parts = (b"IHDR" + head, b"IDAT" + zlib.compress(bytes(9999)), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
    )


def jpeg_bomb():
    """A small JPEG whose head states another size."""
    file = BytesIO()
    Image.new("RGB", (32, 48)).save(file, "JPEG")
    return file.getvalue().replace(struct.pack(">HH", 48, 32), struct.pack(">HH", SIDE, SIDE))
