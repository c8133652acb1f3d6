"""What a worker's metrics say of a journey, and that no producer can grow them."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest

from schemas.envelope import WireMessage
from schemas.frame import Frame, encode_frame

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]
GOOD, DARK = 200, 20


def value(stage: Any, name: str, /, **labels: str) -> float:
    return stage.metrics.registry.get_sample_value(name, labels) or 0.0


def series(stage: Any) -> set[str]:
    """Every series, without its value."""
    lines = generate_latest(stage.metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def renamed(message: WireMessage, header: str, text: bytes) -> WireMessage:
    return replace(
        message, headers=tuple((k, text if k == header else v) for k, v in message.headers)
    )


@pytest.mark.slow
def test_frames_are_told_by_what_became_of_them(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start(**{"categories.names": ["bolts"]})
    stage.send(*(make_frame(picture(GOOD), n) for n in range(5)), partition=0)
    stage.send(make_frame(picture(DARK), 5), make_frame(b"broken", 6), partition=0)
    undecodable = {"reason": "undecodable"}
    stage.until(lambda: value(stage, "inspector_rejected_frames_total", **undecodable) == 1)
    stage.until(lambda: value(stage, "inspector_latency_seconds_count") == 6)
    assert value(stage, "inspector_frames_total") == 7
    assert value(stage, "inspector_outcomes_total", category="bolts", verdict="pass") == 5
    assert value(stage, "inspector_outcomes_total", category="bolts", verdict="defect") == 1
    for part in ("queued", "decode", "batch_wait", "inference", "publish"):
        assert value(stage, "inspector_stage_seconds_count", stage=part) == 6
    batches = value(stage, "inspector_batch_size_frames_count")
    assert value(stage, "inspector_batch_size_frames_sum") == 6
    assert 1 <= batches <= 6
    stage.until(lambda: value(stage, "inspector_device_busy_seconds_total") > 0)
    assert value(stage, "inspector_transactions_total", result="committed") >= 1


@pytest.mark.slow
def test_a_frame_that_waited_long_has_its_age(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    old = make_frame(picture(GOOD))
    stage.send(replace(old, captured_at=old.captured_at.replace(year=2020)), partition=0)
    stage.start(**{"categories.names": ["bolts"]})
    stage.until(lambda: value(stage, "inspector_latency_seconds_count") == 1)
    assert value(stage, "inspector_latency_seconds_sum") > 3600
    assert value(stage, "inspector_stage_seconds_sum", stage="publish") < 60


@pytest.mark.slow
def test_a_broker_that_is_away_shows_in_the_metrics(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start(**{"categories.names": ["bolts"]})
    stage.send(make_frame(picture(GOOD)))
    stage.outcomes_of(1)
    stage.until(lambda: value(stage, "inspector_server_up", server="broker") == 1, 15)
    stage.broker.available = False
    up = {"server": "broker"}
    stage.until(lambda: stage.metrics.registry.get_sample_value("inspector_server_up", up) == 0, 15)
    assert value(stage, "inspector_ready") == 0
    stage.broker.available = True


@pytest.mark.slow
def test_a_category_without_a_model_is_told(stage: Any) -> None:
    stage.start()
    stage.until(lambda: value(stage, "inspector_model_missing", category="nuts") == 1, 15)
    assert value(stage, "inspector_model_info", category="bolts", version="bolts-v1") == 1
    stage.activate("nuts", "nuts-v1")
    stage.until(lambda: value(stage, "inspector_model_info", category="nuts", version="nuts-v1"))
    missing = {"category": "nuts"}
    assert stage.metrics.registry.get_sample_value("inspector_model_missing", missing) is None


@pytest.mark.slow
def test_partitions_that_come_and_go_are_counted(stage: Any) -> None:
    stage.start(**{"categories.names": ["bolts"]})
    stage.until(lambda: value(stage, "inspector_rebalances_total", event="assigned") == 1)
    assert value(stage, "inspector_rebalances_total", event="revoked") == 0
    stage.start(**{"categories.names": ["bolts"]})  # in the same registry
    stage.until(lambda: value(stage, "inspector_rebalances_total", event="revoked") >= 1)
    stage.until(lambda: value(stage, "inspector_rebalances_total", event="assigned") >= 2)


@pytest.mark.slow
def test_a_hostile_producer_cannot_grow_the_metrics(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start(**{"categories.names": ["bolts"]})
    stage.send(make_frame(picture(GOOD)), make_frame(b"broken"), partition=0)
    stage.send(make_frame(picture(GOOD), category="nuts-0"), partition=0)
    stage.outcomes_of(3)
    stage.until(lambda: 'inspector_lag_records{partition="1"}' in series(stage))
    before = series(stage)
    for number in range(50):
        good = encode_frame(make_frame(picture(GOOD), category=f"nuts-{number}"))
        for header in ("ce_camera", "ce_category", "ce_type", "content-type", "ce_specversion"):
            stage.send(renamed(good, header, f"hostile-{number}".encode()))
    stage.outcomes_of(253)
    time.sleep(2.5)  # the gauges are set every 2 s
    assert series(stage) == before
