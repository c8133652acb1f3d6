"""Logins of kafka-python with a password that is read again for each connection."""

from typing import Any

from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram

from workers.runtime.settings.base import FilePassword

_PASSWORD = "sasl_plain_password"  # noqa: S105  the name of an option


class _Plain(SaslMechanismPlain):  # type: ignore[misc]
    def __init__(self, **config: Any) -> None:
        super().__init__(**_as_of_now(config))


class _Scram(SaslMechanismScram):  # type: ignore[misc]
    def __init__(self, **config: Any) -> None:
        super().__init__(**_as_of_now(config))


def _as_of_now(config: dict[str, Any]) -> dict[str, Any]:
    password = config.get(_PASSWORD)
    return config | {_PASSWORD: password.now()} if isinstance(password, FilePassword) else config


def register() -> None:
    """Let every client of this process log in so."""
    register_sasl_mechanism("PLAIN", _Plain, overwrite=True)
    for name in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        register_sasl_mechanism(name, _Scram, overwrite=True)
