"""What waits for its channel and what a channel refused, for the command line."""

from pathlib import Path

from rich.console import Console

from schemas.alarm import Alarm
from workers.notifier.delivering.journal import WAITING, read_lines
from workers.notifier.delivering.outbox import FILE
from workers.notifier.delivering.refused import read_refused
from workers.runtime.listing import Column, Form, Kind, Listing

_COLUMNS = (
    Column("channel"),
    Column("state"),
    Column("raised"),
    Column("severity"),
    Column("reason", kind=Kind.CUT),
    Column("message", kind=Kind.CUT),
    Column("alarm", kind=Kind.EXTRA),
)


def show_undelivered(folder: Path, console: Console, form: Form = Form.TABLE) -> int:
    """List both; returns how many alarms these are. Needs no broker and disturbs no notifier."""
    listing = Listing(console, *_COLUMNS, form=form, empty="every alarm was delivered")
    for channel, alarm in _waiting(folder):
        _add(listing, channel, "waits", None, alarm)
    for refused in read_refused(folder):
        _add(listing, refused.channel, "refused", refused.reason, refused.alarm)
    listing.close()
    return listing.count


def _waiting(folder: Path) -> list[tuple[str, Alarm]]:
    path = folder / FILE
    return [
        (channel, line.alarm)
        for line in (read_lines(path) if path.is_file() else ())
        for channel, state in zip(line.to, line.state, strict=True)
        if state == WAITING
    ]


def _add(listing: Listing, channel: str, state: str, why: str | None, alarm: Alarm) -> None:
    about = (alarm.raised_at, alarm.severity.value, why, alarm.message, alarm.alarm_id)
    listing.add(channel, state, *about)
