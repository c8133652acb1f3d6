"""Pictures made to cost memory: few bytes, many pixels, and what codecs hold beside them."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import PIL.Image as Pil

SIZE = (2500, 2000)


def plain(kind: str, mode: str, size: tuple[int, int] = SIZE, **options: Any) -> bytes:
    """One colour."""
    stream = io.BytesIO()
    if mode == "I;16":
        picture = Pil.fromarray(np.zeros(size[::-1], np.uint16))
    else:
        picture = Pil.new(mode, size)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(kind: str, size: tuple[int, int] = (1200, 1100), **options: Any) -> bytes:
    """What no codec can make small."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    Pil.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, size: tuple[int, int] = SIZE, *extra: bytes, **how: int) -> bytes:
    """Written by hand: 16 bits, interlaced, chunks of any kind."""
    width, height = size
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    interlaced = how.get("interlaced", 0)
    rows = bytes(((width * samples * depth + 7) // 8 + 1) * height * (1 + interlaced))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    data = chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + b"".join(extra) + data


def texts(count: int) -> tuple[bytes, ...]:
    bomb = zlib.compress(bytes(900_000), 9)
    return tuple(chunk(b"zTXt", b"k%d\0\0" % number + bomb) for number in range(count))


def tiles(size: tuple[int, int], tile: tuple[int, int], samples: int) -> bytes:
    """A TIFF of tiles that are all the same one."""
    count = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    data = zlib.compress(bytes(tile[0] * tile[1] * samples))
    values = {
        **dict(zip((256, 257, 322, 323), ((side,) for side in (*size, *tile)), strict=True)),
        258: (8,) * samples,
        **{259: (8,), 262: (2 if samples > 2 else 1,), 277: (samples,)},
        **{324: (0,) * count, 325: (len(data),) * count},
    }
    lists = 8 + 2 + 12 * len(values) + 4
    at = lists + sum(4 * len(found) for found in values.values() if len(found) > 1)
    values[324] = (at,) * count
    entries, behind = b"", b""
    for tag, found in sorted(values.items()):
        place = found[0] if len(found) == 1 else lists + len(behind)
        behind += struct.pack(f"<{len(found)}I", *found) if len(found) > 1 else b""
        entries += struct.pack("<HHII", tag, 4, len(found), place)
    return struct.pack("<2sHIH", b"II", 42, 8, len(values)) + entries + bytes(4) + behind + data


def run_lengths(size: tuple[int, int] = SIZE) -> bytes:
    width, height = size
    row = bytes((255, 0)) * (width // 255) + bytes((width % 255, 0)) + b"\0\0"
    body = row * height + b"\0\1"
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 1024)
    head += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return head + bytes(1024) + body


Make = Callable[[], bytes]
_TIFF = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg")
_WIDE, _TALL = (65_000, 120), (120, 65_000)
PICTURES: dict[str, Make] = {
    "png grey": partial(png, 8, 0),
    "png grey, tall": partial(png, 8, 0, _TALL),
    "png grey, wide": partial(png, 8, 0, _WIDE),
    "png one bit": partial(png, 1, 0),
    "png palette": partial(png, 8, 3),
    "png grey and alpha": partial(png, 8, 4),
    "png rgb": partial(png, 8, 2),
    "png rgba": partial(png, 8, 6),
    "png rgba of 16 bits": partial(png, 16, 6),
    "png rgb of 16 bits, interlaced": partial(png, 16, 2, interlaced=1),
    "png grey of 16 bits": partial(png, 16, 0),
    "png grey of 16 bits, interlaced": partial(png, 16, 0, interlaced=1),
    "png with texts": partial(png, 8, 2, (300, 200), *texts(4)),
    "png with too many texts": partial(png, 8, 2, (300, 200), *texts(60)),
    "png of noise": partial(noise, "PNG"),
    "jpeg": partial(plain, "JPEG", "RGB", subsampling=0),
    "jpeg, grey": partial(plain, "JPEG", "L"),
    "jpeg, cmyk": partial(plain, "JPEG", "CMYK"),
    "jpeg, progressive": partial(plain, "JPEG", "RGB", progressive=True, subsampling=0),
    "jpeg, progressive, 4:2:0": partial(plain, "JPEG", "RGB", progressive=True),
    "jpeg, progressive, grey": partial(plain, "JPEG", "L", progressive=True),
    "jpeg, progressive, cmyk": partial(plain, "JPEG", "CMYK", progressive=True),
    "jpeg of noise": partial(noise, "JPEG", quality=98, subsampling=0),
    "jpeg of restart markers": partial(plain, "JPEG", "RGB", restart_marker_blocks=1),
    "mpo": partial(plain, "MPO", "RGB", save_all=True, append_images=[Pil.new("RGB", SIZE)]),
    "apng": partial(plain, "PNG", "RGB", save_all=True, append_images=[Pil.new("RGB", SIZE, 9)]),
    "tiff of pages": partial(plain, "TIFF", "L", save_all=True, append_images=[Pil.new("L", SIZE)]),
    "tiff, fax": partial(plain, "TIFF", "1", compression="group4"),
    "tiff of noise": partial(noise, "TIFF", compression="tiff_lzw"),
    **{
        f"tiff {compression} {mode}, {rows} rows a strip": partial(
            plain, "TIFF", mode, compression=compression, tiffinfo={278: rows}
        )
        for compression in _TIFF
        for mode in ("L", "RGB", "I;16")
        for rows in (8, SIZE[1])
        if compression != "jpeg" or mode in {"L", "RGB"}
    },
    "tiff of tiles": partial(tiles, SIZE, (512, 512), 3),
    "tiff of one tile": partial(tiles, SIZE, (2512, 2000), 3),
    "tiff of one tile that is larger": partial(tiles, (64, 64), (4096, 2000), 3),
    "bmp": partial(plain, "BMP", "L", (1500, 1500)),
    "bmp of run lengths": run_lengths,
}
