"""A camera that takes pictures by itself: is it there, and what does its clock say?"""

import math
import time

from workers.camera.devices.clock import DeviceClock
from workers.camera.devices.device import DeviceLost
from workers.camera.devices.open import open_device
from workers.camera.settings import CameraSettings
from workers.doctor.findings import Finding, ok, skipped, warning

SOURCE = "settings: source"
_PICTURES, _PATIENCE_S = 5, 10.0
_MOST_S = 0.1


def check_source(camera: CameraSettings) -> list[Finding]:
    """The library that it needs; the device itself may be in use, and is asked with its clock."""
    if camera.real:
        open_device(camera.source, camera.device)  # raises where its extra is missing
    return [ok(f"{camera.source}: comes by itself; `camera --preview FILE` takes one picture")]


def check_device_clock(camera: CameraSettings) -> list[Finding]:
    """Some pictures are taken, and their stamps are laid beside this machine's clock."""
    device, clock = open_device(camera.source, camera.device), DeviceClock()
    try:
        device.open()
        clock.synchronised = device.synchronised()
        deadline, seen = time.monotonic() + _PATIENCE_S, 0
        while seen < _PICTURES and time.monotonic() < deadline:
            grab = device.grab(1.0)
            if grab is not None:
                seen += 1
                clock.taken(grab.device_ns, time.time_ns())
    except DeviceLost as error:
        return [skipped(f"not asked, it may be in use: {error}")]
    finally:
        device.close()
    return judge_clock(clock, seen)


def judge_clock(clock: DeviceClock, pictures: int) -> list[Finding]:
    """What its pictures' stamps say."""
    if not pictures:
        return [skipped("no picture came: is it triggered?")]
    if math.isnan(clock.ahead_s):
        return [ok("counts from its start: pictures are dated by their arrival, jitter taken off")]
    says = f"{clock.ahead_s:+.3f} s from this machine's clock"
    if clock.synchronised is False:
        do = "look for the PTP master of its network, or switch PtpEnable off"
        return [warning(f"{says}; PTP is on and not followed", do, "camera.device.nodes")]
    if abs(clock.ahead_s) > _MOST_S and clock.synchronised:
        return [
            warning(f"{says} though it follows PTP", "have this machine follow it, too (ptp4l)")
        ]
    return [ok(f"{says}{', follows PTP' if clock.synchronised else ''}")]
