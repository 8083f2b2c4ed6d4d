"""Images that are bombs, damaged, or no images."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile.generated.archives import repacked
from hostile.generated.case import Kind, Random, command, no_plain_file, sound
from hostile.generated.manifests import pick
from PIL import Image

Action = Callable[[], None]
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "ICO")
MODES = ("RGB", "L", "RGBA", "P", "CMYK", "1", "LA", "I;16", "F", "HSV", "LAB", "YCbCr")


def _classified(folder: Path, picture: Path) -> Action:
    document, members = sound()
    path = repacked(folder, members, document)
    return lambda: command("run", path, picture, "--engine", "onnxruntime")


def png(width: int, height: int, rows: bytes, bits: int = 8, colour: int = 2) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def bomb(random: Random, folder: Path) -> Action:
    width, height = pick(
        random,
        (
            *((1, 80_000_000), (80_000_000, 1), (9_000, 9_000), (13_000, 13_000), (60_000, 60_000)),
            *((2**31 - 1, 1), (2**31 - 1, 2**31 - 1), (0, 0), (1, 0)),
        ),
    )
    compress = zlib.compressobj(9)
    row = bytes(1 << 20)
    size = min(300 << 20, height * (1 + 3 * width))
    rows = b"".join(compress.compress(row) for _ in range(size >> 20)) + compress.flush()
    picture = folder / "bomb.png"
    picture.write_bytes(png(width, height, rows))
    return _classified(folder, picture)


def damaged(random: Random, folder: Path) -> Action:
    stream = io.BytesIO()
    noise = random.integers(0, 256, (37, 41, 3)).astype(np.uint8)
    Image.fromarray(noise).save(stream, str(pick(random, FORMATS)))
    content = bytearray(stream.getvalue())
    if random.random() < 0.4:
        del content[int(random.integers(len(content))) :]
    else:
        for _ in range(int(random.integers(1, 9))):
            content[int(random.integers(min(len(content), 400)))] = int(random.integers(256))
    picture = folder / f"damaged.{pick(random, ('png', 'jpg', 'gif', 'txt'))}"
    picture.write_bytes(content)
    return _classified(folder, picture)


def odd(random: Random, folder: Path) -> Action:
    """Modes, sizes and orientations that cameras and scanners do write."""
    mode = str(pick(random, MODES))
    size = pick(random, ((1, 1), (1, 300), (300, 1), (5, 7), (4000, 3)))
    image = Image.new(mode, size)
    exif = Image.Exif()
    exif[0x0112] = int(random.integers(0, 12))
    stream = io.BytesIO()
    for format in ("PNG", "TIFF"):
        try:
            image.save(stream, format, exif=exif)
            break
        except (OSError, ValueError):
            stream = io.BytesIO()
    picture = folder / "odd"
    picture.write_bytes(stream.getvalue())
    return _classified(folder, picture)


def no_file(random: Random, folder: Path) -> Action:
    return _classified(folder, no_plain_file(random, folder / "picture.png"))


KINDS = (
    Kind("image: bomb", bomb, 20),
    Kind("image: damaged", damaged, 150),
    Kind("image: odd modes and sizes", odd, 60),
    Kind("image: pipe, device, folder", no_file, 15),
)
