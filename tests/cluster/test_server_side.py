"""A real API server takes every supported configuration of the chart, and refuses mistakes.

etcd and kube-apiserver only: nothing makes pods of what they store. Skipped where they were not
built; `make cluster-test` builds them.
"""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.client import CHART, RELEASE, SUPPORTED, Client, Refused, name_of

pytestmark = pytest.mark.integration

NUMBERS = itertools.count(1)


@pytest.fixture(params=SUPPORTED, ids=name_of)
def values(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def plant(admin: Client) -> Client:
    """A namespace of the test's own, for pods of the restricted standard."""
    return admin.within(f"plant-{next(NUMBERS)}")


def render(client: Client, values: Path) -> str:
    return client.helm("template", RELEASE, str(CHART), f"--values={values}")


def dry_run(client: Client, manifest: str) -> str:
    """As an installation, without storing anything; what the server warns of is an error."""
    strict = ["--dry-run=server", "--validate=strict", "--warnings-as-errors"]
    return client.kubectl("apply", *strict, "-f", "-", given=manifest)


def test_server_takes_it_strictly_and_without_a_warning(plant: Client, values: Path) -> None:
    manifest = render(plant, values)
    documents = [document for document in yaml.safe_load_all(manifest) if document]
    for document in documents:
        if document["kind"] == "ServiceAccount":
            plant.apply(document)  # a dry run does not store it, and pods need it
    accepted = dry_run(plant, manifest).splitlines()
    assert len(accepted) == len(documents)


@pytest.mark.parametrize("kind", ["default", "stable-ids"])  # all of them: scenarios.py
def test_it_installs_upgrades_and_rolls_back(plant: Client, kind: str) -> None:
    values = CHART / "ci" / f"{kind}-values.yaml"
    given = [RELEASE, str(CHART), f"--values={values}", "--no-hooks"]  # nothing would run them
    plant.helm("install", *given)
    before = plant.images()
    plant.helm("upgrade", *given, "--set=image.tag=next")
    assert all(":next" in image for image in plant.images())
    plant.helm("rollback", RELEASE, "1", "--no-hooks")
    assert plant.images() == before
    statuses = [each["status"] for each in history(plant)]
    assert statuses == ["superseded", "superseded", "deployed"]
    plant.helm("uninstall", RELEASE, "--no-hooks")
    assert plant.images() == []


def history(client: Client) -> list[dict[str, Any]]:
    return yaml.safe_load(client.helm("history", RELEASE, "--output=json"))


POD = ("spec", "template", "spec")
FAULTS = {
    "a misspelt field": ("Deployment", (*POD, "priority_class"), "high", "unknown field"),
    "a wrong type": ("Deployment", (*POD, "terminationGracePeriodSeconds"), "45 s", "cannot"),
    "a quantity": (
        "Deployment",
        (*POD, "containers", 0, "resources", "limits", "memory"),
        "6Gb",
        "quantities must match",
    ),
    "a root process": (
        "Deployment",
        (*POD, "containers", 0, "securityContext", "runAsUser"),
        0,
        "restricted",
    ),
    "KEDA's fields": ("ScaledObject", ("spec", "coolDownPeriod"), 5, "unknown field"),
    "KEDA's types": ("ScaledObject", ("spec", "maxReplicaCount"), "8", "must be of type integer"),
    "KEDA's metadata": (
        "ScaledObject",
        ("spec", "triggers", 0, "metadata", "lagThreshold"),
        10,
        "must be of type string",
    ),
    "KEDA's rule": ("ScaledObject", ("spec", "minReplicaCount"), 99, "minReplicaCount"),
    "a scrape interval": ("ServiceMonitor", ("spec", "endpoints", 0, "interval"), "15", "interval"),
    "an alert's duration": (
        "PrometheusRule",
        ("spec", "groups", 0, "rules", 0, "for"),
        "five",
        "for",
    ),
}


@pytest.mark.parametrize(("kind", "path", "wrong", "complaint"), FAULTS.values(), ids=FAULTS)
def test_a_mistake_in_a_template_would_be_refused(
    plant: Client, kind: str, path: tuple[Any, ...], wrong: Any, complaint: str
) -> None:
    document = first_of(plant, kind)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    with pytest.raises(Refused, match=complaint):
        dry_run(plant, yaml.safe_dump(document))


def first_of(client: Client, kind: str) -> dict[str, Any]:
    for values in SUPPORTED:
        for document in yaml.safe_load_all(render(client, values)):
            if document and document["kind"] == kind:
                return document
    raise LookupError(f"no supported configuration has a {kind}")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("inspector.resources.limits.memory=6Gb", "memory|quantities"),
        ("inspector.nodeSelector.accelerator=two words", "two words"),
        ("serviceAccount.name=Not A Name", "serviceAccount"),
        ("autoscaling.minReplicas=9", "minReplicas"),
        ("autoscaling.lagThreshold=0", "lagThreshold"),
        ("topics.frames=two words", "frames"),
    ],
)
def test_wrong_values_are_refused_by_name(plant: Client, wrong: str, complaint: str) -> None:
    given = [RELEASE, str(CHART), f"--values={SUPPORTED[0]}", f"--set={wrong}"]
    with pytest.raises(Refused, match=complaint):
        plant.helm("install", *given, "--no-hooks")
