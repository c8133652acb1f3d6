"""Every process accepts the settings that the chart gives it, in every supported configuration."""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered_chart import (
    CHART,
    PREFIX,
    SUPPORTED,
    Object,
    Objects,
    containers,
    merged,
    pod_of,
    render,
    supported,
    workloads,
)

from schemas.topics import TOPICS
from workers.config import chart
from workers.config.command import Process, settings_class
from workers.runtime.categories import CategorySettings, read_categories, read_category
from workers.runtime.settings.process import ProcessSettings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chart-settings")]

# component -> what reads its file: `stream-inspector config check <process>`
PROCESSES = {
    "inspector": Process.WORKER,
    "doctor": Process.WORKER,
    "explainer": Process.EXPLAINER,
    "notifier": Process.NOTIFIER,
    "gate": Process.GATE,
    "console": Process.CONSOLE,
    "camera": Process.CAMERA,
    "topics": Process.TOPICS,
    "training": Process.TRAINER,
    "evidence": Process.EVIDENCE,
}


@pytest.fixture(params=SUPPORTED, ids=lambda path: path.stem.removesuffix("-values"))
def objects(request: pytest.FixtureRequest) -> Objects:
    return render(yaml.safe_load(request.param.read_text()))


def component(workload: Object) -> str:
    name: str = workload["metadata"]["labels"]["app.kubernetes.io/component"]
    return name


def files(objects: Objects, workload: Object) -> dict[str, str]:
    """The files of the ConfigMap that a workload mounts."""
    volumes = pod_of(workload)["spec"]["volumes"]
    name = next(v["configMap"]["name"] for v in volumes if v["name"] == "config")
    data: dict[str, str] = objects["ConfigMap", name]["data"]
    return data


def load(
    objects: Objects, workload: Object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ProcessSettings:
    """As the pod would: its files, its environment; a secret is a word."""
    pod = pod_of(workload)
    mounted = next(v for v in pod["spec"]["volumes"] if v["name"] == "config")["configMap"]
    data = objects["ConfigMap", mounted["name"]]["data"]
    items = mounted.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        file = folder / item["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(data[item["key"]].replace("/etc/stream-inspector/", f"{folder}/"))
    for name in [name for name in os.environ if name.startswith("STREAM_INSPECTOR_")]:
        monkeypatch.delenv(name)
    (container, *_) = containers(pod)
    for each in container["env"]:
        value = each.get("value", "redis://me:word@redis/0")
        monkeypatch.setenv(each["name"], re.sub(r"\$\(\w+\)", "inspector-0", value))
    process = PROCESSES[component(workload)]
    return settings_class(process).load(folder / f"{process}.yaml")


def test_processes_accept_their_settings(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, workload in enumerate(workloads(objects)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch:
            settings = load(objects, workload, folder, patch)
        section: Any = getattr(settings, "categories", None)
        if section is not None:
            assert set(read_categories(section)) == {
                key.removeprefix("category-").removesuffix(".yaml")
                for key in files(objects, workload)
                if key.startswith("category-")
            }


def test_every_pod_is_started_with_a_file_that_it_has(objects: Objects) -> None:
    for workload in workloads(objects):
        if component(workload) == "training":
            continue  # a shell line, run in test_chart.py
        (container,) = pod_of(workload)["spec"]["containers"]
        flag = container["args"].index("--config")
        name = Path(container["args"][flag + 1]).name
        assert name in files(objects, workload)


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of each component, from the values of all of them."""

    def settings(values: dict[str, Any]) -> dict[str, ProcessSettings]:
        all_of_it = {
            "gate": {"enabled": True, "cameras": ["cam-1"]},
            "console": {"enabled": True},
            "camera": {"enabled": True, "category": "bottle"},
            "training": {"enabled": True, "dataClaim": "images"},
        }
        objects = render(merged(supported("default"), all_of_it, values))
        found = {}
        for workload in workloads(objects):
            folder = tmp_path / component(workload)
            folder.mkdir()
            with monkeypatch.context() as patch:
                found[component(workload)] = load(objects, workload, folder, patch)
        assert found.keys() == PROCESSES.keys()
        return found

    return settings


def test_one_value_reaches_every_process(everywhere: Any) -> None:
    names = {topic.name.replace("-", "_"): f"line-7.{topic.name}" for topic in TOPICS}
    camel = names | {
        "deadLetters": names["dead_letters"],
        "cameraStates": names["camera_states"],
    }
    del camel["dead_letters"], camel["camera_states"]
    values = {
        "kafka": {"bootstrapServers": "one:9092,two:9092", "maxFrameBytes": 2**20},
        "topics": camel | {"partitions": 6},
        "log": {"level": "warning"},
        "healthPort": 9090,
        "tracing": {"endpoint": "http://collector:4318/v1/traces", "sampleShare": 0.5},
    }
    found = everywhere(values)
    for name, settings in found.items():
        assert settings.log.level == "warning", name
        if name in ("training", "evidence"):
            continue  # files and stores: no Kafka
        assert settings.kafka.bootstrap_servers == "one:9092,two:9092", name
        assert settings.kafka.max_frame_bytes == 2**20, name
        assert {key: getattr(settings.topics, key) for key in names} == names, name
        assert settings.topics.partitions == 6, name
        assert settings.topics.create is False, name
        assert settings.health.port == 9090, name
        assert settings.tracing.endpoint == "http://collector:4318/v1/traces", name
        assert settings.tracing.sample_share == 0.5, name


def test_a_plain_login_and_certificates_reach_every_client(everywhere: Any) -> None:
    secure = {key: supported("secure")[key] for key in ("kafka", "redis")}
    found = everywhere(secure)
    for name in ("inspector", "explainer", "notifier", "gate", "console", "camera", "topics"):
        security = found[name].kafka.security
        assert security.protocol == "SASL_SSL", name
        assert security.password_file.name == "password", name
        assert security.tls.ca_file.name == "ca.pem", name
    for name in ("inspector", "explainer", "training"):
        redis = found[name].redis
        assert redis.url == "rediss://redis.plant:6380/0", name
        assert redis.tls.key_file.name == "key.pem", name
        assert redis.password_file.parent.name == "redis-auth", name


def test_secret_files_are_where_the_settings_look(objects: Objects) -> None:
    """Of every file below the secrets' folder that a process is told of, a secret has the path."""
    root = "/etc/stream-inspector-secrets/"
    for workload in workloads(objects):
        data = files(objects, workload)
        file = f"{PROCESSES[component(workload)]}.yaml"
        told = {
            leaf.removeprefix(root) for leaf in leaves(yaml.safe_load(data[file])) if root in leaf
        }
        volumes = pod_of(workload)["spec"]["volumes"]
        projected = [v["projected"] for v in volumes if "projected" in v]
        items = [
            item["path"]
            for each in projected
            for source in each["sources"]
            for item in source["secret"]["items"]
        ]
        assert told == set(items), component(workload)


def leaves(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in leaves(value)]
    return [str(node)]


def test_what_a_user_adds_wins_and_large_numbers_stay_whole(everywhere: Any) -> None:
    values = {
        "inspector": {"config": {"worker": {"threads": 5}, "log": {}}},
        "notifier": {"config": {"notifier": {"delivery": {"undelivered_max_bytes": 33554432}}}},
        "camera": {"config": {"camera": {"spool": {"max_bytes": 536870912}}}},
        "training": {"config": {"trainer": {"seed": 7}, "budget": {"image_false_reject": 0.02}}},
    }
    found = everywhere(values)
    assert found["inspector"].worker.threads == 5
    assert found["inspector"].worker.drain_s == 30
    assert found["notifier"].notifier.delivery.undelivered_max_bytes == 33554432
    assert found["camera"].camera.spool.max_bytes == 536870912
    assert found["training"].budget.image_false_reject == 0.02


def test_topics_are_planned_as_the_values_say(everywhere: Any) -> None:
    job = {"replicationFactor": 3, "minInsyncReplicas": 2, "retentionHours": {"deadLetters": 5}}
    plan = everywhere({"topics": {"job": job}})["topics"].plan
    assert (plan.replication_factor, plan.min_insync_replicas) == (3, 2)
    assert plan.retention_hours == {"dead_letters": 5}


def test_every_topic_of_the_stage_has_a_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["topics"]
    assert {topic.name for topic in TOPICS} <= set(map(str, values.values()))


def test_a_category_may_say_all_that_its_file_may() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    category = schema["properties"]["categories"]["additionalProperties"]
    assert category["properties"].keys() == CategorySettings.model_fields.keys() - {"name"}


def test_a_mask_comes_along_with_its_category(tmp_path: Path) -> None:
    picture = b"\x89PNG, by all appearances"
    mask = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    bottle = {"view": {"bits": 12, "ignore": {"mask": mask}}}
    objects = render(merged(supported("default"), {"categories": {"bottle": bottle}}))
    held = [each.get("data", {}) for (kind, _), each in objects.items() if kind == "ConfigMap"]
    found = [data["category-bottle.yaml"] for data in held if "category-bottle.yaml" in data]
    assert found
    for number, text in enumerate(found):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        assert read_category(file).mask == picture


def test_the_image_is_of_this_version() -> None:
    from stream_inspector import __version__

    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__
    assert PREFIX  # the names that the other tests read


def test_the_chart_knows_the_settings_of_the_processes() -> None:
    text = chart.FILE.read_text()
    assert text == chart.document(text), "run `make docs`"


def test_no_secret_is_a_setting_in_the_chart() -> None:
    schema = json.dumps(chart.settings_schema(settings_class(Process.WORKER)))
    assert '"password_file"' in schema
    assert '"password"' not in schema


def test_the_url_of_a_channel_is_no_value_of_the_chart() -> None:
    schema = chart.settings_schema(settings_class(Process.NOTIFIER))
    delivery = schema["properties"]["notifier"]["properties"]["delivery"]["properties"]
    (channel,) = delivery["channels"]["patternProperties"].values()
    assert "url_file" in channel["properties"]
    assert "url" not in channel["properties"]
    assert channel["additionalProperties"] is False


def test_everybody_has_the_same_rules_for_pictures(everywhere: Any) -> None:
    keep = {"defect": {"days": 200}, "categories": {"bottle": {"near_miss": {"days": 3}}}}
    values = {"evidence": {"config": {"evidence": {"keep": keep, "signed_hours": 5}}}}
    found = everywhere(merged(values, {"storage": {"existingSecret": "s3-login"}}))
    for name in ("explainer", "notifier", "evidence"):
        section = found[name].evidence
        assert section.url == "s3://stream-inspector/evidence", name
        assert section.signed_hours == 5, name
        assert section.keep.limits("bottle", "near_miss").days == 3, name
        assert section.keep.limits("nut", "defect").days == 200, name


def test_who_signs_links_has_the_stores_login_and_who_does_not_has_none() -> None:
    login = {"storage": {"existingSecret": "s3-login"}}
    signing = {"evidence": {"config": {"evidence": {"signed_hours": 5}}}}
    for values, expected in ((login, False), (merged(login, signing), True)):
        objects = render(merged(supported("default"), values))
        (container,) = containers(pod_of(objects["StatefulSet", f"{PREFIX}-notifier"]))
        names = [each["secretRef"]["name"] for each in container.get("envFrom", [])]
        assert ("s3-login" in names) is expected


def test_without_pictures_or_on_request_nobody_collects() -> None:
    for values in ({"storage": {"evidence": ""}}, {"evidence": {"gc": {"enabled": False}}}):
        objects = render(merged(supported("default"), values))
        assert ("CronJob", f"{PREFIX}-evidence") not in objects
