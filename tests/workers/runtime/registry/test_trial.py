"""A version on trial stands in the activation; an odd one costs no activation."""

from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from workers.runtime.registry.care import Retention, holdings, kept_because
from workers.runtime.registry.layout import activation_file, dump
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.registry.trial import Mode, Trial
from workers.runtime.store.memory import MemoryBlobs, MemoryStore

SHADOW = Trial("v2", Mode.SHADOW, 0.25, ("line-*",), 0.01, 700)


@pytest.fixture
def registry() -> Registry:
    """v1 is active, v2 was pushed."""
    made = Registry(MemoryBlobs(), MemoryStore())
    for version in ("v1", "v2"):
        made.push(["bolts"], version, version.encode(), b"x")
    made.activate("bolts", "v1", "ada", "")
    return made


def test_it_is_read_as_it_was_written(registry: Registry) -> None:
    registry.activate("bolts", "v1", "ada", "", trial=SHADOW)
    confirmed = registry.confirmed("bolts")
    assert confirmed is not None
    assert (confirmed.version, confirmed.trial) == ("v1", SHADOW)


def test_an_activation_ends_it(registry: Registry) -> None:
    registry.activate("bolts", "v1", "ada", "", trial=SHADOW)
    registry.activate("bolts", "v2", "ada", "")
    last = registry.last("bolts")
    assert last is not None and last.trial is None


def test_only_a_pushed_version_can_be_tried(registry: Registry) -> None:
    with pytest.raises(UnknownVersion, match="no version v3"):
        registry.activate("bolts", "v1", "ada", "", trial=Trial("v3", Mode.CANARY))
    assert len(registry.history("bolts")) == 1


def test_gc_leaves_it_alone(registry: Registry) -> None:
    registry.activate("bolts", "v1", "ada", "", trial=SHADOW)
    held = next(each for each in holdings(registry) if each.version == "v2")
    at = datetime(2099, 1, 1, tzinfo=UTC)
    histories = {"bolts": registry.history("bolts")}
    assert kept_because(held, histories, Retention(1, 0), at) == "on trial for bolts"


@pytest.mark.parametrize(
    "odd",
    [
        *(7, "shadow", [], {}, {"version": "v2"}, {"version": "v2", "mode": "sideways"}),
        {"version": "../v2", "mode": "shadow"},
        {"version": "v2", "mode": "shadow", "share": 0},
        {"version": "v2", "mode": "shadow", "share": "all"},
        {"version": "v2", "mode": "shadow", "share": float("nan")},
        {"version": "v2", "mode": "canary", "cameras": [1]},
        {"version": "v2", "mode": "canary", "cameras": 5},
        {"version": "v2", "mode": "canary", "cameras": ["x"] * 101},
        {"version": "v2", "mode": "canary", "most_alarms": 2},
        {"version": "v2", "mode": "canary", "least_frames": 0},
    ],
)
def test_what_is_no_trial_is_passed_over_and_the_activation_holds(
    registry: Registry, odd: Any
) -> None:
    record = {"number": 2, "version": "v2", "by": "eve", "why": "", "trial": odd}
    name = activation_file("bolts", 2)
    registry.blobs.write(name, dump(record | {"at": "2026-01-01T00:00:00+00:00"}))
    with capture_logs() as logs:
        last = registry.last("bolts")
    assert last is not None
    assert (last.number, last.version, last.trial) == (2, "v2", None)
    assert any(each["event"] == "a trial of a version is passed over" for each in logs)


def test_a_frame_is_always_taken_or_never() -> None:
    names = [f"f{number}" for number in range(4000)]
    taken = [name for name in names if SHADOW.takes("line-1", name)]
    assert taken == [name for name in names if SHADOW.takes("line-1", name)]
    assert len(taken) == pytest.approx(1000, abs=110)
    assert not any(SHADOW.takes("cell-1", name) for name in names)
    other = Trial("v3", Mode.SHADOW, 0.25)
    assert {name for name in names if other.takes("line-1", name)} != set(taken)
