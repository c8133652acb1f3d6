"""Where alarms go: console, file, the alarms topic, and any service that Apprise knows.

A channel takes an alarm or raises DeliveryFailed. Its name and its messages hold no secrets.
"""

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from schemas.alarm import Alarm, AlarmKind, Severity
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.errors import SettingsError, WorkerError

_COLOURS = {Severity.INFO: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_TELL_URLS = ("apprise", "urllib3")  # below WARNING these log whole URLs, secrets and all
_SHORT = 4  # shorter parts of a URL are no secrets: ports, `api`, `v1`


class DeliveryFailed(Exception):
    """A channel did not take an alarm; says why, without secrets."""


class Channel(Protocol):
    """Takes alarms."""

    name: str

    def send(self, alarm: Alarm) -> None:
        """Deliver. Raises DeliveryFailed."""


class ConsoleChannel:
    """Standard output, one line an alarm."""

    name = "console"

    def __init__(self, console: Console) -> None:
        self._console = console

    def send(self, alarm: Alarm) -> None:
        """Print."""
        colour = _COLOURS[alarm.severity]
        line = (
            f"{alarm.raised_at.astimezone():%H:%M:%S} [{colour}]{headline(alarm)}[/] "
            f"{escape(alarm.message)} [dim]{alarm.alarm_id[:8]}[/]"
        )
        try:
            self._console.print(line, highlight=False, soft_wrap=True)
        except OSError as error:
            raise DeliveryFailed(f"standard output: {error.strerror}") from error


class FileChannel:
    """A JSON-lines file; an alarm is delivered when the disk has it."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise SettingsError(
                f"notifier.delivery.file: {path}: {error.strerror}; give a file that can be written"
            ) from None

    def send(self, alarm: Alarm) -> None:
        """Append and wait for the disk."""
        try:
            append_line(self._path, alarm.model_dump_json().encode())
        except OSError as error:
            raise DeliveryFailed(f"{self._path}: {error.strerror}") from error


class TopicChannel:
    """The alarms topic."""

    name = "topic"

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    def send(self, alarm: Alarm) -> None:
        """Publish and wait for the broker."""
        try:
            self._producer.publish([Outgoing(self._topic, alarm.encode())])
        except WorkerError as error:
            raise DeliveryFailed(f"topic {self._topic}: {error}") from error


class AppriseChannel:
    """One Apprise URL. It is named by its scheme and a digest: the rest may be a secret."""

    def __init__(self, url: SecretStr) -> None:
        try:
            import apprise
        except ImportError:
            raise SettingsError(
                "notifier.delivery.apprise_urls needs Apprise: "
                "pip install 'stream-inspector[notifier]'"
            ) from None
        self._secret = url.get_secret_value()
        scheme = re.match(r"[a-zA-Z0-9+]+(?=://)", self._secret)
        digest = hashlib.sha256(self._secret.encode()).hexdigest()[:6]
        self.name = f"{scheme.group() if scheme else 'apprise'}-{digest}"
        self._apprise = apprise.Apprise()
        with _Warnings() as warnings:
            if not self._apprise.add(self._secret):
                raise SettingsError(
                    f"notifier.delivery.apprise_urls: {self.name} is no URL that Apprise knows"
                    f"{scrub(warnings.text, self._secret)}; see Apprise's list of services"
                )

    def send(self, alarm: Alarm) -> None:
        """Notify the service."""
        from apprise import NotifyType

        critical = alarm.severity is Severity.CRITICAL
        with _Warnings() as warnings:
            delivered = self._apprise.notify(
                title=f"{headline(alarm)}: {alarm.camera_id}",
                body=body(alarm),
                notify_type=NotifyType.FAILURE if critical else NotifyType.WARNING,
            )
        if not delivered:
            raise DeliveryFailed(f"not accepted{scrub(warnings.text, self._secret)}")


def headline(alarm: Alarm) -> str:
    """Severity and kind in words."""
    kind = "defect" if alarm.kind is AlarmKind.DEFECT else "not inspected"
    return f"{alarm.severity.value.upper()} {kind}"


def body(alarm: Alarm) -> str:
    """The alarm as a text message; its id tells a repeated delivery."""
    seen = f"{alarm.first_seen:%Y-%m-%d %H:%M:%S} to {alarm.last_seen:%H:%M:%S} UTC"
    lines = [
        alarm.message,
        f"count {alarm.count}, {seen}",
        *([f"category {alarm.category}"] if alarm.category else []),
        *([f"evidence {alarm.evidence}"] if alarm.evidence else []),
        f"alarm {alarm.alarm_id}",
    ]
    return "\n".join(lines)


def append_line(path: Path, line: bytes) -> None:
    """Append a whole line and wait for the disk; a line torn by a crash is ended first."""
    with path.open("a+b") as file:
        if file.tell() and _last_byte(path) != b"\n":
            file.write(b"\n")
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def scrub(text: str, url: str) -> str:
    """What a library says about a URL, without any part of that URL but its scheme."""
    scheme, _, rest = url.rpartition("://")
    for part in sorted(re.split(r"[/:@?&=+,#%\s]+", rest), key=len, reverse=True):
        if len(part) >= _SHORT and part != scheme:
            text = text.replace(part, "***")
    return f": {text.strip()}" if text.strip() else ""


class _Warnings(logging.Handler):
    """Keeps what Apprise complains about to ourselves, instead of in the process's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._logger = logging.getLogger("apprise")
        for name in _TELL_URLS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._lines: list[str] = []

    def __enter__(self) -> "_Warnings":
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first few lines."""
        if len(self._lines) < 3:
            self._lines.append(record.getMessage()[:200])

    @property
    def text(self) -> str:
        """What was said."""
        return "; ".join(self._lines)
