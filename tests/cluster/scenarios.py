"""A real control plane runs the chart, and KEDA scales its inspectors on the lag of a real broker.

Not collected by itself (`make cluster-test` names this file): it needs all programs of the cache,
Apache Kafka and some minutes. Pods are simulated; they are Ready as soon as they are scheduled.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import stamina
from cluster.client import CHART, RELEASE, SUPPORTED, Client, Refused, condition, name_of
from kafka import TopicPartition
from kafka.admin import ACLOperation, OffsetSpec, ResourceType
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from schemas.envelope import WireMessage
from tests.integration.broker.secure_kafka import WORKER, Secure, make_certificates, secure_kafka
from workers.runtime.bus.kafka.connect import connect_admin, connect_producer, create_topics
from workers.runtime.bus.ports import Outgoing
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PARTITIONS, THRESHOLD = 4, 200
STABLE_S = 6  # of lower lag before replicas go; minutes in production
TOPIC, GROUP = "frames", "inspectors"
INSPECTOR = "app.kubernetes.io/component=inspector"
SCALED = [
    f"--values={CHART / 'ci' / 'default-values.yaml'}",
    f"--set=topics.partitions={PARTITIONS}",
    f"--set=autoscaling.maxReplicas={PARTITIONS}",
    f"--set=autoscaling.lagThreshold={THRESHOLD}",
    f"--set=autoscaling.cooldownSeconds={STABLE_S}",
    "--set=autoscaling.scaleDown.periodSeconds=2",
    "--set=autoscaling.keda.pollingInterval=1",
]


@pytest.mark.parametrize("values", SUPPORTED, ids=name_of)
def test_it_runs_upgrades_and_rolls_back(cluster: Client, values: Path) -> None:
    plant = cluster.within(f"runs-{name_of(values)}")
    plant.provide(values)
    given = [RELEASE, str(CHART), f"--values={values}"]
    plant.helm("install", *given)
    wait_until_it_runs(plant)
    before = plant.images()
    plant.helm("upgrade", *given, "--set=image.tag=next")
    wait_until_it_runs(plant)
    assert all(":next" in image for image in plant.images())
    plant.helm("rollback", RELEASE, "1")
    wait_until_it_runs(plant)
    assert plant.images() == before
    plant.helm("uninstall", RELEASE)
    plant.until(lambda: plant.get("pods") == [])


def wait_until_it_runs(plant: Client) -> None:
    """All replicas are of the newest template and Ready, all jobs are done."""
    for workload in plant.get("deployments,statefulsets"):
        name = f"{workload['kind'].lower()}/{workload['metadata']['name']}"
        plant.kubectl("rollout", "status", name, "--timeout=60s")
    if plant.get("jobs"):
        plant.kubectl("wait", "--for=condition=Complete", "job", "--all", "--timeout=60s")


class Line:
    """The chart, installed for a topic and a group on a real broker."""

    def __init__(self, plant: Client, kafka: KafkaSettings, *values: str) -> None:
        self.plant = plant
        create_topics(kafka, {TOPIC: PARTITIONS})
        self._admin = connect_admin(kafka)
        self._partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        producer = connect_producer(kafka, "camera")
        for partition in range(PARTITIONS):
            frame = WireMessage(key=b"", headers=[], value=b"")
            producer.publish([Outgoing(TOPIC, frame, partition)] * 20 * THRESHOLD)
        producer.close()
        servers = f"--set=kafka.bootstrapServers={kafka.bootstrap_servers}"
        self.given = [str(CHART), *SCALED, servers, *values]

    # Until the broker has made the topic of the groups, or is back.
    @stamina.retry(on=KafkaError, timeout=30)
    def leave(self, lag: int) -> None:
        """Commit the group's positions so that it is that many frames behind."""
        ends = self._admin.list_partition_offsets(
            dict.fromkeys(self._partitions, OffsetSpec.LATEST)
        )
        shares = [lag // PARTITIONS + (number < lag % PARTITIONS) for number in range(PARTITIONS)]
        self._admin.alter_group_offsets(
            GROUP,
            {
                each: OffsetAndMetadata(ends[each].offset - share, "", None)
                for each, share in zip(self._partitions, shares, strict=True)
            },
        )

    @property
    def workload(self) -> Any:
        """The inspectors' Deployment."""
        return self.plant.get("deployments", f"--selector={INSPECTOR}")[0]

    @property
    def replicas(self) -> int:
        """As asked for."""
        return int(self.workload["spec"]["replicas"])

    @property
    def ready(self) -> int:
        return int(self.workload["status"].get("readyReplicas", 0))

    def has(self, replicas: int) -> Callable[[], bool]:
        """Whether so many are wanted and Ready."""
        return lambda: self.replicas == self.ready == replicas

    @property
    def scaled(self) -> dict[str, Any]:
        return self.plant.get("scaledobjects")[0]

    def metric(self) -> int:
        """What KEDA tells the autoscaler."""
        scaled = self.scaled
        name = scaled["status"]["externalMetricNames"][0]
        label = quote(f"scaledobject.keda.sh/name={scaled['metadata']['name']}", safe="")
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{self.plant.namespace}/{name}"
        answer = json.loads(self.plant.kubectl("get", "--raw", f"{path}?labelSelector={label}"))
        return as_number(answer["items"][0]["value"])

    def seen(self) -> int | None:
        """Lag for each replica, when the autoscaler last looked; None where it could not tell."""
        for autoscaler in self.plant.get("hpa"):
            for metric in autoscaler["status"].get("currentMetrics") or []:
                if "external" in metric:
                    return as_number(metric["external"]["current"]["averageValue"])
        return None

    def close(self) -> None:
        self._admin.close()


def as_number(quantity: str) -> int:
    """Of a Kubernetes quantity, in whole ones."""
    return int(quantity[:-1]) // 1000 if quantity.endswith("m") else int(quantity)


@pytest.fixture(scope="module")
def line(cluster: Client, broker: ApacheKafka) -> Iterator[Line]:
    line = Line(cluster.within("line"), KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
    line.leave(0)
    line.plant.helm("install", RELEASE, *line.given)
    yield line
    line.close()


def raised(line: Line) -> None:
    """All that the partitions allow, and the autoscaler has just seen why."""
    line.leave(20 * PARTITIONS * THRESHOLD)
    line.plant.until(lambda: line.seen() == THRESHOLD and line.has(PARTITIONS)())


def test_without_lag_there_is_one_inspector_and_one_autoscaler(line: Line) -> None:
    line.plant.until(lambda: condition(line.scaled, "Ready") == "True")
    line.plant.until(line.has(1))
    (autoscaler,) = line.plant.get("hpa")
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == line.workload["metadata"]["name"]


def test_replicas_follow_the_lag_up_to_the_partitions(line: Line, figures: dict[str, str]) -> None:
    line.leave(2 * THRESHOLD + 1)
    took = line.plant.until(line.has(3))
    figures["lag 2 thresholds + 1 -> 3 replicas Ready"] = f"{took:.1f} s"
    line.leave(20 * PARTITIONS * THRESHOLD)
    took = line.plant.until(line.has(PARTITIONS))
    figures[f"lag {20 * PARTITIONS} thresholds -> {PARTITIONS} replicas Ready"] = f"{took:.1f} s"
    assert line.metric() == PARTITIONS * THRESHOLD  # KEDA itself stops at the partitions


def test_an_upgrade_while_scaled_keeps_the_replicas(line: Line) -> None:
    raised(line)
    wanted, ready = set(), []
    line.plant.helm("upgrade", RELEASE, *line.given, "--set=image.tag=next")

    def rolled_out() -> bool:
        workload = line.workload
        wanted.add(workload["spec"]["replicas"])
        ready.append(line.ready)
        status = workload["status"]
        return (
            status["observedGeneration"] == workload["metadata"]["generation"]
            and status.get("updatedReplicas") == status["replicas"] == PARTITIONS
        )

    line.plant.until(rolled_out)
    assert wanted == {PARTITIONS}
    assert min(ready) >= PARTITIONS
    line.plant.helm("rollback", RELEASE)
    assert line.replicas == PARTITIONS
    wait_until_it_runs(line.plant)


def test_evictions_beyond_the_disruption_budget_are_refused(line: Line) -> None:
    raised(line)
    nodes = ["--selector=kubernetes.io/os=linux"]
    line.plant.kubectl("cordon", *nodes)  # so that what is evicted is missed
    try:
        first, second = line.plant.get("pods", f"--selector={INSPECTOR}")[:2]
        evict(line.plant, first)
        with pytest.raises(Refused, match="TooManyRequests"):
            evict(line.plant, second)
    finally:
        line.plant.kubectl("uncordon", *nodes)
    line.plant.until(line.has(PARTITIONS))
    evict(line.plant, second)


def evict(plant: Client, pod: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{plant.namespace}/pods/{name}/eviction"
    plant.kubectl("create", f"--raw={path}", "-f", "-", given=json.dumps(eviction))


def test_a_broker_outage_drops_no_replica(
    line: Line, broker: ApacheKafka, figures: dict[str, str]
) -> None:
    raised(line)
    (node,) = broker.nodes
    node.kill()
    try:
        line.plant.until(lambda: line.seen() is None)
        end, counts = time.monotonic() + 2 * STABLE_S, set()
        line.plant.until(lambda: counts.add(line.replicas) or time.monotonic() > end)
        ready, active = (condition(line.scaled, kind) for kind in ("Ready", "Active"))
        figures[f"{2 * STABLE_S} s without a broker"] = (
            f"{sorted(counts)} replicas, ScaledObject Ready {ready}, Active {active}"
        )
        assert counts == {PARTITIONS}
        assert "KEDAScalerFailed" in events(line.plant, "reason")
    finally:
        node.start()
        node.wait_until_ready()
    took = line.plant.until(lambda: line.seen() == THRESHOLD)
    figures["broker back -> the autoscaler sees the lag"] = f"{took:.1f} s"
    assert line.replicas == PARTITIONS


def events(plant: Client, field: str) -> str:
    """What all of them have there."""
    return plant.kubectl("get", "events", f"--output=jsonpath={{.items[*].{field}}}")


def test_replicas_fall_after_the_cooldown(line: Line, figures: dict[str, str]) -> None:
    raised(line)
    line.leave(0)
    took = line.plant.until(lambda: line.replicas < PARTITIONS)
    assert took > STABLE_S - 3  # less the time between two looks: not at once
    took += line.plant.until(line.has(1))
    figures["lag 0 -> 1 replica"] = f"{took:.1f} s (stabilisation {STABLE_S} s)"
    end, counts = time.monotonic() + STABLE_S, set()
    line.plant.until(lambda: counts.add(line.replicas) or time.monotonic() > end)
    assert counts == {1}  # and never to zero


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("no-broker", "kafka.bootstrapServers=127.0.0.1:9"),
        ("no-topic", "topics.frames=no-such-topic"),
    ],
)
def test_what_keda_cannot_read_is_not_ready(
    cluster: Client, line: Line, where: str, wrong: str
) -> None:
    plant = cluster.within(where)
    plant.helm("install", RELEASE, *line.given, f"--set={wrong}")
    plant.until(lambda: condition(plant.get("scaledobjects")[0], "Ready") == "False")
    assert "KEDAScalerFailed" in events(plant, "reason")
    plant.helm("uninstall", RELEASE)


def test_keda_logs_in_with_the_rights_of_the_documentation(
    cluster: Client, tmp_path: Path, figures: dict[str, str]
) -> None:
    certificates = make_certificates(tmp_path)
    with secure_kafka(certificates) as broker:
        secure = Secure(broker, certificates)
        plant = cluster.within("secured")
        user, password = WORKER
        plant.apply(
            secret("login", username=user, password=password),
            secret("wrong-login", username=user, password="wrong-one"),
            secret("authority", **{"ca.crt": certificates.authority.read_text()}),
        )
        line = Line(
            plant,
            secure.admin,
            "--set=kafka.security.protocol=SASL_SSL",
            "--set=kafka.security.auth.existingSecret=login",
            "--set=kafka.security.tls.existingSecret=authority",
        )
        line.leave(2 * THRESHOLD + 1)
        wrong = "--set=autoscaling.keda.kafkaAuthSecret=wrong-login"
        plant.helm("install", RELEASE, *line.given, wrong)
        plant.until(lambda: "SASL Authentication failed" in events(plant, "message"))
        plant.helm("upgrade", RELEASE, *line.given)
        plant.until(lambda: "not authorized" in events(plant, "message"))
        secure.grant(ResourceType.TOPIC, TOPIC, ACLOperation.DESCRIBE)
        secure.grant(ResourceType.GROUP, GROUP, ACLOperation.DESCRIBE)
        took = plant.until(line.has(3))
        figures["SASL_SSL, rights granted -> 3 replicas Ready"] = f"{took:.1f} s"
        plant.until(lambda: condition(line.scaled, "Ready") == "True")
        line.close()


def secret(name: str, **values: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": values,
    }


def test_a_gpu_that_no_node_has_leaves_the_pod_pending(cluster: Client) -> None:
    plant = cluster.within("no-gpu")
    gpu = ["--set=inspector.gpu.count=1", "--set=inspector.gpu.resourceName=nvidia.com/none"]
    plant.helm("install", RELEASE, str(CHART), f"--values={SUPPORTED[0]}", *gpu)
    plant.until(lambda: "Insufficient nvidia.com/none" in events(plant, "message"))
    with pytest.raises(Refused, match="timed out"):
        plant.kubectl("rollout", "status", "deployment", f"--selector={INSPECTOR}", "--timeout=1s")


def test_a_second_autoscaler_for_the_inspectors_is_refused(line: Line) -> None:
    twin = line.scaled
    twin["metadata"] = {"name": "twin", "namespace": line.plant.namespace}
    twin.pop("status")
    with pytest.raises(Refused, match="already managed"):
        line.plant.apply(twin)


def fix(line: Line) -> None:
    """From KEDA to three replicas, as docs/kubernetes.md says: the autoscaler leaves first."""
    line.plant.kubectl("delete", "scaledobjects", "--all")
    line.plant.until(lambda: line.plant.get("hpa") == [])
    line.plant.helm("upgrade", RELEASE, *line.given, *FIXED, "--force-conflicts")
    line.plant.until(line.has(3))


FIXED = ["--set=autoscaling.kind=none", "--set=inspector.replicas=3"]


def test_fixed_replicas_and_an_autoscaler_replace_each_other(
    line: Line, figures: dict[str, str]
) -> None:
    raised(line)
    fix(line)
    line.plant.helm("upgrade", RELEASE, *line.given)
    dropped_to = line.replicas  # the chart gives the field up, and nobody else has it
    took = line.plant.until(line.has(PARTITIONS))
    figures["fixed replicas 3 -> KEDA"] = f"{dropped_to}, then {PARTITIONS} after {took:.1f} s"


def test_a_second_owner_of_the_number_keeps_it_until_the_autoscaler_looks(line: Line) -> None:
    raised(line)
    fix(line)
    workload = {key: line.workload[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": line.workload["metadata"]["name"]},
        "spec": {"replicas": 3},
    }
    owned = ["apply", "--server-side", "--field-manager=handover", "-f", "-"]
    line.plant.kubectl(*owned, given=json.dumps(workload))
    line.plant.helm("upgrade", RELEASE, *line.given)
    counts = set()
    line.plant.until(lambda: counts.add(line.replicas) or line.has(PARTITIONS)())
    assert min(counts) == 3
    with pytest.raises(Refused, match="conflict"):  # now the autoscaler is on record as the owner
        line.plant.helm("upgrade", RELEASE, *line.given, *FIXED)
    fix(line)
