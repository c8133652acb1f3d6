"""Answers in the holding registers of a PLC: each part has a slot, found by its number.

    register + 0            heartbeat, counts up            + 1   1: the gate is ready, 0: it is not
    register + 8 + (lane * slots + part mod slots) * 8      the answer:
      + 0  1 pass, 2 reject, 3 not inspected   + 1  1: reject it
      + 2  part number, high word              + 3  part number, low word
      + 4  the camera's start (CRC-16 of it)   + 5  milliseconds from capture, 65535: or more
      + 6  1: too late                         + 7  0

An answer is one request, so its registers change together, and the same answer sent twice changes
nothing. A part that has no answer yet is known by the number in its slot, which is another one.
"""

from binascii import crc_hqx
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown, Refused
from workers.gate.settings import SLOT, ModbusSettings

_WORD = 0x10000


class ModbusChannel:
    """Writes to one PLC."""

    name = "modbus"
    moves = False

    def __init__(self, settings: ModbusSettings, lanes: Mapping[str, int]) -> None:
        self._settings, self._lanes = settings, lanes
        self._beats = 0
        self._client: Any = ModbusTcpClient(
            settings.host or "", port=settings.port, timeout=settings.timeout_s, retries=0
        )

    def open(self) -> None:
        """Connect. Raises ChannelDown."""
        if not self._client.connect():
            at = f"{self._settings.host}:{self._settings.port}"
            raise ChannelDown(f"no Modbus server at {at} (gate.modbus.host, gate.modbus.port)")

    def send(self, answer: Answer) -> None:
        """Write its slot. Raises ChannelDown, Refused."""
        slots = self._settings.slots
        slot = self._lanes[answer.camera] * slots + answer.key.number % slots
        self._write(SLOT + slot * SLOT, registers(answer))

    def beat(self, *, ready: bool) -> None:
        """Count up. Raises ChannelDown."""
        self._beats = (self._beats + 1) % _WORD
        self._write(0, [self._beats, int(ready)])

    def close(self) -> None:
        """Say that nothing is ready any more, and disconnect."""
        with suppress(ChannelDown):
            if self._client.connected:
                self.beat(ready=False)
        self._client.close()

    def _write(self, offset: int, values: list[int]) -> None:
        address, unit = self._settings.first_register + offset, self._settings.unit
        try:
            answer = self._client.write_registers(address, values, device_id=unit)
        except ModbusException as error:
            raise ChannelDown(f"Modbus: {error}") from None
        if answer.isError():
            raise Refused(
                f"the PLC refuses {len(values)} registers from {address}: {answer} "
                "(gate.modbus.first_register, gate.modbus.slots, gate.modbus.unit)"
            )


def registers(answer: Answer) -> list[int]:
    """An answer as eight words."""
    high, low = divmod(answer.key.number % (_WORD * _WORD), _WORD)
    start = crc_hqx(answer.key.start.encode(), 0)
    latency = min(_WORD - 1, round(answer.latency_s * 1000))
    return [answer.decision.code, int(answer.reject), high, low, start, latency, answer.late, 0]
