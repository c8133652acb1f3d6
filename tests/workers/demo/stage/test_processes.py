import time
from pathlib import Path

import psutil
import pytest

from workers.demo.stage.processes import Child, flags, free_port, ready, wait_until_ready
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer

UNREACHABLE = ["notifier", "--set", "kafka.bootstrap_servers=127.0.0.1:1"]


def wait_for(child: Child, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in child.tail() and time.monotonic() < deadline:
        time.sleep(0.05)


def guarded(argument: str) -> psutil.Process:
    """Our process behind its guard: both name the argument, and the guard is the parent."""
    ours = psutil.Process().children(recursive=True)
    guard, child = (process for process in ours if argument in process.cmdline())
    assert child.parent() == guard
    return child


def wait_for_end(child: Child) -> None:
    deadline = time.monotonic() + 60
    while child.code is None and time.monotonic() < deadline:
        time.sleep(0.05)


def test_settings_become_arguments_that_yaml_reads_back() -> None:
    given = {"a.b": ["x", "y"], "c": Path("some where"), "d": 0.5, "e": None, "f": True}

    arguments = flags(given)

    assert arguments[::2] == ["--set"] * 4
    assert arguments[1::2] == ["a.b=[x, y]", "c=some where", "d=0.5", "f=true"]


@pytest.mark.integration
def test_a_child_that_ends_with_an_error_keeps_the_reason(tmp_path: Path) -> None:
    child = Child("camera", ["camera", "--set", "camera.rate=fast"], tmp_path, grace_s=1)

    wait_for_end(child)

    assert child.code == 78
    assert child.failed
    assert "camera.rate" in child.tail()


@pytest.mark.integration
def test_a_child_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = Child("notifier", UNREACHABLE, tmp_path, grace_s=0.5)
    wait_for(child, "away")
    guarded(UNREACHABLE[-1]).suspend()

    start = time.monotonic()

    assert child.stop() != 0
    assert time.monotonic() - start < 5


def test_readiness_is_asked_over_http() -> None:
    state = {"problem": "loading a model"}
    settings = HealthSettings(port=free_port())

    with HealthServer(settings, ready=lambda: state["problem"] or None):
        assert not ready(settings.port)
        state["problem"] = ""
        assert ready(settings.port)


@pytest.mark.integration
def test_a_child_that_ends_before_it_is_ready_is_named(tmp_path: Path) -> None:
    child = Child("camera", ["camera", "--set", "camera.rate=fast"], tmp_path, grace_s=1)

    assert wait_until_ready({free_port(): child}, 30, StopSignal()) is child


@pytest.mark.integration
def test_a_child_that_takes_too_long_is_named(tmp_path: Path) -> None:
    child = Child("notifier", UNREACHABLE, tmp_path, grace_s=0.1)

    assert wait_until_ready({free_port(): child}, 0.2, StopSignal()) is child
    child.stop()
