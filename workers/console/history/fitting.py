"""Whatever a record says fits its column: texts are cut, numbers kept within their range."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Integer, Table

_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_TEXT = 65_536  # characters of a text without a stated length
_RANGES = {BigInteger: 2**63 - 1, Integer: 2**31 - 1}


def milliseconds(moment: datetime) -> int:
    """Since 1970, UTC."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)  # exact: 1.001 s are 1001, not 1000


def fitted(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as the table takes it."""
    return {name: _fit(table.c[name].type, value) for name, value in row.items()}


def _fit(kind: Any, value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)[: getattr(kind, "length", None) or _MOST_TEXT]
    if isinstance(value, int) and isinstance(kind, Integer):
        most = _RANGES[BigInteger if isinstance(kind, BigInteger) else Integer]
        return max(-most, min(value, most))
    return value


def clean(text: str) -> str:
    """Without what a database refuses in a text: NUL, and halves of characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
