"""The four codecs of Kafka's record batches, each within a bound on what comes out.

The client's own functions unpack without one: a megabyte of zeros, packed twice, is gigabytes.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import lz4.frame
import zstandard

CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}  # as a batch's attributes number them

_XERIAL = b"\x82SNAPPY\x00"  # snappy in blocks, as Java clients write it
_XERIAL_HEADER = 16  # bytes: magic and two versions
_LENGTH = struct.Struct(">i")
_MOST_PARTS = 100  # of one stream; producers write one


class Unpackable(ValueError):
    """Data that cannot be unpacked: damaged, unknown, or beyond the limit."""


def unpack(codec: int, data: bytes, limit: int) -> bytes:
    """Unpack a batch's records, at most `limit` bytes. Raises Unpackable."""
    unpacker = _UNPACKERS.get(codec)
    if unpacker is None:
        raise Unpackable(f"its codec {codec} is none of Kafka's")
    try:
        return unpacker(data, limit)
    except Unpackable as error:
        raise Unpackable(f"{CODECS[codec]}: {error}") from None
    except BaseException as error:  # cramjam's panics are no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise Unpackable(f"{CODECS[codec]}: {type(error).__name__}: {error}") from None


def _within(size: int, limit: int) -> None:
    if size > limit:
        raise Unpackable(f"more than {limit} bytes come out (setting kafka.max_unpacked_bytes)")


def _gzip(data: bytes, limit: int) -> bytes:
    return _parts(data, limit, lambda: zlib.decompressobj(wbits=31))


def _snappy(data: bytes, limit: int) -> bytes:
    out = bytearray()
    for block in _snappy_blocks(data):
        _within(len(out) + cramjam.snappy.decompress_raw_len(block), limit)
        out += bytes(cramjam.snappy.decompress_raw(block))
    return bytes(out)


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    if not data.startswith(_XERIAL):
        yield data
        return
    at = _XERIAL_HEADER
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if not 0 < size <= len(data) - at:
            raise Unpackable(f"a block of {size} bytes where {len(data) - at} are left")
        yield data[at : at + size]
        at += size


def _lz4(data: bytes, limit: int) -> bytes:
    return _parts(data, limit, lz4.frame.LZ4FrameDecompressor)


def _parts(data: bytes, limit: int, begin: Callable[[], Any]) -> bytes:
    """A stream that may have several members or frames; each costs a copy of what follows."""
    out = bytearray()
    for _ in range(_MOST_PARTS):
        if not data:
            return bytes(out)
        part = begin()
        out += part.decompress(data, limit + 1 - len(out))
        _within(len(out), limit)
        if not part.eof:
            raise Unpackable("it ends too early")
        data = part.unused_data or b""
    raise Unpackable(f"more than {_MOST_PARTS} parts")


def _zstd(data: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(data), read_across_frames=True
    ) as reader:
        out: bytes = reader.read(limit + 1)
    _within(len(out), limit)
    return out


_UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
