"""/livez, /readyz and /metrics."""

import http.client
import socket

import pytest
from prometheus_client import CollectorRegistry, Counter

from workers.runtime.errors import SettingsError
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer


def free_port() -> int:
    return free_ports(1)[0]


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_checks_and_metrics_over_http() -> None:
    registry, port = CollectorRegistry(), free_port()
    Counter("frames", "read", registry=registry).inc(3)
    problems = ["bolts: no model"]
    server = HealthServer(
        HealthSettings(port=port),
        registry,
        ready=lambda: problems[0] if problems else None,
        notes=lambda: "redis is away",
    )
    with server:
        assert get(port, "/livez") == (200, "ok\n")
        assert get(port, "/readyz") == (503, "bolts: no model\n")
        problems.clear()
        assert get(port, "/readyz") == (200, "ok; redis is away\n")
        assert "frames_total 3.0" in get(port, "/metrics?name=x")[1]
        assert get(port, "/else")[0] == 404


def test_port_zero_is_off() -> None:
    with HealthServer(HealthSettings(port=0)) as server:
        assert server.answer("/livez")[0] == 200


def test_a_taken_port_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = HealthSettings(port=taken.getsockname()[1])
        with pytest.raises(SettingsError, match=r"health\.port"), HealthServer(settings):
            pass
