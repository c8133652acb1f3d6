"""What a service answers while Apprise sends, which itself only says yes or no.

Apprise's services speak through `requests` and `smtplib`. Both are listened to, once and for the
whole process, but only where an `Exchange` is open in the context: nobody else's traffic is
touched. Redirects are decided here too: a POST that becomes a GET has lost the alarm, and another
host is one that no setting names.
"""

import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.excerpt import plain
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused

_CONTENT = frozenset({400, 406, 409, 411, 413, 414, 415, 422, 431})  # it is this alarm, not us
_MOVED = frozenset({301, 302, 303, 307, 308})
_CHOKED = frozenset({500, 502, 504, *range(520, 530)})  # perhaps on this alarm: others may pass
_BROKEN_OFF = frozenset({"RemoteDisconnected", "Connection reset by peer", "TimeoutError"})
_KEEPS_METHOD = frozenset({307, 308})
_HOPS = 3
_ANSWER_BYTES = 256 * 1024  # of an answer; nobody reads more of it
_SMTP_REFUSED = frozenset({501, 523, 534, 550, 552, 553, 554, 555})

_open_exchange: ContextVar["Exchange | None"] = ContextVar("exchange", default=None)
_install = threading.Lock()
_installed = False


@dataclass(slots=True)
class Exchange:
    """What was answered while one message was sent."""

    deadline: float  # monotonic seconds
    hide: Callable[[str], str]
    accepted: int = 0
    refused: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    wait_s: float = 0.0
    choked: bool = False  # the server failed, perhaps on this message

    def failure(self, otherwise: str) -> Exception:
        """Why the message was not taken: by its content only if nothing else went wrong."""
        if self.refused and not self.away:
            some = " (other receivers of the channel took it)" if self.accepted else ""
            return Refused(self.refused[-1] + some)
        reason = self.away[-1] if self.away else otherwise
        return DeliveryFailed(
            reason,
            partly=bool(self.accepted),
            wait_s=self.wait_s,
            perhaps_alarm=self.choked,
        )


@contextmanager
def listening(timeout_s: float, hide: Callable[[str], str]) -> Iterator[Exchange]:
    """Listen to what services answer to this thread. `hide` takes secrets out of a text."""
    _listen_to_libraries()
    exchange = Exchange(time.monotonic() + timeout_s, hide)
    token = _open_exchange.set(exchange)
    try:
        yield exchange
    finally:
        _open_exchange.reset(token)


def _listen_to_libraries() -> None:
    global _installed  # noqa: PLW0603  (the libraries are the process's)
    with _install:
        if not _installed:
            import requests

            requests.Session.send = _http(requests.Session.send)  # type: ignore[method-assign]
            smtplib.SMTP.sendmail = _smtp(smtplib.SMTP.sendmail)  # type: ignore[method-assign]
            _installed = True


def _http(original: Callable[..., Any]) -> Callable[..., Any]:
    from requests import RequestException

    def send(session: Any, request: Any, **options: Any) -> Any:
        exchange = _open_exchange.get()
        if exchange is None:
            return original(session, request, **options)
        options |= {"allow_redirects": False, "stream": True}
        try:
            response = original(session, request, **options)
            _read(response, exchange.deadline)
            for _ in range(_HOPS):
                if not _same_place(response):
                    break
                response = original(session, response.next, **options)
                _read(response, exchange.deadline)
        except RequestException as error:
            exchange.away.append(cause(error))
            exchange.choked |= exchange.away[-1] in _BROKEN_OFF
            raise
        _judge(exchange, response)
        return response

    return send


def _read(response: Any, deadline: float) -> None:
    """Take the answer's text as far as it comes, bounded in bytes and time.

    Its status has said what became of the alarm: a text that breaks off, cannot be unpacked or
    never ends changes nothing of that, and must not bring a taken alarm again and again.
    """
    from urllib3.exceptions import HTTPError

    taken = b""
    with suppress(HTTPError, OSError):
        while len(taken) < _ANSWER_BYTES and time.monotonic() < deadline:
            part = response.raw.read1(_ANSWER_BYTES, decode_content=True)
            if not part:
                break
            taken += part
    response._content, response._content_consumed = taken, True
    response.close()


def _same_place(response: Any) -> bool:
    """Whether it sends us on to the same server with method and body as they are."""
    if response.status_code not in _KEEPS_METHOD or response.next is None:
        return False
    asked, named = urlsplit(response.request.url), urlsplit(response.next.url)
    return (asked.scheme, asked.netloc) == (named.scheme, named.netloc)


def _judge(exchange: Exchange, response: Any) -> None:
    status = response.status_code
    if 200 <= status < 300:
        exchange.accepted += 1
    elif status in _MOVED and response.headers.get("location"):
        exchange.away.append(_moved(response, exchange.hide))
    elif status in _CONTENT:
        exchange.refused.append(f"HTTP {status}")
    else:
        exchange.away.append(f"HTTP {status}")
        exchange.choked |= status in _CHOKED
        after = response.headers.get("retry-after", "")
        exchange.wait_s = float(after) if after.isdecimal() and len(after) < 6 else 0.0


def _moved(response: Any, hide: Callable[[str], str]) -> str:
    status = response.status_code
    lost = "" if status in _KEEPS_METHOD else ", which would lose the alarm"
    target = response.next.url if response.next is not None else response.headers["location"]
    address = _address(target, hide)
    return f"HTTP {status}: moved to {address}{lost}; give the channel its new address"


def _address(url: str, hide: Callable[[str], str]) -> str:
    """Scheme, host and path as they may be shown: no login, no query, no part of our own URL."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that cannot be read"
    path = "/".join(hide(unquote(part)) for part in parts.path.split("/"))
    return plain(f"{parts.scheme}://{host}{path}")[:200]


def cause(error: BaseException) -> str:
    """The innermost reason, by its class: messages hold addresses."""
    seen: set[int] = set()
    while (inner := _inner(error)) is not None and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) else type(error).__name__


def _inner(error: BaseException) -> BaseException | None:
    nested = getattr(error, "reason", None) or next(iter(error.args), None)
    if isinstance(nested, BaseException):
        return nested
    return error.__cause__ or error.__context__


def _smtp(original: Callable[..., Any]) -> Callable[..., Any]:
    def sendmail(server: Any, *arguments: Any, **options: Any) -> Any:
        exchange = _open_exchange.get()
        if exchange is None:
            return original(server, *arguments, **options)
        try:
            rejected = original(server, *arguments, **options)
        except smtplib.SMTPResponseException as error:
            _smtp_said(exchange, error.smtp_code)
            raise
        except smtplib.SMTPRecipientsRefused as error:
            for code, _ in error.recipients.values():
                exchange.away.append(f"SMTP {code}: a recipient is refused")
            raise
        except (OSError, smtplib.SMTPException) as error:
            exchange.away.append(cause(error))
            raise
        exchange.accepted += 1
        if rejected:
            exchange.away.append("SMTP: some recipients are refused")
        return rejected

    return sendmail


def _smtp_said(exchange: Exchange, code: int) -> None:
    found = exchange.refused if code in _SMTP_REFUSED else exchange.away
    found.append(f"SMTP {code}")
