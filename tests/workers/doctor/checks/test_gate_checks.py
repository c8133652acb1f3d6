"""A gate's plant is asked whether it is there, and told nothing."""

import socket

import pytest

from workers.doctor.checks.gate import check_cameras, check_channels
from workers.doctor.needs import needs_of
from workers.gate.settings import GateProcessSettings, GateSettings


def gate(**given: object) -> GateSettings:
    return GateProcessSettings.load(None, {f"gate.{k}": v for k, v in given.items()}).gate


def test_a_gate_without_cameras_or_channels_answers_nobody() -> None:
    assert check_cameras(gate())[0].status == "failed"
    assert check_channels(gate())[0].status == "failed"


def test_what_it_answers_for_is_said() -> None:
    assert "each frame a part" in check_cameras(gate(cameras=["a"]))[0].says
    joined = gate(cameras=["a", "b"], **{"join.rule": "all", "join.station": "s"})
    assert check_cameras(joined)[0].says == "joins a, b into parts of s: all"


@pytest.mark.parametrize("channel", ["modbus", "mqtt", "opcua_client"])
def test_a_channel_is_reached_or_named(channel: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        at = {f"{channel}.host": "127.0.0.1", f"{channel}.port": port}
        if channel == "opcua_client":
            at = {
                "opcua_client.url": f"opc.tcp://127.0.0.1:{port}",
                "opcua_client.nodes": {"decision": "i=1"},
            }
        settings = gate(cameras=["a"], **at)
        assert check_channels(settings)[0].status == "ok"
    (found,) = check_channels(settings)
    assert (found.status, f"127.0.0.1:{port}" in found.says) == ("failed", True)


def test_a_program_is_looked_for() -> None:
    (found,) = check_channels(gate(cameras=["a"], **{"command.on_reject": ["no-such-program"]}))
    assert "no-such-program" in found.says


@pytest.mark.parametrize(
    ("parts", "topics"), [("frames", ["outcomes", "frames"]), ("outcomes", ["outcomes"])]
)
def test_it_reads_the_topics_that_tell_of_parts(parts: str, topics: list[str]) -> None:
    settings = GateProcessSettings.load(None, {"gate.cameras": ["a"], "gate.parts": parts})
    assert [need.key for need in needs_of(settings).topics] == topics
