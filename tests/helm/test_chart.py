"""The chart renders, lints, and hands every process a configuration that it accepts."""

from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "stream-inspector"
SUPPORTED = sorted((CHART / "ci").glob("*-values.yaml"))
Objects = dict[tuple[str, str], dict[str, Any]]


def render(values: dict[str, Any]) -> Objects:
    with helm.Chart.load(str(CHART)) as chart:
        texts = chart.render(values, name="line", namespace="plant")
    documents = [
        document
        for path, text in texts.items()
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    return {(d["kind"], d["metadata"]["name"]): d for d in documents}


def with_category(**values: Any) -> dict[str, Any]:
    return {"categories": {"bottle": {}}, **values}


def pods(objects: Objects) -> list[dict[str, Any]]:
    return [
        d["spec"]["template"]["spec"] for (kind, _), d in objects.items() if kind == "Deployment"
    ]


@pytest.fixture(params=SUPPORTED, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> Objects:
    return render(yaml.safe_load(request.param.read_text()))


def test_chart_lints() -> None:
    findings = helm.lint(str(CHART), strict=True)
    informative = 1  # Helm's severities: 1 info, 2 warning, 3 error
    assert findings["total_charts_linted"] == 1
    assert not [f for f in findings["messages"] if f["severity"] > informative]
    assert not findings["errors"]


def test_built_in_objects_keep_their_schema(objects: Objects) -> None:
    for (kind, _), document in objects.items():
        if kind != "ScaledObject":
            kubernetes_validate.validate(document, "1.34", strict=True)


def test_pods_run_with_least_privilege(objects: Objects) -> None:
    for pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"]["drop"] == ["ALL"]
            assert container["resources"]["limits"]["memory"]


def test_selectors_match_their_pods(objects: Objects) -> None:
    for (kind, _), document in objects.items():
        if kind == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_mounted_files_exist_in_their_config_map(objects: Objects) -> None:
    for pod in pods(objects):
        for volume in pod["volumes"]:
            if "configMap" in volume:
                data = objects["ConfigMap", volume["configMap"]["name"]]["data"]
                assert {item["key"] for item in volume["configMap"].get("items", [])} <= set(data)


def test_scaled_object_follows_the_inspectors_lag() -> None:
    objects = render(with_category(inspector={"group": "line-7"}))
    scaled = objects["ScaledObject", "line-stream-inspector-inspector"]["spec"]
    trigger = scaled["triggers"][0]["metadata"]
    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in objects
    assert (trigger["consumerGroup"], trigger["topic"]) == ("line-7", "frames")
    assert all(isinstance(value, str) for value in trigger.values())


def test_exactly_one_side_sets_the_replicas() -> None:
    scaled = render(with_category())
    fixed = render(yaml.safe_load((CHART / "ci" / "fixed-replicas-values.yaml").read_text()))
    name = ("Deployment", "line-stream-inspector-inspector")
    assert "replicas" not in scaled[name]["spec"]
    assert fixed[name]["spec"]["replicas"] == 3
    assert "ScaledObject" not in {kind for kind, _ in fixed}


def test_grace_period_is_longer_than_the_drain() -> None:
    objects = render(with_category(inspector={"group": "g", "drainSeconds": 90}))
    pod = objects["Deployment", "line-stream-inspector-inspector"]["spec"]["template"]["spec"]
    settings = yaml.safe_load(
        objects["ConfigMap", "line-stream-inspector-inspector"]["data"]["worker.yaml"]
    )
    assert pod["terminationGracePeriodSeconds"] > settings["worker"]["drain_s"] == 90


@pytest.mark.parametrize(
    ("process", "module", "name"),
    [
        ("worker", "workers.inspector.settings", "InspectorSettings"),
        ("notifier", "workers.notifier.settings", "NotifierProcessSettings"),
    ],
)
def test_processes_accept_the_rendered_settings(
    process: str, module: str, name: str, tmp_path: Path
) -> None:
    component = "inspector" if process == "worker" else process
    config = render(with_category())["ConfigMap", f"line-stream-inspector-{component}"]["data"]
    file = tmp_path / f"{process}.yaml"
    file.write_text(config[f"{process}.yaml"])
    settings_class = getattr(__import__(module, fromlist=[name]), name)
    settings = settings_class.load(file)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.health.port == 8080


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"kafka": {"bootstrapServers": "kafka"}}, "bootstrapServers"),
        ({"autoscaling": {"minReplicas": 0}}, "minReplicas"),
        ({"autoscaling": {"minReplicas": 5}}, "minReplicas"),
        ({"autoscaling": {"maxReplicas": 9}}, "partitions"),
        ({"inspektor": {}}, "inspektor"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint):
        render(with_category(**values))
