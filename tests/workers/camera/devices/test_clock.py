"""A picture is dated by its exposure, whatever its device counts and however late it arrives."""

import math
from typing import Any

import pytest

from workers.camera.devices.clock import DeviceClock
from workers.camera.devices.genicam.ptp import ptp

MS, S = 10**6, 10**9
NOON = 1_900_000_000 * S


def test_jitter_on_the_way_is_taken_off() -> None:
    clock = DeviceClock()
    found = [
        clock.taken(7 * S + n * 100 * MS, NOON + n * 100 * MS + late * MS)
        for n, late in enumerate((5, 40, 5, 200, 5))
    ]
    assert [(at - found[0]) // MS for at in found] == [0, 100, 200, 300, 400]
    assert found[0] == NOON + 5 * MS
    assert math.isnan(clock.ahead_s)  # it counts from its start


def test_a_clock_of_day_is_compared_with_ours() -> None:
    clock = DeviceClock()
    clock.taken(NOON + 3 * S, NOON)
    assert clock.ahead_s == pytest.approx(3.0)
    assert clock.taken(NOON + 4 * S, NOON + S) <= NOON + S  # and dates nothing into the future


def test_a_device_that_follows_ptp_is_believed() -> None:
    clock = DeviceClock()
    clock.synchronised = True
    assert clock.taken(NOON, NOON + 80 * MS) == NOON
    assert clock.transfer_s == pytest.approx(0.08)
    clock.synchronised = False
    assert clock.taken(NOON + S, NOON + S + 80 * MS) == NOON + S + 80 * MS


def test_a_clock_that_is_wrong_is_not_believed_whatever_it_says_of_ptp() -> None:
    clock = DeviceClock()
    clock.synchronised = True
    assert clock.taken(NOON - 3600 * S, NOON) == NOON


def test_a_device_that_began_anew_dates_its_pictures_from_now_on() -> None:
    clock = DeviceClock()
    clock.taken(5000 * S, NOON)
    assert clock.taken(S, NOON + 10 * S) == NOON + 10 * S
    assert clock.taken(2 * S, NOON + 11 * S) == NOON + 11 * S


def test_clocks_may_drift_apart() -> None:
    clock = DeviceClock()
    for second in range(600):  # the device's runs 100 ppm slow
        arrived = NOON + second * S
        late = arrived - clock.taken(second * (S - 100_000), arrived)
        assert 0 <= late < 8 * MS


def test_what_has_no_clock_is_dated_by_its_arrival() -> None:
    clock = DeviceClock()
    assert clock.taken(None, NOON) == NOON
    assert math.isnan(clock.transfer_s)


class Node:
    def __init__(self, value: Any = None) -> None:
        self.value = value

    def execute(self) -> None:
        """Nothing to look up."""


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({}, None),
        ({"PtpEnable": Node(False)}, None),
        ({"PtpEnable": Node(True), "PtpDataSetLatch": Node(), "PtpStatus": Node("Slave")}, True),
        (
            {"PtpEnable": Node(True), "PtpDataSetLatch": Node(), "PtpStatus": Node("Listening")},
            False,
        ),
        (
            {
                "GevIEEE1588": Node(True),
                "GevIEEE1588DataSetLatch": Node(),
                "GevIEEE1588Status": Node("Slave"),
            },
            True,
        ),
    ],
)
def test_a_camera_tells_of_ptp(nodes: dict[str, Node], said: bool | None) -> None:
    assert ptp(nodes.__getitem__) is said
