"""Lanes of a gate: its cameras, or the one station that joins them."""

from schemas.part import PartRef
from workers.gate.run import _joiner
from workers.gate.settings import GateProcessSettings, GateSettings


def gate(**given: object) -> GateSettings:
    return GateProcessSettings.load(None, {f"gate.{k}": v for k, v in given.items()}).gate


def test_each_camera_is_a_lane_unless_they_are_joined() -> None:
    alone = gate(cameras=["a", "b"])
    assert (alone.lanes, _joiner(alone)) == ({"a": 0, "b": 1}, None)
    joined = gate(cameras=["a", "b"], **{"join.rule": "worst", "join.station": "s"})
    assert joined.lanes == {"s": 0}
    assert _joiner(joined) is not None


def test_parts_of_a_station_need_room_for_one_lane() -> None:
    many = [f"c{number}" for number in range(100)]
    room = {"modbus.host": "plc", "modbus.slots": 1000}
    assert gate(cameras=many, **room, **{"join.rule": "all"}).lanes == {"station": 0}


def test_a_part_says_itself_in_few_words() -> None:
    part = PartRef(id="7", lot="L", view="top", attributes={"lot": "no", "cavity": "3"})
    assert part.said() == {"id": "7", "lot": "L", "view": "top", "cavity": "3"}
    assert part.without_view().view is None
