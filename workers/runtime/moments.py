"""Times as commands say and read them: always with their zone, and UTC where none is named.

So a time that is copied from any list, page or log means the same on every machine.
"""

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EXAMPLE = "2026-01-31T08:00Z (UTC where no zone is named)"


def said(at: datetime) -> str:
    """To the second, in UTC: `2026-01-31T08:00:00Z`, which every option reads."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def said_again(noted: str) -> str:
    """The same of a time that was noted as text; a text that is no time stays as it is."""
    try:
        return said(_read(noted))
    except (ValueError, OverflowError):
        return noted


def ago(text: str, now: datetime, option: str) -> datetime:
    """`2h` before now, or an ISO time. Raises typer.BadParameter naming the option."""
    try:
        span = _span(text)
        return _read(text) if span is None else now - span
    except (ValueError, OverflowError):
        raise _neither(option, text, "90m, 2h or 3d") from None


def ahead(text: str, now: datetime, option: str) -> datetime:
    """`45m` from now, or an ISO time. Raises typer.BadParameter naming the option."""
    try:
        span = _span(text)
        return _read(text) if span is None else now + span
    except (ValueError, OverflowError):
        raise _neither(option, text, "45m, 8h or 3d") from None


def period(since: datetime | None, until: datetime | None) -> str | None:
    """A time span in words, as it was understood; None when it has no bounds."""
    parts = [f"from {said(since)}"] if since else []
    parts += [f"before {said(until)}"] if until else []
    return ", ".join(parts) or None


def _neither(option: str, text: str, spans: str) -> typer.BadParameter:
    return typer.BadParameter(f"{option} {text!r} is neither {spans} nor {_EXAMPLE}")


def _span(text: str) -> timedelta | None:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def _read(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
