"""Exactly one thing sets the number of workers, and it follows the lag as the workers see it."""

import inspect
import math
from typing import Any

import helm_python as helm
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_chart import PREFIX, Object, Objects, merged, one, process_file, render, supported

from workers.inspector.settings import InspectorSettings
from workers.runtime.bus.kafka.connect import connect_consumer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chart-scaling")]

KINDS = ("keda", "hpa", "none")
WORKLOAD_KINDS = ("Deployment", "StatefulSet")


def with_scaling(**autoscaling: Any) -> Objects:
    return render(merged(supported("default"), {"autoscaling": autoscaling}))


def scaled(objects: Objects) -> Object:
    found: Object = one(objects, "ScaledObject", "inspector")["spec"]
    return found


def autoscalers(objects: Objects, component: str = "inspector") -> list[Object]:
    kinds = ("ScaledObject", "HorizontalPodAutoscaler")
    name = f"{PREFIX}-{component}"
    return [d for (kind, at), d in objects.items() if kind in kinds and at == name]


def desired(spec: Object, lag: int, partitions: int) -> int:
    """KEDA's and the autoscaler's arithmetic: lag capped at partitions x threshold, rounded up."""
    threshold = int(spec["triggers"][0]["metadata"]["lagThreshold"])
    wanted = math.ceil(min(lag, partitions * threshold) / threshold)
    return max(spec["minReplicaCount"], min(spec["maxReplicaCount"], wanted))


@pytest.mark.parametrize("workload", WORKLOAD_KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_one_side_sets_the_number(kind: str, workload: str) -> None:
    values = {"autoscaling": {"kind": kind}, "inspector": {"kind": workload}}
    objects = render(merged(supported("default"), values))
    found = autoscalers(objects)
    fixed = "replicas" in one(objects, workload, "inspector")["spec"]
    assert len(found) + fixed == 1
    for scaler in found:
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in objects
        assert target["apiVersion"] == "apps/v1"


@pytest.mark.parametrize("kind", KINDS)
def test_explainers_scale_on_their_own_lag_or_not_at_all(kind: str) -> None:
    objects = with_scaling(kind=kind)
    found = autoscalers(objects, "explainer")
    spec = one(objects, "Deployment", "explainer")["spec"]
    assert (len(found), "replicas" in spec) == ((1, False) if kind == "keda" else (0, True))
    for scaler in found:
        asked = scaler["spec"]["triggers"][0]["metadata"]
        assert (asked["consumerGroup"], asked["topic"]) == ("explainers", "defects")
        assert scaler["spec"]["scaleTargetRef"]["name"] == f"{PREFIX}-explainer"


def test_explainers_are_never_more_than_partitions_and_may_be_none() -> None:
    few = {"topics": {"partitions": 1}, "autoscaling": {"maxReplicas": 1}}
    none = {"explainer": {"autoscaling": {"minReplicas": 0, "maxReplicas": 3}}}
    objects = render(merged(supported("default"), few, none))
    spec = one(objects, "ScaledObject", "explainer")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 1)
    without = render(merged(supported("default"), {"explainer": {"enabled": False}}))
    assert not [name for _, name in without if name.endswith("-explainer")]
    with pytest.raises(helm.HelmRenderError, match=r"explainer.replicas .9. is above"):
        many = {"autoscaling": {"kind": "none"}, "explainer": {"replicas": 9}}
        render(merged(supported("default"), many))


def test_no_autoscaler_is_left_without_inspectors() -> None:
    objects = render(merged(supported("default"), {"inspector": {"enabled": False}}))
    assert autoscalers(objects) == []
    assert not [d for d in objects if d[1] == "line-stream-inspector-inspector"]


def test_the_trigger_reads_what_the_workers_read() -> None:
    values = {"inspector": {"group": "line-7"}, "topics": {"frames": "line-7.frames"}}
    objects = render(merged(supported("secure"), values))
    trigger = scaled(objects)["triggers"][0]["metadata"]
    worker = process_file(objects, "inspector", "worker")
    assert trigger["consumerGroup"] == worker["worker"]["group"] == "line-7"
    assert trigger["topic"] == worker["topics"]["frames"] == "line-7.frames"
    assert trigger["bootstrapServers"] == worker["kafka"]["bootstrap_servers"]


def test_where_nothing_is_committed_worker_and_trigger_start_at_the_same_place() -> None:
    beginning = inspect.signature(connect_consumer).parameters["from_beginning"].default
    trigger = scaled(with_scaling())["triggers"][0]["metadata"]
    assert beginning is True
    assert trigger["offsetResetPolicy"] == "earliest"


@pytest.mark.parametrize("pattern", ["secure", "mutual-tls"])
def test_keda_proves_itself_with_the_workers_secrets(pattern: str) -> None:
    objects = render(supported(pattern))
    trigger = scaled(objects)["triggers"][0]
    reference = trigger["authenticationRef"]["name"]
    given = {
        each["parameter"]: (each["name"], each["key"])
        for each in objects["TriggerAuthentication", reference]["spec"]["secretTargetRef"]
    }
    assert trigger["metadata"]["tls"] == "enable"
    assert {
        "secure": {
            "username": ("kafka-scaler", "username"),
            "password": ("kafka-scaler", "password"),
            "ca": ("kafka-ca", "ca.crt"),
        },
        "mutual-tls": {
            "ca": ("kafka-certificate", "ca.crt"),
            "cert": ("kafka-certificate", "tls.crt"),
            "key": ("kafka-certificate", "tls.key"),
            "keyPassword": ("kafka-certificate", "key-password"),
        },
    }[pattern] == given


@pytest.mark.parametrize(
    ("mechanism", "name"),
    [("PLAIN", "plaintext"), ("SCRAM-SHA-256", "scram_sha256"), ("SCRAM-SHA-512", "scram_sha512")],
)
def test_keda_knows_the_mechanism_by_its_own_name(mechanism: str, name: str) -> None:
    values = merged(supported("secure"), {"kafka": {"security": {"mechanism": mechanism}}})
    assert scaled(render(values))["triggers"][0]["metadata"]["sasl"] == name


def test_an_open_broker_needs_no_authentication() -> None:
    objects = with_scaling()
    assert "authenticationRef" not in scaled(objects)["triggers"][0]
    assert "TriggerAuthentication" not in {kind for kind, _ in objects}


def test_a_worker_that_keeps_up_asks_for_no_other() -> None:
    """Frames in work count as lag: a full worker alone must stay below the threshold."""
    in_flight = InspectorSettings().worker.in_flight_frames
    spec = scaled(with_scaling())
    for workers in range(1, 5):
        assert desired(spec, workers * in_flight, 4) <= workers


def test_the_chart_knows_the_workers_own_bound() -> None:
    in_flight = InspectorSettings().worker.in_flight_frames
    assert with_scaling(lagThreshold=in_flight + 1)
    with pytest.raises(helm.HelmError, match=rf"lagThreshold \({in_flight}\) must be above the"):
        with_scaling(lagThreshold=in_flight)


def test_a_larger_bound_needs_a_larger_threshold() -> None:
    larger = {"inspector": {"config": {"worker": {"in_flight_frames": 256}}}}
    with pytest.raises(helm.HelmError, match="above the 256 frames"):
        render(merged(supported("default"), larger))
    assert render(merged(supported("default"), larger, {"autoscaling": {"lagThreshold": 257}}))


@settings(max_examples=50, deadline=None)
@given(
    lag=st.integers(0, 10**7),
    partitions=st.integers(1, 64),
    least=st.integers(1, 64),
    most=st.integers(1, 64),
)
def test_the_number_follows_the_lag_within_its_bounds(
    lag: int, partitions: int, least: int, most: int
) -> None:
    values = {
        "topics": {"partitions": partitions},
        "autoscaling": {"minReplicas": least, "maxReplicas": most},
    }
    if not least <= most <= partitions:
        with pytest.raises(helm.HelmError, match=r"Replicas \([0-9]+\) is above"):
            render(merged(supported("default"), values))
        return
    spec = scaled(render(merged(supported("default"), values)))
    number = desired(spec, lag, partitions)
    threshold = int(spec["triggers"][0]["metadata"]["lagThreshold"])
    assert least <= number <= most <= partitions
    assert number == least or (number - 1) * threshold < lag  # not one more than the lag asks for
    assert number == most or number * threshold >= lag  # and not one less


def test_scaling_never_stops_and_never_hurries_down() -> None:
    spec = scaled(with_scaling(cooldownSeconds=240))
    assert spec["minReplicaCount"] >= 1
    assert "idleReplicaCount" not in spec
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == spec["cooldownPeriod"] == 240
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_an_external_metric_is_the_lag_of_this_group_and_topic() -> None:
    values = merged(supported("hpa-external"), {"inspector": {"group": "line-7"}})
    spec = one(render(values), "HorizontalPodAutoscaler", "inspector")["spec"]
    (metric,) = spec["metrics"]
    selector = metric["external"]["metric"]["selector"]["matchLabels"]
    assert selector == {"consumergroup": "line-7", "topic": "frames"}
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "200"}


def test_a_stable_worker_has_a_transactional_id_of_its_own() -> None:
    objects = render(supported("stable-ids"))
    (container,) = one(objects, "StatefulSet", "inspector")["spec"]["template"]["spec"][
        "containers"
    ]
    names = [each["name"] for each in container["env"]]
    env = {each["name"]: each for each in container["env"]}
    worker_id = "STREAM_INSPECTOR_WORKER__ID"
    transactional = "STREAM_INSPECTOR_WORKER__TRANSACTIONAL_ID"
    assert env[worker_id]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    # its prefix is the group, for which rights are granted
    assert env[transactional]["value"] == f"line-7-$({worker_id})"
    assert names.index(worker_id) < names.index(transactional)  # Kubernetes expands backwards only
    plain = one(render(supported("default")), "Deployment", "inspector")
    assert transactional not in yaml.safe_dump(plain)  # a Deployment's names never come back


def test_a_pod_may_drain_before_it_is_killed() -> None:
    values = {
        "inspector": {"drainSeconds": 90, "preStopSeconds": 7},
        "kafka": {"sessionTimeoutMs": 20500},
    }
    objects = render(merged(supported("default"), values))
    spec = one(objects, "Deployment", "inspector")["spec"]["template"]["spec"]
    worker = process_file(objects, "inspector", "worker")
    assert worker["worker"]["drain_s"] == 90
    assert spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 7
    # preStop, the drain, a rebalance that has to end (one session), and time to leave
    assert spec["terminationGracePeriodSeconds"] == 7 + 90 + 21 + 10


def test_an_upgrade_goes_on_where_no_gpu_is_to_spare() -> None:
    spec = one(render(supported("gpu")), "Deployment", "inspector")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize("amount", [0, 2, "25%"])
def test_evictions_are_limited_to_any_legal_amount(amount: int | str) -> None:
    budget = {"inspector": {"disruptionBudget": {"maxUnavailable": amount}}}
    found = one(render(merged(supported("default"), budget)), "PodDisruptionBudget", "inspector")
    assert found["spec"]["maxUnavailable"] == amount
