"""Alarms, channels and a mail server, for the tests of delivery."""

import email
import email.policy
import os
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from schemas.alarm import Alarm, AlarmKind, Severity
from schemas.documents import samples
from workers.notifier.delivering.channels.channel import Channel
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.servers.process import free_ports

FAST = {"attempts": 2, "attempt_pause_s": 0.01, "retry_initial_s": 0.05, "retry_max_s": 0.2}


def alarm(number: int, **changes: object) -> Alarm:
    """A defect of a camera of its own."""
    own = {"alarm_id": f"{number:032x}", "message": f"m{number}", "camera_id": f"cam-{number}"}
    return samples.ALARM.model_copy(update=own | changes)


def notice(number: int, **changes: object) -> Alarm:
    """A part that was not inspected."""
    changes = {"kind": AlarmKind.NOT_INSPECTED, "cause": "camera-silent"} | changes
    return alarm(number, **changes)


def critical(made: Alarm) -> Alarm:
    return made.model_copy(update={"severity": Severity.CRITICAL})


class Ear:
    """A channel that remembers; `trouble` is called with each try's alarms before they count."""

    def __init__(self, name: str = "ear", *, digests: bool = False, at_a_time: int = 100) -> None:
        self.name, self.digests, self.at_a_time = name, digests, at_a_time
        self.tries = 0
        self.heard: list[list[Alarm]] = []
        self.trouble: Callable[[Sequence[Alarm]], None] = lambda alarms: None

    def send(self, alarms: Sequence[Alarm]) -> None:
        self.tries += 1
        self.trouble(alarms)
        self.heard.append(list(alarms))

    @property
    def messages(self) -> list[str]:
        return [alarm.message for group in self.heard for alarm in group]


def deliver_to(folder: Path, *channels: Channel, **settings: object) -> Delivery:
    """Delivery with quick tries; it is not entered yet."""
    given = {f"notifier.delivery.{k}": v for k, v in (FAST | settings).items()}
    loaded = NotifierProcessSettings.load(None, given | {"notifier.folder": folder})
    return Delivery(list(channels), loaded.notifier)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class MailServer:
    """A real SMTP server that keeps mails, or answers DATA with `answer`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 kept"
        self.tries = 0
        self._controller = Controller(self, hostname="127.0.0.1", port=free_ports(1)[0])
        self._controller.start()

    async def handle_DATA(  # noqa: N802  (the library's)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.tries += 1
        if self.answer.startswith("250"):
            content = envelope.content or b""
            data = content if isinstance(content, bytes) else content.encode()
            self.mails.append(email.message_from_bytes(data, policy=email.policy.default))
        return self.answer

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self._controller.port}?from=line@plant.example&to=me@plant.example"

    def stop(self) -> None:
        self._controller.stop()


def fill(folder: Path) -> Path:
    """Leave no room on a small disk; what is removed makes room again."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                continue
    return filler
