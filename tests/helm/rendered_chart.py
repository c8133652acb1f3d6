"""The chart as Kubernetes would get it, in the words of the tests."""

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).parents[2] / "helm" / "stream-inspector"
SUPPORTED = sorted((CHART / "ci").glob("*-values.yaml"))
PREFIX = "line-stream-inspector"  # of every object's name
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob", "Pod")

Values = dict[str, Any]
Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]


@cache
def _chart() -> helm.Chart:
    return helm.Chart.load(str(CHART))


def texts(values: Values) -> dict[str, str]:
    """Each template's text."""
    found: dict[str, str] = _chart().render(values, name="line", namespace="plant")
    return found


def render(values: Values) -> Objects:
    """Every object, by kind and name; two of the same name are an error."""
    documents = [
        document
        for path, text in texts(values).items()
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    found = {(d["kind"], d["metadata"]["name"]): d for d in documents}
    assert len(found) == len(documents), "two objects have one name"
    return found


def merged(*layers: Mapping[str, Any]) -> Values:
    """Later values win, as with several --values."""
    result: Values = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            both = isinstance(old, dict) and isinstance(value, Mapping)
            result[key] = merged(old, value) if both else copy.deepcopy(value)
    return result


def supported(name: str) -> Values:
    """The values of ci/<name>-values.yaml."""
    found: Values = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return found


def needed(file: Path) -> set[str]:
    """What a ci file says must be there already, e.g. secret/kafka-login."""
    line = re.search(r"^# needs: (.*)$", file.read_text(), re.M)
    return set(line[1].split()) if line else set()


def one(objects: Objects, kind: str, component: str) -> Object:
    """The object of a component."""
    return objects[kind, f"{PREFIX}-{component}"]


def workloads(objects: Objects) -> Iterator[Object]:
    """What makes pods."""
    return (d for (kind, _), d in objects.items() if kind in WORKLOADS)


def pods(objects: Objects) -> Iterator[Object]:
    """The pod templates."""
    return map(pod_of, workloads(objects))


def pod_of(workload: Object) -> Object:
    """What a workload makes; a pod is its own template."""
    job = workload["spec"].get("jobTemplate")
    maker = job or workload
    pod: Object = workload if workload["kind"] == "Pod" else maker["spec"]["template"]
    return pod


def containers(pod: Object) -> list[Object]:
    """Init containers first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def process_file(objects: Objects, component: str, name: str) -> dict[str, Any]:
    """A process's settings, from its ConfigMap."""
    text = one(objects, "ConfigMap", component)["data"][f"{name}.yaml"]
    found: dict[str, Any] = yaml.safe_load(text)
    return found
