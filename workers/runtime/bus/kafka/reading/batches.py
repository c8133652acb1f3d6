"""Record batches as they came over the wire: framed, checked and unpacked, whatever they say.

The client's own classes read the formats; here they get bounds, since a batch is written by
anybody who may write to the topic.
"""

import contextlib
import struct
from typing import Any

from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.util import decode_varint

from workers.runtime.bus.kafka.reading.codecs import Unpackable, unpack

_FRAME = struct.Struct(">qi")  # base offset, bytes that follow
_MAGIC_AT = 16  # in all formats
_LEAST = {0: 26, 1: 34, 2: 61}  # bytes of an empty batch by format, framing included
_MOST_HEADERS = 10_000  # of a record; each costs 150 bytes of memory for two on the wire


class Damaged(ValueError):
    """Bytes that are not what was written: fetching them again may help."""


class Batch(DefaultRecordBatch):  # type: ignore[misc]
    """A batch of the present format."""

    _buffer: bytearray
    _pos: int
    _decompressed: bool

    def __init__(self, data: memoryview, limit: int) -> None:
        super().__init__(data)
        self.limit = limit

    def _maybe_uncompress(self) -> None:
        if self.compression_type and not self._decompressed and self.records_count:
            data = bytes(memoryview(self._buffer)[self._pos :])
            self._buffer = bytearray(unpack(self.compression_type, data, self.limit))
            self._pos = 0
        self._decompressed = True

    def _read_msg(self, decode_varint: Any = decode_varint) -> Any:
        """The next record; as the client's, but for names of any bytes and a bound on headers."""
        buffer = self._buffer
        size, start = decode_varint(buffer, self._pos)
        _, at = decode_varint(buffer, start)  # attributes: none are defined
        elapsed, at = decode_varint(buffer, at)
        delta, at = decode_varint(buffer, at)
        key, at = _bytes(buffer, at)
        value, at = _bytes(buffer, at)
        headers, at = _headers(buffer, at)
        if at - start != size:
            raise ValueError(f"a record of {at - start} bytes says that it has {size}")
        self._pos = at
        made = ControlRecord if self.is_control_batch else DefaultRecord
        stamped = self.max_timestamp if self.timestamp_type else self.first_timestamp + elapsed
        offset = self.base_offset + delta
        return made(size, offset, stamped, self.timestamp_type, key, value, headers)


class OldBatch(LegacyRecordBatch):  # type: ignore[misc]
    """A batch, or a single record, of the formats before Kafka 0.11."""

    def __init__(self, data: memoryview, magic: int, limit: int) -> None:
        super().__init__(data, magic)
        self.limit = limit

    @property
    def last_offset(self) -> int:
        """A batch of these bears the offset of its last record."""
        return int(self.base_offset)

    @property
    def next_offset(self) -> int:
        """The offset after it."""
        return self.last_offset + 1

    def _decompress(self, key_offset: int) -> bytes:
        _, packed = self._read_key_value(key_offset)
        if packed is None:
            raise Unpackable("a packed record without a value")
        return unpack(self.compression_type, packed, self.limit)

    def _read_all_headers(self) -> list[Any]:
        """The inner records; the client's own loop never ends on a length of -12."""
        found, at = [], 0
        while at < len(self._buffer):
            header = self._read_header(at)
            if header[1] < _LEAST[self._magic] - _FRAME.size:
                raise Unpackable(f"an inner record of {header[1]} bytes")
            found.append((header, at))
            at += _FRAME.size + header[1]
        return found


AnyBatch = Batch | OldBatch


def batch_at(data: memoryview, at: int, limit: int) -> tuple[AnyBatch, int] | None:
    """The batch that begins there and where it ends; None when the rest is cut off.

    Its checksum is verified. Raises Damaged or struct.error.
    """
    if len(data) - at <= _MAGIC_AT:
        return None
    _, size = _FRAME.unpack_from(data, at)
    magic = data[at + _MAGIC_AT]
    if magic not in _LEAST:
        raise Damaged(f"a batch of the unknown format {magic}")
    if size < _LEAST[magic] - _FRAME.size:
        raise Damaged(f"a batch of {size} bytes")
    end = at + _FRAME.size + size
    if end > len(data):
        return None
    found = data[at:end]
    batch = Batch(found, limit) if magic == 2 else OldBatch(found, magic, limit)
    if not batch.validate_crc():
        raise Damaged("its checksum is wrong")
    return batch, end


def _base_at(data: memoryview, at: int) -> int | None:
    """The base offset of the batch that begins there."""
    return int(_FRAME.unpack_from(data, at)[0]) if len(data) - at >= _FRAME.size else None


def overlaps(data: memoryview, batch: AnyBatch, end: int, limit: int) -> bool:
    """Whether the batch that begins at `end`, behind this one, holds offsets of this one."""
    following = _base_at(data, end)
    if following is None or following > batch.last_offset:
        return False
    return whole_batch(data, end, limit) is not None  # else it is the following one that is wrong


def last_unreadable(data: memoryview, at: int, first: int, end: int, limit: int) -> int:
    """The last offset that the batch at `at` keeps from us; `first` where it cannot be known.

    `end`: the partition's, -1: not known. What a checksum holds for is believed, the rest only
    where it agrees with itself and with the batch that follows.
    """
    here, after = whole_batch(data, at, limit), _end_of(data, at)
    last = _said_last(data, at) if here is None else int(here.last_offset)
    following = _base_at(data, after)
    if last is not None and first <= last and not 0 <= end <= last:
        return following - 1 if following is not None and first < following <= last else last
    sure = whole_batch(data, after, limit)
    if sure is None or sure.magic != 2 or sure.base_offset <= first:
        return first
    return int(sure.base_offset) - 1


def whole_batch(data: memoryview, at: int, limit: int) -> AnyBatch | None:
    """The batch that begins there; None where it is not what was written."""
    with contextlib.suppress(Exception):
        if framed := batch_at(data, at, limit):
            return framed[0]
    return None


def _said_last(data: memoryview, at: int) -> int | None:
    """The last offset as a batch of doubtful bytes has it; None when it contradicts itself."""
    if len(data) - at < _LEAST[2] or data[at + _MAGIC_AT] != 2:
        return None
    header = DefaultRecordBatch.HEADER_STRUCT.unpack_from(data, at)
    base, delta, count = header[0], header[6], header[12]
    return int(base + delta) if 0 <= delta == count - 1 else None


def _end_of(data: memoryview, at: int) -> int:
    """Where a batch of doubtful bytes says that it ends."""
    if len(data) - at < _FRAME.size:
        return len(data)
    return at + _FRAME.size + max(0, int(_FRAME.unpack_from(data, at)[1]))


def _bytes(buffer: bytearray, at: int) -> tuple[bytes | None, int]:
    size, at = decode_varint(buffer, at)
    if size < 0:
        return None, at
    if size > len(buffer) - at:
        raise ValueError(f"{size} bytes where {len(buffer) - at} are left")
    return bytes(buffer[at : at + size]), at + size


def _headers(buffer: bytearray, at: int) -> tuple[list[tuple[str, bytes | None]], int]:
    count, at = decode_varint(buffer, at)
    if not 0 <= count <= _MOST_HEADERS:
        raise ValueError(f"a record with {count} headers, where at most {_MOST_HEADERS} are read")
    found = []
    for _ in range(count):
        name, at = _bytes(buffer, at)
        value, at = _bytes(buffer, at)
        found.append(((name or b"").decode("utf-8", "backslashreplace"), value))
    return found, at
