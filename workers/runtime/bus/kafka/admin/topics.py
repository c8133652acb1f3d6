"""Topics as they should be: created where they are missing, compared where they are there."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.bus.kafka.errors import translated
from workers.runtime.settings.process import KafkaSettings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be. Replication -1 is the broker's default."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicState:
    """What was found, or done."""

    name: str
    created: bool
    differences: tuple[str, ...] = ()  # of an existing topic, which is never changed


def ensure_topics(
    kafka: KafkaSettings, plans: Sequence[TopicPlan], *, dry_run: bool = False
) -> list[TopicState]:
    """Create missing topics, compare the others. Raises AccessDenied, BusUnavailable, ..."""
    with contextlib.closing(connect_admin(kafka)) as admin, translated("Describe"):
        existing = set(admin.list_topics())  # then nobody needs the right to create them
        there = [plan for plan in plans if plan.name in existing]
        states = {state.name: state for state in _compare(admin, there)}
        for plan in plans:
            if plan.name in existing:
                continue
            if not dry_run:
                _create(admin, plan)
            states[plan.name] = TopicState(plan.name, created=True)
    return [states[plan.name] for plan in plans]


def _create(admin: Any, plan: TopicPlan) -> None:
    options = {
        "num_partitions": plan.partitions,
        "replication_factor": plan.replication,
        "configs": dict(plan.configs),
    }
    with translated("Create", plan.name), contextlib.suppress(errors.TopicAlreadyExistsError):
        admin.create_topics({plan.name: options}, wait_for_metadata=True)


def _compare(admin: Any, plans: Sequence[TopicPlan]) -> Iterable[TopicState]:
    if not plans:
        return
    configs = _configs(admin, [plan.name for plan in plans])
    for topic in admin.describe_topics([plan.name for plan in plans]):
        plan = next(plan for plan in plans if plan.name == topic["name"])
        partitions = topic["partitions"]
        replicas = min((len(each["replica_nodes"]) for each in partitions), default=0)
        found = [_difference("partitions", len(partitions), plan.partitions)]
        if plan.replication > 0:
            found.append(_difference("replication factor", replicas, plan.replication))
        told = configs.get(plan.name, {})
        found += [
            _difference(key, told[key]["value"], wanted)
            for key, wanted in plan.configs.items()
            if key in told
        ]
        yield TopicState(plan.name, created=False, differences=tuple(filter(None, found)))


def _configs(admin: Any, names: Sequence[str]) -> dict[str, Any]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        found: dict[str, Any] = admin.describe_configs(resources, config_filter="all")
    except errors.KafkaError as error:  # a right of its own, which a user may lack
        _log.warning("topic settings are not compared", reason=f"{type(error).__name__}: {error}")
        return {}
    return dict(found.get("topic", {}))


def _difference(what: str, found: object, wanted: object) -> str:
    return "" if str(found) == str(wanted) else f"{what} {found}, wanted {wanted}"
