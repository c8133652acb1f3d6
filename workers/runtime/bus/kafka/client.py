"""What all clients of kafka-python share: their options, and how they reach a broker at start."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from kafka import errors
from kafka.record import util as record_util

from workers.runtime.bus.kafka import login
from workers.runtime.bus.kafka.refusals import overheard, refusal
from workers.runtime.errors import AccessDenied, ServerUnreachable, SettingsError
from workers.runtime.settings.process import KafkaSettings

if record_util.crc32c_c is None:  # pure Python needs 14 ms for the checksum of a 50 KB record
    raise ImportError("kafka-python found no native CRC: install the package `crc32c`")

_log = structlog.get_logger(__name__)
_Client = TypeVar("_Client")

HEADERS_ROOM = 256 * 1024  # bytes for headers, key and the JSON around a dead letter
ATTEMPT_S = 5.0  # one try to reach the broker


def client_options(kafka: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Options of every client."""
    return {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "client_id": client_id,
        "request_timeout_ms": kafka.request_timeout_ms,
        "reconnect_backoff_max_ms": 1000,  # the default of 30 s stalls for up to a minute
        **_security(kafka),
    }


def _security(kafka: KafkaSettings) -> dict[str, Any]:
    login.register()
    return kafka.security.client_options()


def record_limit(kafka: KafkaSettings) -> int:
    """Bytes of the largest record: the dead letter (base64) of a frame of twice the limit."""
    return 2 * kafka.max_frame_bytes * 4 // 3 + HEADERS_ROOM


def connect(kafka: KafkaSettings, make: Callable[[int], _Client]) -> _Client:
    """Make a client, retrying until `kafka.connect_timeout_s`. `make` takes a timeout in ms.

    Raises ServerUnreachable, AccessDenied or SettingsError.
    """
    deadline = time.monotonic() + kafka.connect_timeout_s
    pause, address = 0.2, kafka.bootstrap_servers
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            with overheard() as said:
                return make(int(min(ATTEMPT_S, left) * 1000))
        except errors.KafkaConfigurationError as error:
            raise SettingsError(f"kafka: {error}") from error
        except errors.KafkaError as error:
            refused = refusal(said, kafka.security)
            if time.monotonic() + pause >= deadline:
                if refused:
                    raise AccessDenied(f"no access to Kafka at {address}: {refused}") from error
                raise ServerUnreachable(
                    f"no Kafka broker answered at {address} within "
                    f"{kafka.connect_timeout_s:g} s (setting kafka.bootstrap_servers): {error}"
                ) from error
            _log.warning("broker away, trying again", address=address, reason=refused)
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
