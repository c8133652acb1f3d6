"""A topic, judged by what the broker says of it: facts in, findings out."""

from schemas import topics as intended
from workers.doctor.checks.broker import grant
from workers.doctor.findings import Finding, failed, or_ok, skipped, warning
from workers.doctor.needs import TopicNeed
from workers.runtime.bus.kafka.admin.survey import BrokerFacts, Hidden, TopicFacts
from workers.runtime.settings.process import TopicSettings

_HOUR_MS = 3_600_000
_CREATE = "create it: `stream-inspector topics create`; or set topics.create: true"


def judge_topic(
    name: str,
    found: TopicFacts | type[Hidden] | None,
    need: TopicNeed,
    settings: TopicSettings,
    broker: BrokerFacts,
) -> list[Finding]:
    """Everything about one topic."""
    key = f"topics.{need.key}"
    if found is None:
        return [_missing(name, settings, key)]
    if not isinstance(found, TopicFacts):
        says = f"the broker does not show {name} to this user, or allow {need.right} on it"
        return [failed(says, grant(need.right, "--topic", name), key)]
    problems = (
        _leaderless(name, found),
        _forbidden(name, found, need, key),
        _partitions(found, need, settings),
        _too_small(name, found, need),
        _compacted(name, found, key),
        _short_lived(name, found, need, key),
        _fragile(found, broker, key),
    )
    told = "" if found.configs is not None else ", its settings are not told"
    says = f"{found.partitions} partitions, {found.replicas} replicas, {need.right}{told}"
    return or_ok(problems, says)


def _missing(name: str, settings: TopicSettings, key: str) -> Finding:
    if settings.create:
        return skipped(f"{name} is not there yet; it is created at start (topics.create)")
    return failed(f"{name} is not there", _CREATE, key)


def _leaderless(name: str, found: TopicFacts) -> Finding | None:
    if not found.leaderless:
        return None
    says = f"{found.leaderless} of {found.partitions} partitions of {name} have no leader"
    return failed(says, "bring the brokers back that hold it", "kafka.bootstrap_servers")


def _forbidden(name: str, found: TopicFacts, need: TopicNeed, key: str) -> Finding | None:
    if found.operations is None or need.right.upper() in found.operations:
        return None
    return failed(f"no right to {need.right} {name}", grant(need.right, "--topic", name), key)


def _partitions(found: TopicFacts, need: TopicNeed, settings: TopicSettings) -> Finding | None:
    if need.key != "frames" or found.partitions == settings.partitions:
        return None
    return warning(
        f"it has {found.partitions} partitions, the setting says {settings.partitions}; a topic "
        "that exists is left as it is",
        "as many workers as partitions have work: make the two agree",
        "topics.partitions",
    )


def _too_small(name: str, found: TopicFacts, need: TopicNeed) -> Finding | None:
    limit = _number(found, "max.message.bytes")
    if limit is None or limit >= need.largest:
        return None
    change = f"--alter --topic {name} --add-config max.message.bytes={need.largest}"
    return failed(
        f"takes messages of at most {limit} bytes, {need.largest} are needed",
        f"kafka-configs.sh --bootstrap-server HOST:PORT {change}; or send smaller frames",
        "kafka.max_frame_bytes",
    )


def _compacted(name: str, found: TopicFacts, key: str) -> Finding | None:
    policy = (found.configs or {}).get("cleanup.policy", "delete")
    if "compact" not in policy:
        return None
    return failed(
        f"cleanup.policy {policy} keeps only the last record of each camera",
        f"kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic {name} --add-config "
        "cleanup.policy=delete",
        key,
    )


def _short_lived(name: str, found: TopicFacts, need: TopicNeed, key: str) -> Finding | None:
    kept = _number(found, "retention.ms")
    meant = next(each for each in intended.TOPICS if each.name.replace("-", "_") == need.key)
    if kept is None or kept < 0 or kept >= meant.retention_hours * _HOUR_MS:
        return None
    wanted = meant.retention_hours * _HOUR_MS
    return warning(
        f"records are kept {kept / _HOUR_MS:g} hours, {meant.retention_hours} are meant: "
        f"{meant.why}",
        f"kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic {name} --add-config "
        f"retention.ms={wanted}",
        key,
    )


def _fragile(found: TopicFacts, broker: BrokerFacts, key: str) -> Finding | None:
    least = _number(found, "min.insync.replicas")
    if least is not None and least > found.replicas:
        return failed(
            f"min.insync.replicas {least} with {found.replicas} replicas: nothing can be written",
            "add replicas, or lower min.insync.replicas",
            key,
        )
    if found.replicas > 1 or broker.nodes == 1:
        return None
    says = f"one replica on a cluster of {broker.nodes}: a broker that is lost takes records along"
    return warning(says, "give the topic three replicas", key)


def _number(found: TopicFacts, key: str) -> int | None:
    value = (found.configs or {}).get(key)
    return None if value is None else int(value)
