"""The channels that the settings name. A library is imported where it is needed only."""

from collections.abc import Mapping

from workers.gate.channels.channel import Channel
from workers.gate.settings import GateSettings
from workers.runtime.errors import SettingsError


def make_channels(gate: GateSettings) -> list[Channel]:
    """Raises SettingsError where there is none, or one cannot be made."""
    lanes = gate.lanes
    found = [*_modbus(gate, lanes), *_opcua(gate, lanes), *_mqtt(gate, lanes)]
    if gate.command.on_reject or gate.command.on_pass:
        from workers.gate.channels.command import CommandChannel

        found.append(CommandChannel(gate.command, lanes))
    if not found:
        raise SettingsError(
            "gate: nobody is told: set gate.modbus.host, gate.opcua_server.endpoint, "
            "gate.opcua_client.url, gate.mqtt.host or gate.command.on_reject"
        )
    return found


def _modbus(gate: GateSettings, lanes: Mapping[str, int]) -> list[Channel]:
    if gate.modbus.host is None:
        return []
    from workers.gate.channels.modbus import ModbusChannel

    return [ModbusChannel(gate.modbus, lanes)]


def _opcua(gate: GateSettings, lanes: Mapping[str, int]) -> list[Channel]:
    found: list[Channel] = []
    if gate.opcua_server.endpoint is not None:
        from workers.gate.channels.opcua_server import OpcUaServerChannel

        found.append(OpcUaServerChannel(gate.opcua_server, lanes))
    if gate.opcua_client.url is not None:
        from workers.gate.channels.opcua_client import OpcUaClientChannel

        found.append(OpcUaClientChannel(gate.opcua_client, lanes))
    return found


def _mqtt(gate: GateSettings, lanes: Mapping[str, int]) -> list[Channel]:
    if gate.mqtt.host is None:
        return []
    from workers.gate.channels.mqtt import MqttChannel

    return [MqttChannel(gate.mqtt, lanes)]
