"""What an answer says, as a node of the plant holds it: each node has a type of its own. Pure."""

from typing import Any

from asyncua import ua

_T = ua.VariantType
_BITS = {  # of numbers from 0
    **{_T.SByte: 7, _T.Int16: 15, _T.Int32: 31, _T.Int64: 63},
    **{_T.Byte: 8, _T.UInt16: 16, _T.UInt32: 32, _T.UInt64: 64},
}
_MOST_DIGITS = 18


def as_type(value: bool | int | str, kind: ua.VariantType) -> Any:
    """A number that is too large goes on from 0, a text that is none becomes 0.

    So a node of 16 bits has part 65536 as 0, and no part is held up by its number.
    """
    if kind in _BITS:
        return _number(value) % 2 ** _BITS[kind]
    if kind in (_T.Float, _T.Double):
        return float(_number(value))
    if kind is _T.Boolean:
        return bool(_number(value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind is _T.LocalizedText:
        return ua.LocalizedText(text)
    return text.encode() if kind is _T.ByteString else text


def _number(value: bool | int | str) -> int:
    if not isinstance(value, str):
        return int(value)
    plain = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    return int(value) if plain else 0
