"""A plant to answer to: a PLC on Modbus, an OPC UA server, an MQTT broker. Real, on loopback."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self

import paho.mqtt.client as mqtt
from asyncua import ua
from asyncua.sync import Server
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

PATIENCE_S = 30.0
_BROKER = """
import asyncio, sys
from amqtt.broker import Broker

async def serve(port):
    anyone = {"allow_anonymous": sys.argv[2] == "True"}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": anyone}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    await Broker({"listeners": {"default": listener}, "plugins": plugins}).start()
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve(sys.argv[1]))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(happened: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(PATIENCE_S)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)


class Plc:
    """A Modbus server that remembers every request to write."""

    def __init__(self, registers: int = 2000) -> None:
        self.port, self._registers = free_port(), registers
        self.writes: list[tuple[int, list[int]]] = []
        self._loop = _Loop()
        self._server: ModbusTcpServer | None = None

    def start(self) -> None:
        self._loop.do(self._serve())

    async def _serve(self) -> None:
        data = SimData(0, count=self._registers, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, [data], action=self._act)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)

    async def _act(self, *told: Any) -> None:
        _, _, address, _, _, values = told
        if values is not None:
            self.writes.append((address, list(values)))

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            self._loop.do(server.shutdown())

    def answers(self, lane: int = 0, slots: int = 16, base: int = 0) -> list[list[int]]:
        """What was written into the slots of a lane, in order."""
        first = base + 8 + lane * slots * 8
        return [values for at, values in list(self.writes) if first <= at < first + slots * 8]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._loop.end()


class OpcUaPlant:
    """A server with nodes to write to, of the types that PLCs have."""

    def __init__(self, **kinds: str) -> None:
        self.url = f"opc.tcp://127.0.0.1:{free_port()}/plant"
        self._kinds = {"Decision": "Int16", "Reject": "Boolean", "Part": "UInt32"}
        self._kinds |= {"Answer": "String", "Beat": "UInt16", "Ready": "Boolean"}
        self._kinds |= {"Late": "Boolean", "Start": "String", "Reason": "String"} | kinds

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        self._server = Server()
        self._server.set_endpoint(self.url)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = self._server.register_namespace("urn:plant")
        place = self._server.nodes.objects.add_object(space, "Gate")
        self._nodes = {}
        for name, kind in self._kinds.items():
            empty: Any = "" if kind == "String" else 0
            where = ua.NodeId(f"line-1.{name}", space)
            node = place.add_variable(where, name, empty, ua.VariantType[kind])
            node.set_writable()
            self._nodes[name] = node
        self._server.start()
        nodes = self._server.aio_obj.iserver.aspace
        self._take, nodes.write_attribute_value = nodes.write_attribute_value, self._take_values

    async def _take_values(self, node: Any, what: Any, value: ua.DataValue) -> ua.StatusCode:
        """As PLCs of Siemens do: a value with a time of its own is refused."""
        if node.NamespaceIndex and value.SourceTimestamp is not None:
            return ua.StatusCode(ua.StatusCodes.BadWriteNotSupported)
        found: ua.StatusCode = await self._take(node, what, value)
        return found

    def value(self, name: str) -> Any:
        return self._nodes[name].read_value()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __exit__(self, *error: object) -> None:
        self.stop()


class MqttPlant:
    """A broker, and somebody who listens to all of it."""

    def __init__(self, *, lets_in: bool = True) -> None:
        self.port, self._lets_in = free_port(), lets_in
        self.heard: list[tuple[str, str]] = []
        self._broker: subprocess.Popen[bytes] | None = None
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="plant")
        self._client.on_connect = self._listen
        self._client.on_message = self._hear
        self._client.reconnect_delay_set(1, 1)

    def start(self) -> None:
        """In a process of its own, which can be killed."""
        command = [sys.executable, "-c", _BROKER, str(self.port), str(self._lets_in)]
        self._broker = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._broker.stdout is not None
        assert self._broker.stdout.readline() == b"up\n"

    def stop(self) -> None:
        """As a power cut would."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.kill()
            broker.communicate()

    def _listen(self, client: mqtt.Client, *told: object) -> None:
        client.subscribe("#", qos=1)

    def _hear(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload.decode()))

    def __enter__(self) -> Self:
        self.start()
        if self._lets_in:
            self._client.connect("127.0.0.1", self.port)
            self._client.loop_start()
            until(self._client.is_connected)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self.stop()
