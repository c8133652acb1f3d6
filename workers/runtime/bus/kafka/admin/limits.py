"""The largest message: one setting, and whether the topics have room for it."""

import contextlib
from collections.abc import Mapping, Sequence

import structlog
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import AuthorizationError, KafkaError

from workers.runtime.bus.kafka.client import EVENT_BYTES, HEADERS_ROOM, record_limit
from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import KafkaSettings

_log = structlog.get_logger(__name__)
_LIMIT = "max.message.bytes"


def check_limits(
    kafka: KafkaSettings,
    frames: str | None = None,
    dead_letters: str | None = None,
    *,
    events: Sequence[str] = (),
) -> None:
    """Check that the topics take the largest frame, its dead letter, and what is said of it.

    Raises SettingsError that names the topic, and what to change. A topic that does not exist,
    and a broker that does not tell, are passed over with a warning.
    """
    needed: dict[str | None, int] = dict.fromkeys(events, EVENT_BYTES)
    needed |= {frames: kafka.max_frame_bytes + HEADERS_ROOM, dead_letters: record_limit(kafka)}
    wanted = {topic: size for topic, size in needed.items() if topic is not None}
    for topic, limit in _limits(kafka, wanted).items():
        if limit < wanted[topic]:
            raise SettingsError(_too_small(kafka, topic, limit, wanted[topic], topic in events))


def _too_small(kafka: KafkaSettings, topic: str, limit: int, needed: int, event: bool) -> str:
    """What is too small, and what to do about it."""
    who = "its events need" if event else f"kafka.max_frame_bytes = {kafka.max_frame_bytes} needs"
    instead = "" if event else ", or lower kafka.max_frame_bytes"
    change = f"kafka-configs.sh --alter --topic {topic} --add-config {_LIMIT}={needed}"
    return (
        f"topic {topic} takes messages of at most {limit} bytes; {who} {needed}: raise its "
        f"{_LIMIT} ({change}){instead}"
    )


def _limits(kafka: KafkaSettings, topics: Mapping[str, int]) -> dict[str, int]:
    """What each topic takes, where the broker tells."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    with contextlib.closing(connect_admin(kafka)) as admin:
        try:
            found = admin.describe_configs(resources, config_filter="all").get("topic", {})
        except AuthorizationError as error:
            _log.warning(f"{_LIMIT} is not checked: DESCRIBE_CONFIGS is denied", reason=str(error))
            return {}
        except KafkaError as error:
            _log.warning(f"{_LIMIT} is not checked", reason=f"{type(error).__name__}: {error}")
            return {}
    told = {topic: found.get(topic, {}).get(_LIMIT) for topic in topics}
    return {topic: int(entry["value"]) for topic, entry in told.items() if entry}
