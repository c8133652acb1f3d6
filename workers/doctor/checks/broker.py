"""The broker, judged by what it says: facts in, findings out."""

from collections.abc import Mapping

from workers.camera.sending.spread import even_map, spread
from workers.doctor.findings import Finding, failed, ok, or_ok, skipped, warning
from workers.doctor.needs import Needs
from workers.runtime.bus.kafka.admin.survey import BrokerFacts, GroupFacts
from workers.runtime.settings.process import KafkaSettings

_OLDEST = (3, 0)
_RESTART_MS = 30_000  # what a single broker needs to start again, docs/reliability.md
_BUSY_LAG = 1000


def judge_version(facts: BrokerFacts) -> list[Finding]:
    """Old enough to be known, new enough to list its transactions."""
    version = ".".join(map(str, facts.version)) or "unknown"
    if facts.version and facts.version < _OLDEST:
        says = f"speaks the protocol of Kafka {version}"
        return [warning(says, "use Kafka 3.0 or newer", "kafka.bootstrap_servers")]
    nodes = f"{facts.nodes} broker{'s' if facts.nodes != 1 else ''}"
    return [ok(f"{nodes}, protocol of Kafka {version} or newer")]


def advertised(says: str) -> Finding:
    """A broker that answers, but sends its clients to where nobody does."""
    return failed(
        says,
        "set the broker's advertised.listeners to an address that can be reached from here, or "
        "open the network to the one it has; kafka.bootstrap_servers is right",
        "advertised.listeners (of the broker)",
    )


def judge_transactions(facts: BrokerFacts, needs: Needs) -> list[Finding]:
    """Whether exactly-once is to be had, where it is wanted."""
    if not needs.transactional:
        return [skipped("this process writes without transactions")]
    if facts.transactions:
        return [ok("exactly once is possible")]
    says = "this broker cannot do exactly-once (the embedded one, or older than Kafka 3.0)"
    if needs.exactly_once:
        advice = "use another broker, or set at-least-once"
        return [failed(says, advice, "worker.delivery")]
    advice = "subscribers have to drop repeated outcome ids; or use Apache Kafka"
    return [warning(f"{says}: delivery is at least once", advice, "worker.delivery")]


def judge_single(facts: BrokerFacts, kafka: KafkaSettings, needs: Needs) -> list[Finding]:
    """One broker that is killed may leave a transaction open for ever."""
    if not (needs.transactional and facts.transactions):
        return [skipped("no transactions")]
    if facts.nodes != 1 or kafka.transaction_timeout_ms >= _RESTART_MS:
        return [ok(f"transaction timeout {kafka.transaction_timeout_ms} ms, {facts.nodes} brokers")]
    return [
        warning(
            "the only broker, and a transaction timeout that may be shorter than its restart: a "
            "transaction could stay open for ever (docs/reliability.md)",
            f"set it above the broker's restart, for instance {_RESTART_MS}; or use three brokers",
            "kafka.transaction_timeout_ms",
        )
    ]


def judge_timeouts(facts: BrokerFacts, kafka: KafkaSettings) -> list[Finding]:
    """The broker refuses sessions and transactions beyond its own bounds."""
    if facts.configs is None:
        why = "the broker does not tell its settings (right: DescribeConfigs on the cluster)"
        return [skipped(why)]
    session, transaction = kafka.session_timeout_ms, kafka.transaction_timeout_ms
    return or_ok(
        (
            _within(facts.configs, "group.min.session.timeout.ms", session, least=True),
            _within(facts.configs, "group.max.session.timeout.ms", session, least=False),
            _within(facts.configs, "transaction.max.timeout.ms", transaction, least=False),
        ),
        f"session {session} ms and transaction {transaction} ms are within the broker's bounds",
    )


def _within(configs: Mapping[str, str], key: str, ours: int, *, least: bool) -> Finding | None:
    bound = int(configs[key]) if configs.get(key, "").isdigit() else ours
    if (ours >= bound) if least else (ours <= bound):
        return None
    setting = "kafka.transaction_timeout_ms" if "transaction" in key else "kafka.session_timeout_ms"
    relation = "at least" if least else "at most"
    return failed(
        f"{ours} ms, but the broker's {key} is {bound}",
        f"set {relation} {bound}, or change the broker",
        setting,
    )


def judge_spread(
    needs: Needs, partitions: int, cameras: tuple[str, ...], written: Mapping[int, tuple[int, int]]
) -> list[Finding]:
    """Whether the cameras use the partitions: an empty one is a worker without work."""
    beyond = {camera: at for camera, at in needs.camera_partitions.items() if at >= partitions}
    if beyond:
        named = ", ".join(f"{camera}: {at}" for camera, at in beyond.items())
        says = f"the topic has partitions 0 to {partitions - 1}, but the map says {named}"
        return [failed(says, "name partitions that exist", "camera.partitions")]
    if not cameras:
        return [_written_spread(written)]
    found = spread(cameras, partitions, needs.camera_partitions)
    empty = [index for index, names in found.items() if not names]
    if not empty or len(cameras) < 2 or partitions - len(empty) >= len(cameras):
        used = partitions - len(empty)
        most = max(len(names) for names in found.values())
        says = f"{len(cameras)} cameras on {used} of {partitions} partitions, at most {most} on one"
        return [ok(says)]
    even = ", ".join(f"{name}: {index}" for name, index in even_map(cameras, partitions).items())
    return [
        warning(
            f"{len(empty)} of {partitions} partitions get no frames from {len(cameras)} cameras",
            f"give cameras their partition: {{{even}}}",
            "camera.partitions",
        )
    ]


def _written_spread(written: Mapping[int, tuple[int, int]]) -> Finding:
    empty = [index for index, (_, end) in written.items() if end == 0]
    if len(empty) == len(written):
        return skipped("no frames yet and no camera names", "give --camera ID for each camera")
    if not empty:
        return ok(f"frames came on all {len(written)} partitions")
    return warning(
        f"frames never came on {len(empty)} of {len(written)} partitions",
        "see the cameras' spread: `stream-inspector camera --show-spread`",
        "camera.partitions",
    )


def judge_group(facts: GroupFacts, needs: Needs) -> list[Finding]:
    """Its state, its lag, and whether it may be read."""
    lags = [lag for lag in facts.lag.values() if lag is not None]
    lag = sum(lags)
    fresh = len(facts.lag) - len(lags)
    says = f"state {facts.state or 'not told'}, {facts.members} members, lag {lag}"
    says += f", nothing committed on {fresh} of {len(facts.lag)} partitions" if fresh else ""
    problems = (_unreadable(facts, needs), _expired(facts, needs), _behind(facts, lag, needs))
    return or_ok(problems, says)


def _unreadable(facts: GroupFacts, needs: Needs) -> Finding | None:
    if facts.operations is None or "READ" in facts.operations:
        return None
    return failed(
        f"no right to Read the group {needs.group}", grant("Read", "--group", needs.group or ""),
        needs.group_setting,
    )  # fmt: skip


def _expired(facts: GroupFacts, needs: Needs) -> Finding | None:
    if not facts.expired:
        return None
    return warning(
        f"{facts.expired} records after its position are gone: the topic's retention deleted them",
        "they will be told as an interruption; keep the topic longer, or start workers sooner",
        needs.group_setting,
    )


def _behind(facts: GroupFacts, lag: int, needs: Needs) -> Finding | None:
    if facts.members or lag < _BUSY_LAG:
        return None
    says = f"nobody reads: {lag} records wait and the group has no members"
    return warning(says, "start the process, or name the group that reads", needs.group_setting)


def grant(operation: str, flag: str, name: str) -> str:
    """How a right is given."""
    return (
        f"grant it: kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:NAME "
        f"--operation {operation} {flag} {name}"
    )
