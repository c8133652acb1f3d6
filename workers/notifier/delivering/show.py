"""What waits for its channel and what a channel refused, for the command line."""

from pathlib import Path

from rich.console import Console

from schemas.alarm import Alarm
from workers.notifier.delivering.journal import WAITING, read_lines
from workers.notifier.delivering.outbox import FILE
from workers.notifier.delivering.refused import read_refused
from workers.runtime.host.terminal import Table


def show_undelivered(folder: Path, console: Console) -> int:
    """List both; returns how many alarms these are. Needs no broker and disturbs no notifier."""
    table = Table("channel", "state", "raised", "severity", "alarm", title="undelivered alarms")
    for channel, alarm in _waiting(folder):
        _add(table, channel, "waits", alarm)
    for refused in read_refused(folder):
        _add(table, refused.channel, f"refused: {refused.reason}", refused.alarm)
    console.print(table if table.row_count else "every alarm was delivered")
    return table.row_count


def _waiting(folder: Path) -> list[tuple[str, Alarm]]:
    path = folder / FILE
    return [
        (channel, line.alarm)
        for line in (read_lines(path) if path.is_file() else ())
        for channel, state in zip(line.to, line.state, strict=True)
        if state == WAITING
    ]


def _add(table: Table, channel: str, state: str, alarm: Alarm) -> None:
    raised = f"{alarm.raised_at:%Y-%m-%d %H:%M:%SZ}"
    table.add_row(channel, state, raised, alarm.severity.value, alarm.message)
