"""Alarms that a channel refused for their content: kept for people to look at.

They are not sent again until somebody says so (`hand_back`): the notifier that runs on the folder,
or starts there next, then takes them up.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from schemas.alarm import Alarm
from workers.notifier.delivering.channels.channel import append_lines
from workers.runtime.json_text import parse

AGAIN = "resend.jsonl"  # what somebody wants to have sent again
_FILES = ("refused.old.jsonl", "refused.jsonl")  # in the order in which they were written
_MAX_BYTES = 8 * 2**20  # then the file becomes `refused.old.jsonl`, and the one before that goes


class RefusedAlarm(NamedTuple):
    """Which alarm, by whom and why."""

    channel: str
    reason: str
    at: datetime
    alarm: Alarm


class RefusedFile:
    """`refused.jsonl` in the notifier's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "refused.jsonl"

    def add(self, channel: str, reason: str, alarm: Alarm) -> None:
        """Append. Raises OSError."""
        head = {"channel": channel, "reason": reason, "at": datetime.now(UTC).isoformat()}
        content = head | {"alarm": alarm.model_dump(mode="json")}
        if self._path.exists() and self._path.stat().st_size > _MAX_BYTES:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        append_lines(self._path, [json.dumps(content).encode()])


def hand_back(folder: Path) -> int:
    """Have all of them sent again to the channels that refused them; returns how many.

    Raises OSError.
    """
    there = [folder / name for name in _FILES if (folder / name).is_file()]
    # renamed first: a notifier that runs goes on in a new one
    taken = [path.replace(path.with_name(f"{path.name}.taken")) for path in there]
    again = [line for path in taken for line in path.read_bytes().splitlines()]
    if again:
        append_lines(folder / AGAIN, again)
    for path in taken:
        path.unlink()
    return len(again)


def read_refused(folder: Path) -> Iterator[RefusedAlarm]:
    """What was refused; lines that cannot be read are passed over."""
    yield from read_all(*(folder / name for name in _FILES))


def read_all(*paths: Path) -> Iterator[RefusedAlarm]:
    """Files of refused alarms. Raises OSError."""
    for path in paths:
        for line in path.read_bytes().splitlines() if path.is_file() else []:
            try:
                content = parse(line)
                alarm = Alarm.model_validate(content["alarm"])
                at = datetime.fromisoformat(content["at"])
                yield RefusedAlarm(content["channel"], content["reason"], at, alarm)
            except (ValueError, KeyError, TypeError):
                continue
