"""One Apprise URL: webhook, mail, MQTT, a chat. Text goes out as text, whatever the service reads.

Its URL may be a secret, so the channel is named by its scheme and a digest, or by its setting.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from schemas.alarm import Alarm, Severity
from schemas.excerpt import plain
from workers.notifier.delivering.channels.transport import listening
from workers.notifier.delivering.pictures import Picture, Pictures
from workers.notifier.delivering.text import (
    body,
    digest_body,
    digest_headline,
    headline,
)
from workers.runtime.errors import SettingsError

URLS = "notifier.delivery.apprise_urls"
_TELL_URLS = ("apprise", "urllib3")  # below WARNING these log whole URLs, secrets and all
_SHORT = 4  # shorter parts of a URL are no secrets: ports, `api`, `v1`
_CONNECT_S = 4.0
_DIGEST_CHARACTERS = 4000
# Text stays as it is where it is shown as it is: by machines, mail programs, logs.
_VERBATIM = re.compile(r"(json|xml|form|mailto|mqtt)s?|r?syslog")
# These take plain text, and then render it as Markdown.
_MARKDOWN = re.compile(r"discord|(mmost|nctalk|fluxer)s?|zulip|guilded|revolt|ryver")
_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]()#~|>])")
_MENTION = re.compile(r"([@<])(?=[\w!@#&/])")


class AppriseChannel:
    """A service that Apprise knows."""

    at_a_time = 1

    def __init__(
        self,
        url: SecretStr,
        name: str | None = None,
        *,
        setting: str = URLS,
        digests: bool = True,
        timeout_s: float = 20.0,
        pictures: Pictures | None = None,
    ) -> None:
        """`pictures`: go along in mails and chats."""
        self._pictures = pictures
        self._secret, self.digests, self._timeout_s = url.get_secret_value(), digests, timeout_s
        self.name = name or _name(self._secret)
        self._apprise = _open(self._secret, f"{setting}: {self.name}", timeout_s)
        services = list(self._apprise.find())
        self._kinds = {_kind(service) for service in services}
        limits = [int(service.body_maxlen) for service in services]
        self._limit = min([_DIGEST_CHARACTERS, *limits])

    def send(self, alarms: Sequence[Alarm]) -> None:
        """Notify the service of an alarm, or of many alarms in one message."""
        loudest = max(alarms, key=lambda alarm: alarm.severity is Severity.CRITICAL)
        if len(alarms) == 1:
            title, text = headline(loudest), body(loudest)
        else:
            title, text = digest_headline(alarms), digest_body(alarms, self._limit)
        if not all(map(_VERBATIM.fullmatch, self._kinds)):
            text = self._disarmed(text)  # a title is not escaped by all: it holds our words only
        elif len(alarms) == 1:
            title = f"{title}: {plain(loudest.camera_id)}"
        critical = loudest.severity is Severity.CRITICAL
        self._notify(title, text, self._picture(alarms), critical=critical)

    def _picture(self, alarms: Sequence[Alarm]) -> Picture | None:
        """For people: machines have the link."""
        machines = all(_VERBATIM.fullmatch(kind) and "mailto" not in kind for kind in self._kinds)
        return None if machines or self._pictures is None else self._pictures.of(alarms)

    def _notify(self, title: str, text: str, picture: Picture | None, *, critical: bool) -> None:
        from apprise import NotifyFormat, NotifyType
        from apprise.attachment.memory import AttachMemory

        attached = picture and AttachMemory(*picture)  # type: ignore[no-untyped-call]

        with _Complaints() as complaints, listening(self._timeout_s, self._hide) as exchange:
            delivered = self._apprise.notify(
                title=title,
                body=text,
                notify_type=NotifyType.FAILURE if critical else NotifyType.WARNING,
                attach=attached,
                body_format=NotifyFormat.TEXT,  # so that Apprise escapes it for HTML and Markdown
            )
        if not delivered:
            raise exchange.failure(f"not accepted{scrub(complaints.text, self._secret)}")

    def _disarmed(self, text: str) -> str:
        """So that nothing in it calls people (@everyone, <!channel>) or is a link or a tag."""
        text = _MENTION.sub("\\1\u200b", text)
        if any(map(_MARKDOWN.fullmatch, self._kinds)):
            text = _MARKDOWN_SIGNS.sub(r"\\\1", text)
        return text

    def _hide(self, part: str) -> str:
        """A part of an address, unless our own URL has it."""
        return "***" if len(part) >= _SHORT and part in _parts(self._secret) else part


def _name(url: str) -> str:
    scheme = re.match(r"[a-zA-Z0-9+]+(?=://)", url)
    digest = hashlib.sha256(url.encode()).hexdigest()[:6]
    return f"{scheme.group() if scheme else 'apprise'}-{digest}"


def _kind(service: Any) -> str:
    """The service's own scheme: an object of it may call itself `http`."""
    named = service.secure_protocol or service.protocol or ""
    return str(named if isinstance(named, str) else named[0])


def _open(url: str, setting: str, timeout_s: float) -> Any:
    try:
        import apprise
    except ImportError:
        raise SettingsError(
            f"{setting} needs Apprise: pip install 'stream-inspector[notifier]'"
        ) from None
    # Nothing of it on disk, and the service's calls on our own thread, which we watch.
    asset = apprise.AppriseAsset(storage_mode="memory", service_timeout=0)
    found = apprise.Apprise(asset=asset)
    with _Complaints() as complaints:
        if not found.add(url):
            raise SettingsError(
                f"{setting} is no URL that Apprise knows"
                f"{scrub(complaints.text, url)}; see Apprise's list of services"
            )
    for service in found.find():
        if "rto=" not in url:
            service.socket_read_timeout = max(1.0, timeout_s - _CONNECT_S - 1.0)
        if "overflow=" not in url:
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
    return found


def scrub(text: str, url: str) -> str:
    """What a library says about a URL, without any part of that URL but its scheme."""
    for part in _parts(url):
        text = text.replace(part, "***")
    return f": {plain(text.strip())}" if text.strip() else ""


def _parts(url: str) -> list[str]:
    """The parts of a URL that may be secrets, as they stand there and decoded; long ones first."""
    scheme, _, rest = url.rpartition("://")
    found = re.split(r"[/:@?&=+,#\s]+", rest)
    found += [unquote(part) for part in found] + re.split(r"[/:@?&=+,#%\s]+", rest)
    kept = {part for part in found if len(part) >= _SHORT and part != scheme}
    return sorted(kept, key=len, reverse=True)


class _Complaints(logging.Handler):
    """Keeps what Apprise complains about on this thread, instead of in the process's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._lines: list[str] = []
        for name in _TELL_URLS:
            logging.getLogger(name).setLevel(logging.WARNING)

    def __enter__(self) -> "_Complaints":
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first few lines of this thread."""
        if record.thread == self._thread and len(self._lines) < 3:
            self._lines.append(record.getMessage()[:200])

    @property
    def text(self) -> str:
        """What was said."""
        return "; ".join(self._lines)
