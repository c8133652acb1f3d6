"""What all clients of kafka-python share: their options, and how they reach a broker at start."""

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka.record import util as record_util

from workers.runtime.bus.kafka import login
from workers.runtime.bus.kafka.advertised import NotReached, reach_advertised
from workers.runtime.bus.kafka.refusals import advice, overheard, refusal
from workers.runtime.errors import (
    AccessDenied,
    AdvertisedUnreachable,
    Fatal,
    ServerUnreachable,
    SettingsError,
)
from workers.runtime.settings.process import KafkaSettings

if record_util.crc32c_c is None:  # pure Python needs 14 ms for the checksum of a 50 KB record
    raise ImportError("kafka-python found no native CRC: install the package `crc32c`")

_log = structlog.get_logger(__name__)
_Client = TypeVar("_Client")

HEADERS_ROOM = 256 * 1024  # bytes for headers, key and the JSON around a dead letter
EVENT_BYTES = 64 * 1024  # of the largest outcome or alarm, and of a defect that was cut to fit
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


def unpacked_limit(kafka: KafkaSettings) -> int:
    """Bytes of the largest batch after decompression; the largest record always fits."""
    return max(kafka.max_unpacked_bytes, record_limit(kafka))


def missing_topics(cluster: Any, wanted: Iterable[str]) -> frozenset[str]:
    """Topics that the broker does not have, or does not show us, as a client heard last."""
    if not cluster._last_successful_refresh_ms:
        return frozenset()
    asked: set[str] = cluster._topics  # of others it knows nothing
    return frozenset(wanted) & asked - set(cluster.topics(exclude_internal_topics=False))


def connect(kafka: KafkaSettings, make: Callable[[int], _Client]) -> _Client:
    """Make a client, retrying until `kafka.connect_timeout_s`. `make` takes a timeout in ms.

    Raises ServerUnreachable, AccessDenied or SettingsError.
    """
    deadline = time.monotonic() + kafka.connect_timeout_s
    pause = 0.2
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            with overheard() as said:
                return _reached(make, int(min(ATTEMPT_S, left) * 1000))
        except errors.KafkaConfigurationError as error:
            raise SettingsError(f"kafka: {error}") from error
        except errors.KafkaError as error:
            refused = refusal(said, kafka.security)
            if time.monotonic() + pause >= deadline:
                raise _given_up(kafka, error, refused) from error
            why = refused or f"{type(error).__name__}: {error}"
            _log.warning("broker away, trying again", address=kafka.bootstrap_servers, reason=why)
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def _reached(make: Callable[[int], _Client], timeout_ms: int) -> _Client:
    """A client whose brokers can be reached; other things that are made are taken as they are."""
    client = make(timeout_ms)
    if isinstance(client, KafkaAdminClient | KafkaConsumer | KafkaProducer):
        try:
            reach_advertised(client, timeout_ms)
        except BaseException:
            with contextlib.suppress(errors.KafkaError):
                client.close()
            raise
    return client


def _given_up(kafka: KafkaSettings, error: errors.KafkaError, refused: str | None) -> Fatal:
    address, within = kafka.bootstrap_servers, f"within {kafka.connect_timeout_s:g} s"
    if refused:
        return AccessDenied(f"no access to Kafka at {address}: {refused}", advice(refused))
    if isinstance(error, NotReached):
        return AdvertisedUnreachable(
            f"Kafka at {address} answers, but names an address for itself that could not be "
            f"reached {within}: {error.args[0]}. That is the broker's advertised.listeners: "
            "correct it, or open the network to that address"
        )
    return ServerUnreachable(
        f"no Kafka broker answered at {address} {within} (setting kafka.bootstrap_servers): "
        f"{error}. For a trial `stream-inspector servers` starts one"
    )
