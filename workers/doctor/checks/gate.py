"""The gate: whom it answers for, and whether the plant can be reached. Nothing is sent."""

import shutil
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from workers.doctor.findings import Finding, failed, ok, warning
from workers.gate.settings import GateSettings

_PATIENCE_S = 3.0
_OPC_UA = 4840


def check_cameras(gate: GateSettings) -> list[Finding]:
    """Without a camera no part is answered."""
    if not gate.cameras:
        return [failed("no camera is named", "name those whose parts are answered", "gate.cameras")]
    if gate.join.rule == "none":
        return [ok(f"answers for {', '.join(gate.cameras)}, each frame a part")]
    views = ", ".join(gate.join.views or gate.cameras)
    return [ok(f"joins {views} into parts of {gate.join.station}: {gate.join.rule}")]


def check_channels(gate: GateSettings) -> list[Finding]:
    """Each channel's other end takes a connection, or its program is there."""
    found = list(_channels(gate))
    if found:
        return found
    do = "name a PLC, an OPC UA server, an MQTT broker or a program; see docs/gate.md"
    return [failed("nobody is told", do, "gate.modbus.host")]


def _channels(gate: GateSettings) -> Iterator[Finding]:
    if gate.modbus.host:
        yield reached("Modbus", gate.modbus.host, gate.modbus.port, "gate.modbus.host")
    if gate.opcua_client.url:
        at = urlsplit(gate.opcua_client.url)
        port = at.port or _OPC_UA
        yield reached("OPC UA", at.hostname or "", port, "gate.opcua_client.url")
    if gate.mqtt.host:
        yield reached("MQTT", gate.mqtt.host, gate.mqtt.port, "gate.mqtt.host")
    if gate.opcua_server.endpoint:
        yield ok(
            f"OPC UA server at {gate.opcua_server.endpoint}; whether it is free shows at start"
        )
    for words in (gate.command.on_reject, gate.command.on_pass):
        if words:
            yield _program(words[0])


def reached(what: str, host: str, port: int, setting: str) -> Finding:
    """Whether somebody takes a connection there; it is closed at once."""
    try:
        socket.create_connection((host, port), _PATIENCE_S).close()
    except OSError as error:
        do = "start it, name the right one, or open the network between"
        return failed(f"{what} at {host}:{port}: {error}", do, setting)
    return ok(f"{what} at {host}:{port} takes connections")


def _program(name: str) -> Finding:
    if shutil.which(name):
        return ok(f"{name} can be run")
    return warning(f"{name} is no program here", "install it, or name its path", "gate.command")
