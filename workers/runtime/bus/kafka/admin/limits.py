"""The largest message: one setting, and whether the topics have room for it."""

import contextlib
from collections.abc import Mapping

import structlog
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import AuthorizationError, KafkaError

from workers.runtime.bus.kafka.client import HEADERS_ROOM, record_limit
from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.errors import SettingsError
from workers.runtime.settings.process import KafkaSettings

_log = structlog.get_logger(__name__)
_LIMIT = "max.message.bytes"


def check_limits(
    kafka: KafkaSettings, frames: str | None = None, dead_letters: str | None = None
) -> None:
    """Check that the topics take the largest frame, and its dead letter.

    Raises SettingsError that names the topic, and what to change. A topic that does not exist,
    and a broker that does not tell, are passed over with a warning.
    """
    needed = {frames: kafka.max_frame_bytes + HEADERS_ROOM, dead_letters: record_limit(kafka)}
    wanted = {topic: size for topic, size in needed.items() if topic is not None}
    for topic, limit in _limits(kafka, wanted).items():
        if limit < wanted[topic]:
            raise SettingsError(
                f"topic {topic} takes messages of at most {limit} bytes; kafka.max_frame_bytes = "
                f"{kafka.max_frame_bytes} needs {wanted[topic]}: raise its {_LIMIT} "
                f"(kafka-configs.sh --alter --topic {topic} --add-config {_LIMIT}="
                f"{wanted[topic]}), or lower kafka.max_frame_bytes"
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
