"""What of a rejected record goes into its dead letter: all of it, or as much as fits.

A record's key and headers are bounded by nothing but the broker's limit, and JSON writes a control
character in six bytes. So key and headers are always bounded here; the value goes in steps, down to
the record's coordinates alone, which any topic takes.
"""

from collections.abc import Iterable
from enum import IntEnum

from schemas.dead_letter import OriginalRecord, Part
from schemas.envelope import Headers
from schemas.excerpt import excerpt
from workers.runtime.bus.ports import Record

# Up to here key and headers are kept whole. A dead letter's limit leaves 256 KiB for them
# (`kafka.max_frame_bytes`), and base64 makes 4 bytes of 3.
_KEY_BYTES = 48 * 1024
_HEADERS, _HEADER_BYTES = 256, 64 * 1024
# What is kept of longer ones.
_KEY_START = 1024
_HEADERS_LEFT, _NAME_LEFT, _DATA_LEFT = 64, 128, 512
_JSON_CHARACTER = 6  # bytes of a control character
_QUOTES = 12  # bytes that JSON needs for one more header


class Keep(IntEnum):
    """How much of a record is kept."""

    VALUE = 0  # with what is kept of key and headers
    HEADERS = 1
    COORDINATES = 2

    @property
    def less(self) -> "Keep | None":
        """The next step down."""
        return None if self is Keep.COORDINATES else Keep(self + 1)


def original_of(record: Record, keep: Keep) -> OriginalRecord:
    """The record as its dead letter has it."""
    value = record.value if keep is Keep.VALUE else None
    key = None if keep is Keep.COORDINATES else _kept_key(record.key)
    headers = () if keep is Keep.COORDINATES else _kept_headers(record.headers)
    kept = {
        Part.KEY: key == record.key,
        Part.VALUE: value == record.value,
        Part.HEADERS: headers == record.headers,
    }
    cut = [part for part, whole in kept.items() if not whole]
    return OriginalRecord.of(key, value, headers, cut=cut, timestamp_ms=record.timestamp_ms)


def told_of(record: Record, cut: Iterable[Part]) -> str:
    """What was cut, in words; empty when nothing was."""
    sizes = {
        Part.KEY: f"a key of {len(record.key or b'')} bytes",
        Part.VALUE: f"a value of {len(record.value or b'')} bytes",
        Part.HEADERS: f"{len(record.headers)} headers of "
        f"{sum(len(name) + len(data) for name, data in record.headers)} bytes",
    }
    parts = [sizes[part] for part in cut]
    return f" (cut, since they do not fit: {', '.join(parts)}; see `record`)" if parts else ""


def _kept_key(key: bytes | None) -> bytes | None:
    return key if key is None or len(key) <= _KEY_BYTES else key[:_KEY_START]


def _kept_headers(headers: Headers) -> Headers:
    """All of them, or the start of some: first those that say which frame it is."""
    if _fit(headers):
        return headers
    ours_first = sorted(headers, key=lambda pair: not pair[0].startswith("ce_"))
    return tuple(
        (excerpt(name, _NAME_LEFT), data[:_DATA_LEFT]) for name, data in ours_first[:_HEADERS_LEFT]
    )


def _fit(headers: Headers) -> bool:
    if len(headers) > _HEADERS:
        return False
    size = sum(_JSON_CHARACTER * len(name) + len(data) * 4 // 3 + _QUOTES for name, data in headers)
    return size <= _HEADER_BYTES and all(_is_text(name) for name, _ in headers)


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: lone surrogates cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
