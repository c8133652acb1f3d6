"""What a channel is, and the two ways in which it does not take an alarm."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from schemas.alarm import Alarm
from workers.runtime.host.regular_file import open_own


class DeliveryFailed(Exception):
    """The channel is away: the alarm is kept and tried again. Says why, without secrets.

    `partly`: some of the channel's receivers have it, so each further try repeats it to them.
    `wait_s`: the service asks for a pause of so many seconds.
    `perhaps_alarm`: it may be this alarm that the service does not bear.
    """

    def __init__(
        self,
        reason: str,
        *,
        partly: bool = False,
        wait_s: float = 0.0,
        perhaps_alarm: bool = False,
    ) -> None:
        super().__init__(reason)
        self.partly, self.wait_s, self.perhaps_alarm = partly, wait_s, perhaps_alarm


class Refused(Exception):
    """The channel will never take this alarm as it is: it is set aside. No secrets."""


class Channel(Protocol):
    """Takes alarms. Its name and its messages hold no secrets.

    `digests`: many alarms of one cause become one message; otherwise each is a message of its
    own, and `at_a_time` of them may be handed over at once.
    """

    name: str
    digests: bool
    at_a_time: int

    def send(self, alarms: Sequence[Alarm]) -> None:
        """Deliver one or more alarms. Raises DeliveryFailed, Refused."""


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Append whole lines and wait for the disk; a line torn by a crash is ended first.

    Raises OSError, with nothing appended.
    """
    with os.fdopen(open_own(path, os.O_RDWR | os.O_APPEND), "a+b") as file:
        end = file.seek(0, os.SEEK_END)
        torn = end > 0 and _byte(file.fileno(), end - 1) != b"\n"
        try:
            file.write((b"\n" if torn else b"") + b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise


def _byte(descriptor: int, offset: int) -> bytes:
    return os.pread(descriptor, 1, offset)
