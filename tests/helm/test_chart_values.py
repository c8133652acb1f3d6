"""Every value is described, known to the schema, and used; whatever else is given is refused."""

import json
import re
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from typing import Any

import helm_python as helm
import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_schemas import faults
from rendered_chart import CHART, Values, merged, render, supported, texts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chart-values")]

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Values = yaml.safe_load((CHART / "values.yaml").read_text())
Path = tuple[str, ...]


def resolved(node: Any) -> Any:
    """A part of the schema without references."""
    while isinstance(node, dict) and "$ref" in node:
        node = reduce(getitem, node["$ref"].removeprefix("#/").split("/"), SCHEMA)
    return node


def closed(node: Any) -> bool:
    """Whether exactly the listed properties are allowed."""
    return bool(node.get("properties")) and node.get("additionalProperties") is False


def listed(node: Any, path: Path = ()) -> Iterator[Path]:
    """The leaves of the schema: everything that is no closed object."""
    node = resolved(node)
    if not closed(node):
        yield path
        return
    for name, inner in node["properties"].items():
        yield from listed(inner, (*path, name))


def schema_of(path: Path) -> Any:
    node = SCHEMA
    for name in path:
        node = resolved(resolved(node)["properties"][name])
    return node


def at(values: Any, path: Path) -> Any:
    for name in path:
        values = values[name]
    return values


def put(path: Path, value: Any) -> Values:
    """`value` alone, at its path."""
    for name in reversed(path):
        value = {name: value}
    return value


LEAVES = [path for path in listed(SCHEMA) if path != ("global",)]  # Helm's own, for parent charts


def test_the_schema_and_the_values_list_the_same() -> None:
    def given_leaves(values: Any, node: Any, path: Path = ()) -> Iterator[Path]:
        node = resolved(node)
        if not (closed(node) and isinstance(values, dict)):
            yield path
            return
        for name, value in values.items():
            assert name in node["properties"], ".".join((*path, name))
            yield from given_leaves(value, node["properties"][name], (*path, name))

    assert set(given_leaves(DEFAULTS, SCHEMA)) == set(LEAVES)


def test_the_schema_is_strict() -> None:
    """An object either lists what it may hold or is a map that says of what."""

    def walk(node: Any, path: str) -> Iterator[str]:
        if not isinstance(node, dict):
            return
        objects = node.get("type") in ("object", ["object", "null"])
        if objects and "properties" in node and node.get("additionalProperties") is not False:
            yield path
        for name, inner in node.get("properties", {}).items():
            yield from walk(inner, f"{path}.{name}")
        yield from walk(node.get("items"), f"{path}[]")

    open_objects = [*walk(SCHEMA, ""), *(p for n, d in SCHEMA["$defs"].items() for p in walk(d, n))]
    # settings of the processes: their own classes are the schema (test_chart_settings.py)
    assert {p for p in open_objects if not re.search(r"processConfig|\.config(\.|$)", p)} == set()


def test_the_defaults_keep_the_schema() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(DEFAULTS)


def test_every_value_is_described() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    described, open_keys = set(), []
    for above, line in zip(["", *lines], lines, strict=False):
        match = re.fullmatch(r"( *)([A-Za-z]+):(.*)", line)
        if match is None:
            continue
        depth = len(match[1]) // 2
        open_keys = [*open_keys[:depth], match[2]]
        if re.match(r" *# -- \S", above):
            described.add(tuple(open_keys))
    for path in LEAVES:
        own = any(path[: len(path) - up] in described for up in (0, 1))
        assert own, ".".join(path)


# Configurations that together reach every template line.
EVERYTHING = merged(
    supported("secure"),
    supported("monitored"),
    supported("training"),
    {
        "networkPolicy": {
            "egress": {
                "tracing": [{"ipBlock": {"cidr": "10.3.0.0/24"}}],
                "plant": [{"ipBlock": {"cidr": "10.4.0.0/24"}}],
                "cameras": [{"ipBlock": {"cidr": "10.6.0.0/24"}}],
                "database": [{"ipBlock": {"cidr": "10.7.0.0/24"}}],
            }
        },
        "image": {"digests": {"cuda": f"sha256:{'c' * 64}"}},
        "inspector": {"enabled": True, "gpu": {"count": 1}},
        "explainer": {"enabled": True, "gpu": {"count": 1}},
        "notifier": {"enabled": True, "persistence": {"enabled": True}},
        "topics": {"job": {"enabled": True}},
        "kafka": {"security": {"tls": {"certificateKey": "tls.crt", "keyKey": "tls.key"}}},
        "gate": {"enabled": True, "cameras": ["cam-1"], "opcuaServer": {"enabled": True}},
        "console": {
            "enabled": True,
            "database": "postgresql://console@db/history",
            "from": [{"ipBlock": {"cidr": "10.5.0.0/24"}}],
        },
        "camera": {"enabled": True, "category": "bottle"},
        "training": {"workClaim": "", "parallelism": 1},
        "storage": {"existingClaim": "shared"},
    },
)
CONFIGURATIONS = [
    EVERYTHING,
    merged(EVERYTHING, {"serviceAccount": {"create": False}}),
    merged(EVERYTHING, {"training": {"workClaim": "work"}, "redis": {"auth": {"urlKey": "url"}}}),
    merged(EVERYTHING, supported("hpa-external")),
    merged(EVERYTHING, supported("hpa-cpu")),
    merged(EVERYTHING, supported("static-membership")),
    merged(EVERYTHING, {"image": {"digests": {"cuda": ""}}, "inspector": {"gpu": {"count": 0}}}),
    merged(supported("default"), {"inspector": {"config": {"models": {"engine": "torch"}}}}),
    supported("default"),
]
CANDIDATES: list[Any] = [
    True,
    False,
    *(1, 2, 3, 5, 300, 7000, 2**20),
    *("grid", "-other"),  # the only ones that some leaves take
    *(
        "other",
        "https://other/",
        "rediss://other:1/1",
        "other:1",
        "2Gi",
        "5Gi",
        "5s",
        f"sha256:{'d' * 64}",
        "::",
        "example.com/other",
        "/other",
    ),
    *("Always", "SSL", "SASL_PLAINTEXT", "PLAIN", "StatefulSet", "DoNotSchedule", "cpu", "hpa"),
    *("debug", ""),
    *([{"name": "other"}], ["grid"], [8443], [{"key": "other"}], [{"podSelector": {}}]),
    *({"podAffinity": {}}, {"frames": 3}, {"cpu": "3", "memory": "3Gi"}, {"other": "y"}),
    *({"bottle": {}, "grid": {"description": "a grid"}}, {"kafka": {"connect_timeout_s": 3}}),
    {"evidence": {"timeout_s": 3}},
    {"session_hours": 3},
]


def allowed(path: Path) -> Iterator[Any]:
    node = schema_of(path)
    check = jsonschema.Draft202012Validator({**node, "$defs": SCHEMA["$defs"]})
    return (value for value in CANDIDATES if check.is_valid(value))


@cache
def unchanged(configuration: int) -> tuple[Values, dict[str, str]]:
    """A configuration's values, defaults included, and what they render to."""
    base = CONFIGURATIONS[configuration]
    return merged(DEFAULTS, base), texts(base)


def differs_somewhere(path: Path, value: Any) -> bool:
    """Whether this value at `path` changes what one of the configurations renders."""
    return any(differs(path, number, value) for number in range(len(CONFIGURATIONS)))


def differs(path: Path, configuration: int, value: Any) -> bool:
    full, before = unchanged(configuration)
    if value == at(full, path):
        return False
    try:
        found = texts(merged(CONFIGURATIONS[configuration], put(path, value)))
    except helm.HelmError:
        return False  # contradicts another value
    return found != before


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_every_value_is_used(path: Path) -> None:
    assert any(differs_somewhere(path, value) for value in allowed(path))


ANYWHERE = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
LOGINS: list[tuple[Values, str]] = [
    ({"redis": {"url": "redis://redis:6379/0?password=word"}}, "redis.url holds a login"),
    ({"storage": {"evidence": "s3://key:word@plant/evidence"}}, "storage.evidence holds a login"),
    ({"storage": {"models": "https://x/m?X-Amz-Signature=word"}}, "storage.models holds a login"),
    ({"tracing": {"endpoint": "https://me:word@c/v1/traces"}}, "tracing.endpoint holds a login"),
    (
        {"notifier": {"config": {"notifier": {"delivery": {"apprise_urls": ["json://h"]}}}}},
        "apprise_urls",
    ),
    (
        {"inspector": {"config": {"redis": {"invalidate": "x://me:wo/rd@h"}}}},
        "invalidate|holds a login",
    ),
    (
        {"notifier": {"extraEnv": [{"name": "SMTP_PASSWORD", "value": "word"}]}},
        "notifier.extraEnv SMTP_PASSWORD: a secret is given by reference",
    ),
    (
        {"inspector": {"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://me:word@proxy"}]}},
        "inspector.extraEnv HTTPS_PROXY holds a login",
    ),
]


@pytest.mark.parametrize(("values", "complaint"), LOGINS)
def test_a_refusal_does_not_show_the_login(values: Values, complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint) as refused:
        render(merged(supported("default"), values))
    assert "me:word" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"inspektor": {}}, "inspektor"),
        ({"kafka": {"bootstrapServers": "kafka"}}, "bootstrapServers"),
        ({"kafka": {"security": {"protocol": "TLS"}}}, "protocol"),
        ({"kafka": {"security": {"protocol": "SASL_SSL"}}}, "kafka.security.auth.existingSecret"),
        ({"kafka": {"security": {"auth": {"existingSecret": "x"}}}}, "PLAINTEXT sends no login"),
        ({"kafka": {"security": {"tls": {"existingSecret": "x"}}}}, "PLAINTEXT uses no TLS"),
        (
            {"kafka": {"security": {"protocol": "SSL", "tls": {"certificateKey": "tls.crt"}}}},
            "kafka.security.tls.keyKey belong together",
        ),
        (
            {"kafka": {"security": {"protocol": "SSL", "tls": {"checkHostname": False}}}},
            "autoscaling.keda.unsafeSsl",
        ),
        ({"redis": {"url": "redis://me:secret@redis:6379/0"}}, "redis"),
        ({"redis": {"tls": {"existingSecret": "x"}}}, "redis.url .* uses no TLS"),
        ({"autoscaling": {"kind": "both"}}, "kind"),
        ({"autoscaling": {"minReplicas": 0}}, "minReplicas"),
        ({"autoscaling": {"minReplicas": 5}}, "minReplicas .5. is above"),
        ({"autoscaling": {"maxReplicas": 9}}, "topics.partitions .4."),
        ({"autoscaling": {"lagThreshold": "200"}}, "lagThreshold"),
        (
            {"autoscaling": {"kind": "none"}, "inspector": {"replicas": 5}},
            "inspector.replicas .5. is above topics.partitions .4.",
        ),
        ({"inspector": {"staticMembership": True}}, "inspector.staticMembership needs"),
        ({"inspector": {"resources": {"requests": {"memory": "4Gb"}}}}, "memory"),
        ({"inspector": {"resources": {"limits": None}}}, "limits"),
        ({"inspector": {"gpu": {"resourceName": "gpu"}}}, "resourceName"),
        ({"inspector": {"podLabels": {"app.kubernetes.io/name": "x"}}}, "io/name"),
        ({"inspector": {"config": {"worker": {"drain_s": 5}}}}, "drain_s"),
        ({"inspector": {"config": {"topics": {"frames": "x"}}}}, "topics"),
        ({"notifier": {"config": {"kafka": {"bootstrap_servers": "x:1"}}}}, "bootstrap_servers"),
        ({"notifier": {"config": {"notifier": {"folder": "/x"}}}}, "folder"),
        ({"camera": {"enabled": True}}, "camera.category .flange. is none of"),
        ({"gate": {"enabled": True}}, "gate.enabled needs gate.cameras"),
        ({"gate": {"config": {"gate": {"folder": "x"}}}}, "folder"),
        ({"console": {"config": {"console": {"port": 1}}}}, "port"),
        ({"console": {"access": {"users": {"olga": {"password_hash": "x"}}}}}, "password_hash"),
        (
            {
                "console": {
                    "enabled": True,
                    "config": {"console": {"database_password_file": "p"}},
                    "database": "postgresql://me:secret@db/x",
                }
            },
            "console.database holds a login",
        ),
        ({"topics": {"job": {"retentionHours": {"frame": 3}}}}, "frame"),
        ({"topics": {"job": {"replicationFactor": 0}}}, "replicationFactor"),
        ({"training": {"enabled": True}}, "training.dataClaim"),
        (
            {"training": {"enabled": True, "dataClaim": "x", "parallelism": 2}},
            "training.parallelism .2. is above the number of categories .1.",
        ),
        ({"categories": {"a/b": {}}}, "a/b"),
        ({"categories": {"bottle": {"veiw": {}}}}, "veiw"),
        ({"healthPort": 80}, "healthPort"),
        ({"image": {"digests": {"cpu": "sha256:abc"}}}, "digests"),
        *((values, complaint) for values, complaint in LOGINS),
        ({"inspector": {"config": {"worker": {"batch_maxx": 4}}}}, "batch_maxx"),
        ({"inspector": {"config": {"wroker": {}}}}, "wroker"),
        ({"inspector": {"config": {"worker": {"batch_max": "many"}}}}, "batch_max"),
        ({"notifier": {"config": {"notifier": {"rules": {"windows": 1}}}}}, "windows"),
        ({"camera": {"config": {"camera": {"source": {"path": "x", "paht": 1}}}}}, "source|paht"),
        ({"training": {"config": {"trainer": {"presett": "x"}}}}, "presett"),
        (
            {"inspector": {"gpu": {"count": 1}, "config": {"models": {"device": "cpu"}}}},
            "inspector.config.models.device is cpu, but each pod asks for 1 GPU",
        ),
        (
            {"inspector": {"config": {"models": {"device": "cuda:0"}}}},
            "no pod asks for a GPU: set gpu.count",
        ),
        (
            {
                "training": {
                    "enabled": True,
                    "dataClaim": "x",
                    "gpu": {"count": 1},
                    "config": {"trainer": {"device": "cpu"}},
                }
            },
            "training.config.trainer.device is cpu",
        ),
        ({"storage": {"models": "/models"}}, "not below storage.mountPath"),
        ({"storage": {"models": "/data/models"}}, "set storage.existingClaim"),
        (
            {
                "metrics": {"serviceMonitor": {"enabled": True}},
                "networkPolicy": {"metricsFrom": []},
            },
            "needs networkPolicy.metricsFrom",
        ),
        ({"networkPolicy": {"restrictEgress": True}}, "networkPolicy.egress.kafka"),
        (
            {"networkPolicy": {"restrictEgress": True, "egress": {"kafka": ANYWHERE}}},
            "networkPolicy.egress.redis",
        ),
    ],
)
def test_wrong_values_are_refused_by_name(values: Values, complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint):
        render(merged(supported("default"), values))


def test_a_release_without_categories_is_refused() -> None:
    with pytest.raises(helm.HelmError, match="categories is empty"):
        render({})
    assert render({"inspector": {"enabled": False}})


VALUES = st.fixed_dictionaries(
    {
        "inspector": st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["Deployment", "StatefulSet"]),
                "replicas": st.integers(0, 3),
                "drainSeconds": st.integers(1, 900),
                "preStopSeconds": st.integers(0, 60),
                "gpu": st.fixed_dictionaries({"count": st.integers(0, 2)}),
                "disruptionBudget": st.fixed_dictionaries({"enabled": st.booleans()}),
            }
        ),
        "autoscaling": st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["keda", "hpa", "none"]),
                "minReplicas": st.integers(1, 3),
                "maxReplicas": st.integers(3, 4),
                "lagThreshold": st.integers(129, 10**6),
                "hpa": st.fixed_dictionaries({"metric": st.sampled_from(["external", "cpu"])}),
            }
        ),
        "notifier": st.fixed_dictionaries({"enabled": st.booleans()}),
        "networkPolicy": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "restrictEgress": st.booleans(),
                "egress": st.just(dict.fromkeys(("kafka", "redis", "storage"), ANYWHERE)),
            }
        ),
        "metrics": st.fixed_dictionaries(
            {
                name: st.fixed_dictionaries({"enabled": st.booleans()})
                for name in ("serviceMonitor", "rules", "dashboards")
            }
        ),
        "topics": st.fixed_dictionaries({"job": st.fixed_dictionaries({"enabled": st.booleans()})}),
        "serviceAccount": st.fixed_dictionaries(
            {"create": st.booleans(), "name": st.sampled_from(["", "inspector"])}
        ),
        "healthPort": st.integers(1024, 65535),
    }
)


@settings(max_examples=30, deadline=None)
@given(values=VALUES, base=st.sampled_from(["default", "secure", "mutual-tls", "folder"]))
def test_whatever_is_allowed_gives_objects_that_kubernetes_takes(values: Values, base: str) -> None:
    for name, document in render(merged(supported(base), values)).items():
        assert not faults(document, "1.34.0"), name
