"""What a picture's bytes say of lost data: codecs fill gaps with grey, black or noise, silently.

JPEG: the decoder's own warnings (see `jpeg.py`), and the number of scans before it is decoded.
PNG: the checksum of each chunk. TIFF: a strip or tile for each part of the picture.
"""

import re
import struct
import zlib
from collections.abc import Iterator

import PIL.TiffImagePlugin as Tiff

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # no stuffing, no restart
START_OF_SCAN, _END_OF_IMAGE, _START_OF_IMAGE = b"\xff\xda", b"\xd9", b"\xd8"
_PNG_HEAD = 8  # bytes of its signature
_CHUNK = struct.Struct(">I4s")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by a PNG's colour type
_ADAM7 = (  # x, y, dx, dy of each pass of an interlaced PNG
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
_STEP = 2**18  # bytes that are inflated at once
_OFFSETS, _COUNTS, _ROWS_PER_STRIP, _PLANAR = 273, 279, 278, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_COMPRESSION, _JPEG, _JPEG_TABLES = 259, 7, 347


def jpeg_scans(data: bytes, enough: int) -> int:
    """Scans of a JPEG, counted from its markers; counting ends beyond `enough`."""
    if data.count(START_OF_SCAN) <= enough:  # true of nearly every file
        return 0
    scans, at = 0, 2
    while scans <= enough and (found := _MARKER.search(data, at)):
        marker, at = found[1], found.end()
        if marker == _END_OF_IMAGE:
            break
        scans += marker == START_OF_SCAN[1:]
        if marker != _START_OF_IMAGE:
            at += int.from_bytes(data[at : at + 2])
    return scans


def png_damage(data: bytes) -> str | None:
    """What is wrong with the chunks of a PNG, or None."""
    for kind, body in _chunks(data):
        end = body.stop
        if zlib.crc32(memoryview(data)[body.start - 4 : end]) != int.from_bytes(
            data[end : end + 4]
        ):
            return f"the checksum of a PNG chunk ({kind.decode('latin-1')}) is wrong"
        if kind == b"IEND":
            return None
    return "the PNG ends before its last chunk"


def png_shortage(data: bytes) -> str | None:
    """What a PNG's compressed rows lack, or None. As dear as inflating them."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    expected = sum(
        rows * (1 + (columns * depth * _SAMPLES[colour] + 7) // 8)
        for rows, columns in _passes(width, height, bool(interlaced))
        if columns
    )
    found = _inflated(data, expected)
    return f"the PNG has {found} of {expected} bytes of its rows" if found < expected else None


def _passes(width: int, height: int, interlaced: bool) -> Iterator[tuple[int, int]]:
    """Rows and columns of each pass over the picture."""
    for x, y, dx, dy in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        yield -(-(height - y) // dy), -(-(width - x) // dx)


def _inflated(data: bytes, enough: int) -> int:
    inflate, found = zlib.decompressobj(), 0
    for kind, body in _chunks(data):
        rest = data[body] if kind == b"IDAT" else b""
        while rest and found < enough and not inflate.eof:
            found += len(inflate.decompress(rest, _STEP))
            rest = inflate.unconsumed_tail
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, slice]]:
    """Kind and place of the body of each chunk that is there as a whole."""
    at = _PNG_HEAD
    while at + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack_from(data, at)
        body = slice(at + _CHUNK.size, at + _CHUNK.size + length)
        if body.stop + 4 > len(data):
            return
        yield kind, body
        at = body.stop + 4


def tiff_damage(opened: Tiff.TiffImageFile, data: bytes) -> str | None:
    """What is missing of the first page of a TIFF, or None."""
    parts = _parts(opened)
    expected = _expected(opened)
    if len(parts) < expected:
        return f"the TIFF has {len(parts)} of {expected} strips or tiles"
    lost = sum(not 0 < at <= at + size <= len(data) or size == 0 for at, size in parts)
    return f"{lost} of {len(parts)} strips or tiles of the TIFF are missing" if lost else None


def tiff_jpegs(opened: Tiff.TiffImageFile, data: bytes) -> Iterator[bytes]:
    """The strips or tiles of a TIFF that holds JPEG data, each as a JPEG of its own."""
    if opened.tag_v2.get(_COMPRESSION) != _JPEG:
        return
    tables = opened.tag_v2.get(_JPEG_TABLES, b"")
    for at, size in _parts(opened):
        yield tables[:-2] + data[at + (2 if tables else 0) : at + size]


def _parts(opened: Tiff.TiffImageFile) -> list[tuple[int, int]]:
    """Offset and bytes of each strip or tile; 1 byte where the file does not say how many."""
    tags = opened.tag_v2
    tiled = _TILE_OFFSETS in tags
    offsets = tags.get(_TILE_OFFSETS if tiled else _OFFSETS, ())
    sizes = tags.get(_TILE_COUNTS if tiled else _COUNTS, (1,) * len(offsets))
    return list(zip(offsets, sizes, strict=False))


def _expected(opened: Tiff.TiffImageFile) -> int:
    tags = opened.tag_v2
    width, height = int(tags[256]), int(tags[257])  # as stored: orientation may swap them
    planes = len(opened.getbands()) if tags.get(_PLANAR) == 2 else 1
    if _TILE_OFFSETS in tags:
        across = -(-width // max(1, int(tags.get(_TILE_WIDTH, width))))
        return planes * across * -(-height // max(1, int(tags.get(_TILE_LENGTH, height))))
    return planes * -(-height // max(1, int(tags.get(_ROWS_PER_STRIP, height))))
