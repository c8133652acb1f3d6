"""Why a broker does not let us in: kafka-python says "unable to bootstrap", its log knows more.

Apache Kafka answers a wrong password and closes the connection, and the client may see the end
before the answer, so the step at which the connection ended has to speak for it.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from workers.runtime.settings.security import KafkaSecurity

_CLIENT_LOG = "kafka.net"
_CLOSED = "socket disconnected"
_GREETED = re.compile(r"broker_version=\(")  # the broker had answered the first request
_TLS = re.compile(r"\[SSL: (?P<code>\w+)\] (?P<text>.*?)\.? \(_ssl")
_REFUSED = re.compile(r"(SaslAuthenticationFailedError|UnsupportedSaslMechanismError): (.*)")
_KEPT = 200  # lines; a reconnecting client repeats itself


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < _KEPT:
            self.lines.append(record.getMessage())


@contextmanager
def overheard() -> Iterator[Sequence[str]]:
    """What the client's network code says meanwhile, whether it is shown or not."""
    log, listener = logging.getLogger(_CLIENT_LOG), _Listener()
    shown, level, propagate = log.isEnabledFor(logging.WARNING), log.level, log.propagate
    log.addHandler(listener)
    if not shown:
        log.setLevel(logging.WARNING)
        log.propagate = False
    try:
        yield listener.lines
    finally:
        log.removeHandler(listener)
        log.setLevel(level)
        log.propagate = propagate


def refusal(lines: Sequence[str], security: KafkaSecurity) -> str | None:
    """The reason in words and the settings to look at; None when nobody answered at all."""
    for line in lines:
        if found := _REFUSED.search(line):
            return f"the broker refuses the login: {found[2]} ({_login(security)})"
        if found := _TLS.search(line):
            return _tls(found["code"], found["text"])
    closed = [line for line in lines if _CLOSED in line and "broker_version" in line]
    if not closed:
        return None
    if not any(_GREETED.search(line) for line in closed):
        return (
            "the broker closes the connection at once: its listener probably expects TLS "
            f"(kafka.security.protocol is {security.protocol})"
        )
    if security.sasl:
        return f"the broker refuses the login ({_login(security)})"
    return (
        "the broker closes the connection after its greeting: its listener probably expects a "
        f"login (kafka.security.protocol is {security.protocol})"
    )


_ADVICE = {
    "(kafka.security.protocol": "set it to what this listener speaks (PLAINTEXT, SSL, "
    "SASL_PLAINTEXT, SASL_SSL), or name the port of the broker's other listener",
    "kafka.security.tls.ca_file": "name the certificate of the authority that signed the broker's",
    "kafka.security.tls.certificate_file": "name a certificate and key that the broker trusts",
    "refuses the login": "correct user, password or mechanism, or create the user on the broker",
}


def advice(refused: str) -> str:
    """What to do about a refusal."""
    return next(do for words, do in _ADVICE.items() if words in refused)


def _login(security: KafkaSecurity) -> str:
    return (
        f"kafka.security.username {security.username}, its password, and kafka.security.mechanism "
        f"{security.mechanism}"
    )


def _tls(code: str, text: str) -> str:
    if "VERIFY_FAILED" in code:
        return f"the broker's certificate is not trusted: {text} (kafka.security.tls.ca_file)"
    if "CERTIFICATE" in code:
        return f"the broker refuses our certificate: {text} (kafka.security.tls.certificate_file)"
    return f"no TLS with this listener: {text} (kafka.security.protocol)"
