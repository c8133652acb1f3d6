"""What a camera's clock says, in words."""

import pytest

from workers.camera.devices.clock import DeviceClock
from workers.doctor.checks.camera import judge_clock

NOON, S = 1_900_000_000 * 10**9, 10**9


@pytest.mark.parametrize(
    ("device_ns", "ptp", "status", "says"),
    [
        (7 * S, None, "ok", "counts from its start"),
        (NOON + S // 50, None, "ok", "+0.020 s from this machine"),
        (NOON - S // 50, True, "ok", "follows PTP"),
        (NOON + 3 * S, True, "warn", "though it follows PTP"),
        (NOON, False, "warn", "PTP is on and not followed"),
    ],
)
def test_a_clock_is_judged(device_ns: int, ptp: bool | None, status: str, says: str) -> None:
    clock = DeviceClock()
    clock.synchronised = ptp
    clock.taken(device_ns, NOON)
    (found,) = judge_clock(clock, 1)
    assert found.status.startswith(status)
    assert says in found.says


def test_a_camera_that_is_not_triggered_tells_nothing() -> None:
    assert "triggered" in judge_clock(DeviceClock(), 0)[0].says
