"""Every supported configuration renders, lints, keeps its schemas, and hangs together."""

import re
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from kubernetes_schemas import faults
from rendered_chart import (
    CHART,
    PREFIX,
    SUPPORTED,
    WORKLOADS,
    Object,
    Objects,
    containers,
    merged,
    needed,
    one,
    pod_of,
    pods,
    render,
    supported,
    texts,
    workloads,
)

from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chart")]

OLDEST, NEWEST = "1.30.0", "1.37.0"  # Chart.yaml's kubeVersion, and the newest with schemas
ADDED = {
    "Deployment": 11,
    "StatefulSet": 11,
    "CronJob": 11,
    "Job": 4,
}  # -<hash> in a label; -<index> of a host
DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture(params=SUPPORTED, ids=lambda path: path.stem.removesuffix("-values"))
def case(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def objects(case: Path) -> Objects:
    return render(yaml.safe_load(case.read_text()))


def test_it_lints(case: Path) -> None:
    findings = helm.lint(str(CHART), yaml.safe_load(case.read_text()), strict=True)
    informative = 1  # Helm's severities: 1 info, 2 warning, 3 error
    assert findings["total_charts_linted"] == 1
    assert not [f for f in findings["messages"] if f["severity"] > informative]
    assert not findings["errors"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_objects_keep_their_strict_schemas(objects: Objects, version: str) -> None:
    assert {name: found for name, d in objects.items() if (found := faults(d, version))} == {}


def test_the_oldest_kubernetes_is_the_one_that_the_chart_names() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}-0"


def test_planted_faults_are_found() -> None:
    objects = render(supported("default"))
    scaled = one(objects, "ScaledObject", "inspector")
    scaled["spec"]["maxReplicaCount"] = "8"
    scaled["spec"]["triggers"][0]["metadata"]["lagTreshold"] = "9"
    assert len(faults(scaled, NEWEST)) == 2
    deployment = next(d for (kind, _), d in objects.items() if kind == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["resources"]["requests"]["memory"] = "6Gb"
    container["ports"][0]["port"] = 8080
    assert len(faults(deployment, NEWEST)) == 2
    (monitor,) = (
        d for (kind, _), d in render(supported("monitored")).items() if kind == "ServiceMonitor"
    )
    monitor["spec"]["endpoints"][0]["intervall"] = "15s"
    monitor["spec"]["endpoints"][0]["interval"] = "15 s"
    assert len(faults(monitor, NEWEST)) == 2
    with pytest.raises(LookupError, match="no schema for"):
        faults({"apiVersion": "x.y/v1", "kind": "Thing"}, NEWEST)


def test_names_are_short_enough_for_what_kubernetes_adds(case: Path) -> None:
    values = yaml.safe_load(case.read_text())
    with helm.Chart.load(str(CHART)) as chart:
        found = chart.render(
            values, name="a-release-with-as-long-a-name-as-helm-allows-it", namespace="n"
        )
    for text in found.values():
        for document in filter(None, yaml.safe_load_all(text) if "kind:" in text else []):
            name = document["metadata"]["name"]
            assert DNS_NAME.fullmatch(name), name
            assert len(name) <= 63 - ADDED.get(document["kind"], 0), name


def test_no_template_leaves_a_hole(case: Path) -> None:
    for path, text in texts(yaml.safe_load(case.read_text())).items():
        for wrong in ("<no value>", "<nil>", "map[", "%!"):
            assert wrong not in text, path


def test_pods_are_restricted(objects: Objects) -> None:
    """What the Pod Security Standard `restricted` asks, and a read-only root file system."""
    for pod in pods(objects):
        spec, security = pod["spec"], pod["spec"]["securityContext"]
        assert spec["automountServiceAccountToken"] is False
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] >= 10000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        for container in containers(pod):
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
        kinds = {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}


def test_pods_say_what_they_need(objects: Objects) -> None:
    for pod in pods(objects):
        for container in containers(pod):
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in resources["limits"]
            assert not container["image"].endswith(":latest")
        for volume in pod["spec"]["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


def test_servers_are_probed(objects: Objects) -> None:
    for workload in workloads(objects):
        for container in pod_of(workload)["spec"]["containers"]:
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [
                container.get(f"{name}Probe") for name in ("startup", "liveness", "readiness")
            ]
            assert all(probes) is (workload["kind"] not in ("Job", "CronJob", "Pod"))
            assert {probe["httpGet"]["port"] for probe in probes if probe} == ports


def test_selectors_find_exactly_their_pods(objects: Objects) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(objects)]
    for (kind, _), document in objects.items():
        if kind in ("Deployment", "StatefulSet"):
            wanted = document["spec"]["selector"]["matchLabels"]
            assert wanted.items() <= document["spec"]["template"]["metadata"]["labels"].items()
        elif kind == "PodDisruptionBudget":
            wanted = document["spec"]["selector"]["matchLabels"]
        elif kind == "Service":
            wanted = document["spec"]["selector"]
        else:
            continue
        assert sum(wanted.items() <= each.items() for each in labels) == 1, document["metadata"]
    for pod in pods(objects):
        for spread in pod["spec"].get("topologySpreadConstraints", []):
            wanted = spread["labelSelector"]["matchLabels"]
            assert wanted.items() <= pod["metadata"]["labels"].items()


def test_the_network_policy_holds_every_pod(objects: Objects) -> None:
    policy = objects["NetworkPolicy", PREFIX]
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    for pod in pods(objects):
        assert wanted.items() <= pod["metadata"]["labels"].items()
    (rule,) = policy["spec"]["ingress"]
    (port,) = rule["ports"]
    named = {
        p["name"] for pod in pods(objects) for c in containers(pod) for p in c.get("ports", [])
    }
    assert named <= {port["port"]}


def test_only_who_scrapes_is_let_in_by_default() -> None:
    (rule,) = render(supported("default"))["NetworkPolicy", PREFIX]["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"]
    closed = render(merged(supported("default"), {"networkPolicy": {"metricsFrom": []}}))
    assert closed["NetworkPolicy", PREFIX]["spec"]["ingress"] == []


def test_each_pod_reaches_its_own_servers_and_nothing_else_when_egress_is_restricted() -> None:
    peer = [{"ipBlock": {"cidr": "10.9.9.9/32"}}]
    traced = {
        "tracing": {"endpoint": "http://collector:4318/v1/traces"},
        "networkPolicy": {
            "egress": {
                "tracing": peer,
                "kafkaPorts": [9192],
                "plant": peer,
                "plantPorts": [502, 4840],
                "cameras": peer,
                "cameraPorts": [554],
            }
        },
        "camera": {"enabled": True, "category": "bottle"},
    }
    objects = render(merged(supported("secure"), traced))
    base = objects["NetworkPolicy", PREFIX]["spec"]
    assert base["policyTypes"] == ["Ingress", "Egress"]
    (dns,) = base["egress"]
    assert {each["port"] for each in dns["ports"]} == {53}
    kafka, redis, tracing = {9093, 9094, 9192}, {6380}, {4318}
    expected = {
        "inspector": [kafka, redis, {443}, tracing],
        "doctor": [kafka, redis, {443}, tracing],
        "notifier": [kafka, tracing, {443}],
        "gate": [kafka, tracing, {502, 4840}],
        "console": [kafka, redis, {443}],
        "camera": [kafka, tracing, {554}],
        "topics": [kafka],
        "evidence": [{443}],
    }
    for component, servers in expected.items():
        spec = one(objects, "NetworkPolicy", component)["spec"]
        assert [{p["port"] for p in rule["ports"]} for rule in spec["egress"]] == servers, component
        assert all(rule["to"] for rule in spec["egress"]), "a port alone is everybody's"
        assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    assert one(objects, "NetworkPolicy", "camera")["spec"]["egress"][-1]["to"] == peer


def test_a_camera_process_stands_where_its_camera_is_with_a_library_of_its_own() -> None:
    camera = {
        "enabled": True,
        "category": "bottle",
        "count": 1,
        "image": "plant/basler:1",
        "hostNetwork": True,
        "nodeSelector": {"camera": "line-1"},
        "affinity": {"nodeAffinity": {}},
        "resources": {"limits": {"squat.ai/video": 1}},
        "config": {"camera": {"source": "basler:40012345", "part": {"lot": "L-17"}}},
    }
    objects = render(merged(supported("default"), {"camera": camera}))
    spec = pod_of(one(objects, "Deployment", "camera"))["spec"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert spec["nodeSelector"] == {"camera": "line-1"}
    (container,) = spec["containers"]
    assert container["image"] == "plant/basler:1"
    assert container["resources"]["limits"] == {"memory": "768Mi", "squat.ai/video": 1}
    plain = render(merged(supported("default"), {"camera": camera | {"hostNetwork": False}}))
    assert "hostNetwork" not in pod_of(one(plain, "Deployment", "camera"))["spec"]


def test_a_gate_runs_once_with_its_memory_and_is_called_by_the_plant_only() -> None:
    peer = [{"ipBlock": {"cidr": "10.9.9.9/32"}}]
    gate = {
        "enabled": True,
        "cameras": ["line-1", "line-2"],
        "config": {"gate": {"deadline_s": 0.4, "modbus": {"host": "plc.example"}}},
        "nodeSelector": {"network": "plant"},
        "existingSecret": "plant-login",
        "opcuaServer": {"enabled": True, "from": peer},
    }
    objects = render(merged(supported("default"), {"gate": gate}))
    workload = one(objects, "StatefulSet", "gate")
    assert workload["spec"]["replicas"] == 1
    assert workload["spec"]["volumeClaimTemplates"]
    pod = workload["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"network": "plant"}
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "plant-login"}}]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    said = yaml.safe_load(objects["ConfigMap", f"{PREFIX}-gate"]["data"]["gate.yaml"])["gate"]
    assert said["cameras"] == ["line-1", "line-2"]
    assert said["modbus"] == {"host": "plc.example"}
    assert said["opcua_server"]["endpoint"] == "opc.tcp://0.0.0.0:4840/gate"
    spec = objects["NetworkPolicy", f"{PREFIX}-gate-opcua"]["spec"]
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": "opcua"}], "from": peer}]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gate"
    closed = render(
        merged(supported("default"), {"gate": gate | {"opcuaServer": {"enabled": True}}})
    )
    assert closed["NetworkPolicy", f"{PREFIX}-gate-opcua"]["spec"]["ingress"] == []
    without = render(merged(supported("default"), {"gate": gate | {"opcuaServer": {}}}))
    assert not [name for kind, name in without if name.endswith("-opcua")]


def test_a_console_has_its_history_and_is_called_by_browsers_only() -> None:
    peer = [{"ipBlock": {"cidr": "10.9.9.9/32"}}]
    console = {"enabled": True, "existingSecret": "people", "from": peer, "port": 8091}
    objects = render(merged(supported("default"), {"console": console}))
    workload = one(objects, "StatefulSet", "console")
    assert workload["spec"]["volumeClaimTemplates"]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "people"}} in container["envFrom"]
    assert {"name": "pages", "containerPort": 8091} in container["ports"]
    said = yaml.safe_load(objects["ConfigMap", f"{PREFIX}-console"]["data"]["console.yaml"])
    assert said["console"]["port"] == 8091
    assert said["console"]["https"] is True
    assert said["console"]["database"].startswith("sqlite:////var/lib/stream-inspector/")
    spec = objects["NetworkPolicy", f"{PREFIX}-console-pages"]["spec"]
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": "pages"}], "from": peer}]
    closed = render(merged(supported("default"), {"console": console | {"from": []}}))
    assert closed["NetworkPolicy", f"{PREFIX}-console-pages"]["spec"]["ingress"] == []


def test_an_image_is_named_by_its_digest_where_one_is_given() -> None:
    digest = f"sha256:{'a' * 64}"
    images = {"image": {"repository": "registry/inspector", "digests": {"processor": digest}}}
    objects = render(merged(supported("default"), images))
    found = {c["name"]: c["image"] for pod in pods(objects) for c in containers(pod)}
    assert found["inspector"] == f"registry/inspector@{digest}"
    assert "@" not in found["notifier"]


def test_only_what_needs_pytorch_takes_its_image() -> None:
    def images(values: dict[str, Any]) -> dict[str, str]:
        objects = render(merged(supported("default"), {"explainer": {"enabled": True}}, values))
        return {
            c["name"]: c["image"].rpartition("-")[2] for p in pods(objects) for c in containers(p)
        }

    found = images({})
    assert (found["inspector"], found["doctor"]) == ("processor", "processor")
    assert (found["explainer"], found["notifier"]) == ("processor", "light")
    for name in ("inspector", "explainer"):
        assert images({name: {"config": {"models": {"engine": "torch"}}}})[name] == "cpu"
        assert images({name: {"gpu": {"count": 1}}})[name] == "cuda"


def test_a_collectors_login_reaches_every_pod_that_traces() -> None:
    values = {"tracing": {"existingSecret": "collector"}, "camera": {"enabled": True}}
    objects = render(merged(supported("default"), values, {"camera": {"category": "bottle"}}))
    for component in ("inspector", "notifier", "camera"):
        (pod,) = (
            p
            for p in pods(objects)
            if p["metadata"]["labels"]["app.kubernetes.io/component"] == component
        )
        names = [each["secretRef"]["name"] for each in pod["spec"]["containers"][0]["envFrom"]]
        assert "collector" in names, component


def test_services_and_monitors_name_ports_that_exist(objects: Objects) -> None:
    services = [d for (kind, _), d in objects.items() if kind == "Service"]
    for service in services:
        selector = service["spec"]["selector"].items()
        (pod,) = (p for p in pods(objects) if selector <= p["metadata"]["labels"].items())
        ports = {port["name"] for c in containers(pod) for port in c["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for (kind, _), document in objects.items():
        if kind == "ServiceMonitor":
            selector = document["spec"]["selector"]["matchLabels"].items()
            found = [s for s in services if selector <= s["metadata"]["labels"].items()]
            assert len(found) == len(services) > 0
            names = {port["name"] for s in found for port in s["spec"]["ports"]}
            assert {each["port"] for each in document["spec"]["endpoints"]} <= names
        if kind == "StatefulSet":
            assert (
                objects["Service", document["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
            )


def comes_first(document: Object) -> bool:
    return "pre-install" in document["metadata"].get("annotations", {}).get("helm.sh/hook", "")


def test_pods_use_what_the_chart_makes_or_names_as_needed(objects: Objects, case: Path) -> None:
    for workload in workloads(objects):
        spec = pod_of(workload)["spec"]
        for reference in references(spec):
            kind, name, keys = reference
            made = objects.get((kind, name))
            if made is None:
                assert f"{kind.lower()}/{name}" in needed(case), reference
                continue
            assert keys <= made.get("data", {}).keys()
            # what runs before the installation can only use what was made before
            assert not comes_first(workload) or weight(made) < weight(workload)


def weight(document: Object) -> int:
    return int(document["metadata"]["annotations"]["helm.sh/hook-weight"])


def references(spec: Object) -> list[tuple[str, str, set[str]]]:
    """Kind, name and keys of everything else that a pod needs."""
    found: list[tuple[str, str, set[str]]] = []
    if account := spec.get("serviceAccountName"):
        found.append(("ServiceAccount", account, set()))
    found += [("Secret", each["name"], set()) for each in spec.get("imagePullSecrets", [])]
    for volume in spec["volumes"]:
        if config := volume.get("configMap"):
            found.append(("ConfigMap", config["name"], {i["key"] for i in config.get("items", [])}))
        if claim := volume.get("persistentVolumeClaim"):
            found.append(("PersistentVolumeClaim", claim["claimName"], set()))
        sources = volume.get("projected", {}).get("sources", [])
        found += [("Secret", source["secret"]["name"], set()) for source in sources]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for each in container.get("envFrom", []):
            found.append(("Secret", each["secretRef"]["name"], set()))
        for each in container["env"]:
            if secret := each.get("valueFrom", {}).get("secretKeyRef"):
                found.append(("Secret", secret["name"], set()))
    return found


def test_what_a_case_says_it_needs_is_used(objects: Objects, case: Path) -> None:
    used = {f"{k.lower()}/{n}" for w in workloads(objects) for k, n, _ in references_of(w)}
    for (kind, _), document in objects.items():
        if kind == "TriggerAuthentication":
            used |= {f"secret/{each['name']}" for each in document["spec"]["secretTargetRef"]}
    assert needed(case) <= used


def references_of(workload: Object) -> list[tuple[str, str, set[str]]]:
    return references(pod_of(workload)["spec"])


def test_every_volume_is_mounted_and_every_mount_has_one(objects: Objects) -> None:
    for workload in workloads(objects):
        pod = pod_of(workload)
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = [v["name"] for v in pod["spec"]["volumes"]] + [
            c["metadata"]["name"] for c in claims
        ]
        assert len(set(volumes)) == len(volumes)
        mounted = {m["name"] for c in containers(pod) for m in c["volumeMounts"]}
        assert mounted == set(volumes)
        for container in containers(pod):
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert len(set(paths)) == len(paths)


def test_passwords_are_never_values() -> None:
    objects = render(supported("secure"))
    text = yaml.safe_dump([d for (kind, _), d in objects.items() if kind == "ConfigMap"])
    assert not re.search(r"password: ", text)
    assert "password_file: /etc/stream-inspector-secrets/kafka-auth/password" in text
    for pod in pods(objects):
        for container in containers(pod):
            for each in container["env"]:
                secret = any(word in each["name"] for word in ("PASSWORD", "USERNAME", "URL"))
                assert not secret or "valueFrom" in each


def test_each_process_has_its_own_login_where_it_is_given() -> None:
    objects = render(supported("secure"))
    logins = {
        name.removeprefix("line-stream-inspector-"): {
            n for _, n, _ in references_of(objects[kind, name]) if n.startswith("kafka-")
        }
        for kind, name in objects
        if kind in WORKLOADS
    }
    assert logins == {
        "inspector": {"kafka-worker", "kafka-ca"},
        "explainer": {"kafka-worker", "kafka-ca"},
        "doctor": {"kafka-worker", "kafka-ca"},
        "notifier": {"kafka-notifier", "kafka-ca"},
        "topics": {"kafka-admin", "kafka-ca"},
        "evidence": set(),
    }


def test_the_notifier_keeps_undelivered_alarms_on_a_volume() -> None:
    objects = render(supported("default"))
    (claim,) = objects["StatefulSet", "line-stream-inspector-notifier"]["spec"][
        "volumeClaimTemplates"
    ]
    (container,) = objects["StatefulSet", "line-stream-inspector-notifier"]["spec"]["template"][
        "spec"
    ]["containers"]
    config = objects["ConfigMap", "line-stream-inspector-notifier"]["data"]["notifier.yaml"]
    folder = yaml.safe_load(config)["notifier"]["folder"]
    assert {"name": claim["metadata"]["name"], "mountPath": folder} in container["volumeMounts"]


def test_a_gpu_is_asked_for_and_used() -> None:
    for name, resource in (("gpu", "nvidia.com/gpu"), ("gpu-shared", "nvidia.com/gpu.shared")):
        objects = render(supported(name))
        (container,) = objects["Deployment", "line-stream-inspector-inspector"]["spec"]["template"][
            "spec"
        ]["containers"]
        assert container["resources"]["limits"][resource] == 1
        assert container["resources"]["requests"][resource] == 1
        assert container["image"].endswith("-cuda")
        config = objects["ConfigMap", "line-stream-inspector-inspector"]["data"]["worker.yaml"]
        assert yaml.safe_load(config)["models"]["device"] == "cuda"
    mig = merged(
        supported("gpu"), {"inspector": {"gpu": {"resourceName": "nvidia.com/mig-1g.10gb"}}}
    )
    assert "nvidia.com/mig-1g.10gb" in str(render(mig))


def test_training_has_an_index_for_each_category() -> None:
    objects = render(supported("training"))
    ((name, job),) = ((n, d) for (kind, n), d in objects.items() if kind == "Job")
    data = objects["ConfigMap", "line-stream-inspector-training"]["data"]
    names = data["trained.txt"].split()
    assert names == ["bottle", "grid", "screw"]
    assert job["spec"]["completions"] == len(names)
    assert job["spec"]["completionMode"] == "Indexed"
    again = render(merged(supported("training"), {"training": {"run": "second"}}))
    assert ("Job", name) not in again  # another training is another job


@pytest.mark.integration
@pytest.mark.parametrize(("index", "category"), [(0, "bottle"), (2, "screw")])
def test_an_index_trains_and_pushes_its_own_category(
    index: int, category: str, tmp_path: Path
) -> None:
    """The pod's shell lines, run by a real shell with a `stream-inspector` that says its flags."""
    import os
    import subprocess

    objects = render(supported("training"))
    (job,) = (d for (kind, _), d in objects.items() if kind == "Job")
    data = objects["ConfigMap", "line-stream-inspector-training"]["data"]
    (tmp_path / "trained.txt").write_text(data["trained.txt"])
    program = tmp_path / "stream-inspector"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    said = []
    for container in containers(job["spec"]["template"]):
        (script,) = container["args"]
        command = [*container["command"], script.replace("/etc/stream-inspector", str(tmp_path))]
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "JOB_COMPLETION_INDEX": str(index),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        said.append(done.stdout.split())
    train, push = said
    assert train[0] == "train"
    assert train[train.index("--data") + 1] == f"/images/line-7/{category}"
    assert train[train.index("--category") + 1] == category
    assert train[train.index("--out") + 1] == f"/runs/{category}"
    assert push[:3] == ["model", "push", f"/runs/{category}"]
    assert "--activate" in push


def test_alerts_and_dashboards_are_the_files_themselves() -> None:
    objects = render(supported("monitored"))
    rules = objects["PrometheusRule", "line-stream-inspector"]["spec"]["groups"]
    files = [CHART / "files" / name for name in ("recording-rules.yaml", "alerts.yaml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert rules == groups != []
    boards = objects["ConfigMap", "line-stream-inspector-dashboards"]["data"]
    assert boards == {
        file.name: file.read_text() for file in (CHART / "files" / "dashboards").glob("*.json")
    }


def test_alerts_lead_to_the_runbook_of_the_plant() -> None:
    base = "https://docs.plant.example/inspection/"
    values = merged(supported("monitored"), {"metrics": {"rules": {"runbookBase": base}}})
    groups = render(values)["PrometheusRule", "line-stream-inspector"]["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    for rule in alerts:
        anchor = f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == base + anchor


def test_a_notifier_that_is_not_there_is_not_missed() -> None:
    values = merged(supported("monitored"), {"notifier": {"enabled": False}})
    groups = render(values)["PrometheusRule", "line-stream-inspector"]["spec"]["groups"]
    names = [rule.get("alert", "") for group in groups for rule in group["rules"]]
    assert "StreamInspectorNoWorkerReady" in names
    assert not [name for name in names if name.startswith("StreamInspectorNotifier")]


def test_the_groups_are_those_of_the_processes_own_files() -> None:
    """Who moves from a file to the chart goes on where they were, and is told nothing twice."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["notifier"]["group"] == NotifierProcessSettings().notifier.group
    assert values["inspector"]["group"] == InspectorSettings().worker.group
    shipped = yaml.safe_load((CHART.parents[1] / "configs/notifier.yaml").read_text())
    assert values["notifier"]["group"] == shipped["notifier"]["group"]
