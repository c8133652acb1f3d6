"""A JSON-lines file; an alarm is delivered when the disk has it."""

import os
from collections.abc import Sequence
from pathlib import Path

from schemas.alarm import Alarm
from workers.notifier.delivering.channels.channel import DeliveryFailed, append_lines
from workers.runtime.errors import SettingsError
from workers.runtime.host.regular_file import open_own


class FileChannel:
    """Appends."""

    name = "file"
    digests = False
    at_a_time = 100

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(open_own(path, os.O_WRONLY | os.O_APPEND))
        except OSError as error:
            raise SettingsError(
                f"notifier.delivery.file: {path}: {error.strerror}; give a file that can be written"
            ) from None

    def send(self, alarms: Sequence[Alarm]) -> None:
        """Append and wait for the disk."""
        try:
            append_lines(self._path, [alarm.model_dump_json().encode() for alarm in alarms])
        except OSError as error:
            raise DeliveryFailed(f"{self._path}: {error.strerror}") from error
