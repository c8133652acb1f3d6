"""Answers reach the registers of a real Modbus server, each whole and in its slot."""

from collections.abc import Iterator

import pytest

from tests.workers.gate.parts import answer
from tests.workers.gate.plants import Plc, free_port
from workers.gate.answers import Decision
from workers.gate.channels.channel import ChannelDown, Refused
from workers.gate.channels.modbus import ModbusChannel
from workers.gate.settings import GateSettings, ModbusSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def plc() -> Iterator[Plc]:
    with Plc() as found:
        yield found


def channel(plc: Plc, **given: int) -> ModbusChannel:
    settings = ModbusSettings(host="127.0.0.1", port=plc.port, timeout_s=2, **given)
    return ModbusChannel(settings, {"line-0": 0, "line-1": 1})


def test_an_answer_is_one_request_into_the_slot_of_its_part(plc: Plc) -> None:
    wire = channel(plc, first_register=100, slots=4)
    wire.open()
    wire.send(answer(6, Decision.REJECT))
    wire.send(answer(70_001))
    wire.close()
    first, second = plc.answers(lane=1, slots=4, base=100)
    assert first[:4] == [2, 1, 0, 6]
    assert first[5:] == [120, 0, 0]
    assert second[:4] == [1, 0, 1, 70_001 - 65_536]
    at = [address for address, _ in plc.writes]
    assert at[:2] == [100 + 8 + 4 * 8 + 2 * 8, 100 + 8 + 4 * 8 + 1 * 8]


def test_starts_of_a_camera_tell_their_parts_apart(plc: Plc) -> None:
    wire = channel(plc)
    wire.open()
    one = answer(3)
    wire.send(one)
    wire.send(type(one)(**{**_fields(one), "key": one.key._replace(start="e2")}))
    first, second = plc.answers(lane=1)
    assert first[4] != second[4]


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}  # type: ignore[attr-defined]


def test_signs_of_life_count_up_and_an_orderly_end_says_not_ready(plc: Plc) -> None:
    wire = channel(plc)
    wire.open()
    wire.beat(ready=True)
    wire.beat(ready=False)
    wire.beat(ready=True)
    wire.close()
    assert plc.writes == [(0, [1, 1]), (0, [2, 0]), (0, [3, 1]), (0, [4, 0])]


def test_a_plc_that_is_away_is_named_with_its_settings() -> None:
    wire = ModbusChannel(ModbusSettings(host="127.0.0.1", port=free_port(), timeout_s=1), {})
    with pytest.raises(ChannelDown, match=r"127\.0\.0\.1:\d+ \(gate\.modbus\.host"):
        wire.open()


def test_a_plc_that_goes_away_is_noticed_and_answers_when_it_is_back(plc: Plc) -> None:
    wire = channel(plc)
    wire.open()
    wire.send(answer(0))
    plc.stop()
    with pytest.raises(ChannelDown):
        wire.send(answer(1))
    wire.close()
    plc.start()
    wire.open()
    wire.send(answer(1))
    wire.close()
    assert [values[3] for values in plc.answers(lane=1)] == [0, 1]


def test_registers_that_the_plc_does_not_have_are_named(plc: Plc) -> None:
    wire = channel(plc, first_register=5000)
    wire.open()
    with pytest.raises(Refused, match=r"from 5136: .*gate\.modbus\.first_register"):
        wire.send(answer(0))
    wire.close()


def test_more_cameras_than_there_are_registers_are_refused() -> None:
    modbus = ModbusSettings(host="plc", first_register=60_000, slots=100)
    with pytest.raises(ValueError, match="cameras need registers up to"):
        GateSettings(cameras=tuple(f"c-{n}" for n in range(10)), modbus=modbus)
