"""A PLC that takes a gate's answers over Modbus TCP and remembers all of them: docs/gate.md."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from workers.runtime.servers.process import free_ports

PASS, REJECT, NOT_INSPECTED = 1, 2, 3
_SLOT = 8  # registers
_PATIENCE_S = 10.0


class Told(NamedTuple):
    """One answer, as it was written."""

    lane: int
    part: int
    start: int  # of its camera, as a checksum
    decision: int
    reject: bool
    late: bool
    at: float  # seconds since the epoch


class Plc:
    """A context manager: it listens inside."""

    def __init__(self, lanes: int, slots: int) -> None:
        (self.port,) = free_ports(1)
        self.lanes, self.slots = lanes, slots
        self.told: list[Told] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plc", daemon=True)
        self._server: ModbusTcpServer | None = None

    def settings(self) -> dict[str, object]:
        """What a gate has to know of it."""
        return {
            "gate.modbus.host": "127.0.0.1",
            "gate.modbus.port": self.port,
            "gate.modbus.slots": self.slots,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(self, *error: object) -> None:
        if self._server is not None:
            self._do(self._server.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)

    def _do(self, what: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(_PATIENCE_S)

    async def _serve(self) -> None:
        count = _SLOT * (1 + self.lanes * self.slots)
        data = SimData(0, count=count, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, [data], action=self._act)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)

    async def _act(self, *told: Any) -> None:
        _, _, address, _, _, values = told
        if values is not None and address >= _SLOT:
            lane = (address // _SLOT - 1) // self.slots
            decision, reject, high, low, start, _, late = values[:7]
            part = (high << 16) + low
            self.told.append(
                Told(lane, part, start, decision, bool(reject), bool(late), time.time())
            )
