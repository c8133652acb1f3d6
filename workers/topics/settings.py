"""How the stage's topics are created."""

from typing import Annotated

from pydantic import Field, field_validator

from schemas.topics import TOPICS, Topic
from workers.runtime.bus.kafka.admin.topics import TopicPlan
from workers.runtime.bus.kafka.client import record_limit
from workers.runtime.settings.operator import OperatorSettings
from workers.runtime.settings.process import Section

_MS_PER_HOUR = 3_600_000


class PlanSection(Section):
    """What a broker's defaults would leave to chance. Names and partitions are in `topics`."""

    replication_factor: int = Field(default=-1, ge=-1, description="-1: the broker's default")
    min_insync_replicas: int | None = Field(
        default=None, ge=1, description="replicas that must have a message; empty: the broker's"
    )
    retention_hours: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={}, description="by topic, as in `topics`; the others as schemas/topics.py says"
    )

    @field_validator("replication_factor")
    @classmethod
    def _not_zero(cls, value: int) -> int:
        if value == 0:
            raise ValueError("0 replicas hold nothing; -1 is the broker's default")
        return value

    @field_validator("retention_hours")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        allowed = [setting_of(topic) for topic in TOPICS]
        unknown = sorted(set(value) - set(allowed))
        if unknown:
            raise ValueError(f"unknown {', '.join(unknown)}; allowed: {', '.join(allowed)}")
        return value


class TopicsProcessSettings(OperatorSettings):
    """Everything that `stream-inspector topics` can be told."""

    plan: PlanSection = PlanSection()

    def plans(self) -> list[TopicPlan]:
        """Every topic of the stage, as it should be."""
        return [self._plan(topic) for topic in TOPICS]

    def _plan(self, topic: Topic) -> TopicPlan:
        key = setting_of(topic)
        hours = self.plan.retention_hours.get(key, topic.retention_hours)
        configs = {
            "max.message.bytes": str(record_limit(self.kafka)),
            "retention.ms": str(hours * _MS_PER_HOUR),
        }
        if self.plan.min_insync_replicas is not None:
            configs["min.insync.replicas"] = str(self.plan.min_insync_replicas)
        name = getattr(self.topics, key)
        return TopicPlan(name, self.topics.partitions, self.plan.replication_factor, configs)


def setting_of(topic: Topic) -> str:
    """The key of a topic's name in the settings."""
    return topic.name.replace("-", "_")
