"""Devices that are not there, engines that are not installed, too many threads, too little room."""

import pytest

from workers.doctor.checks.device import (
    check_engine,
    check_memory,
    check_precision,
    check_present,
    check_threads,
    judge_memory,
    judge_precision,
    judge_room,
    judge_threads,
)
from workers.inspector.settings import InspectorSettings
from workers.runtime.detectors.settings import ModelsSection

GIB = 2**30


@pytest.mark.slow
def test_this_machine_is_ok() -> None:
    models = ModelsSection(threads=1)
    findings = [
        *check_present(models),
        *check_engine(models),
        *check_precision(models),
        *check_threads(InspectorSettings(models=models)),
    ]
    assert [finding.status for finding in findings] == ["ok"] * 4
    assert "GFLOP/s" in findings[2].says
    assert check_memory(InspectorSettings())[0].status in ("ok", "warning")


@pytest.mark.parametrize("device", ["cuda:9", "nonsense"])
def test_a_device_that_is_not_there(device: str) -> None:
    (finding,) = check_present(ModelsSection(device=device))
    assert (finding.status, finding.setting) == ("failed", "models.device")
    assert "cpu" in (finding.do or "")


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.doctor.checks.device.installed", lambda: ["onnxruntime"])
    (finding,) = check_engine(ModelsSection(engine="openvino"))
    assert (finding.status, finding.setting) == ("failed", "models.engine")
    assert check_engine(ModelsSection(engine="onnxruntime"))[0].status == "ok"


def test_reduced_precision_is_found() -> None:
    assert judge_precision(1e-7) is None
    assert judge_precision(5e-4) is not None  # TensorFloat-32
    assert judge_precision(float("nan")) is not None


def test_a_device_that_is_nearly_full() -> None:
    assert judge_room(3 * GIB) is None
    assert judge_room(GIB) is not None


@pytest.mark.parametrize(
    ("threads", "available", "status"),
    [(2, 2.0, "ok"), (3, 2.0, "warning"), (1, 0.5, "ok"), (2, 0.5, "warning")],
)
def test_more_threads_than_processors(threads: int, available: float, status: str) -> None:
    (finding,) = judge_threads(threads, 2, available)
    assert finding.status == status
    assert status == "ok" or finding.setting == "models.threads"


def test_a_memory_limit_below_what_may_be_in_work() -> None:
    settings = InspectorSettings(worker={"in_flight_mb": 1024})
    assert judge_memory(settings, None)[0].status == "ok"
    assert judge_memory(settings, 8 * GIB)[0].status == "ok"
    (finding,) = judge_memory(settings, 2 * GIB)
    assert (finding.status, finding.setting) == ("warning", "worker.in_flight_mb")
