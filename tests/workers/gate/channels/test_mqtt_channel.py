"""Answers reach a real MQTT broker, and the broker tells of a gate that died."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.workers.gate.parts import answer
from tests.workers.gate.plants import MqttPlant, free_port, until
from workers.gate.answers import Decision
from workers.gate.channels.channel import ChannelDown
from workers.gate.channels.mqtt import MqttChannel
from workers.gate.settings import MqttSettings
from workers.runtime.errors import SettingsError

pytestmark = pytest.mark.integration

LANES = {"line-1": 0}
STATUS = "stream-inspector/gate-status"


def channel(port: int) -> MqttChannel:
    return MqttChannel(MqttSettings(host="127.0.0.1", port=port, timeout_s=2), LANES)


def test_answers_are_published_in_order_with_all_that_is_known() -> None:
    with MqttPlant() as plant:
        wire = channel(plant.port)
        wire.open()
        for number in range(20):
            wire.send(answer(number, Decision.REJECT))
        until(lambda: len(plant.heard) >= 20)
        wire.close()
        said = [json.loads(text) for topic, text in plant.heard if topic != STATUS]
        assert {topic for topic, _ in plant.heard[:20]} == {"stream-inspector/gate/line-1"}
        assert [one["part"] for one in said] == list(range(20))
        assert said[0] == {
            "camera": "line-1",
            "part": 0,
            "start": "e1",
            "frame_id": "f-e1-0",
            "decision": "reject",
            "reject": True,
            "reason": "deadline",
            "late": False,
            "identity": None,
            "captured_at": "2030-01-01T00:00:00Z",
            "latency_ms": 120,
        }


def test_the_status_says_ready_not_ready_and_gone() -> None:
    with MqttPlant() as plant:
        wire = channel(plant.port)
        wire.open()
        wire.beat(ready=True)
        wire.beat(ready=False)
        wire.close()
        until(lambda: len(plant.heard) >= 3)
        assert plant.heard == [(STATUS, said) for said in ("ready", "not-ready", "gone")]


def test_the_broker_says_that_a_killed_gate_is_gone() -> None:
    code = (
        "import sys, time\n"
        "from workers.gate.channels.mqtt import MqttChannel\n"
        "from workers.gate.settings import MqttSettings\n"
        "wire = MqttChannel(MqttSettings(host='127.0.0.1', port=int(sys.argv[1])), {})\n"
        "wire.open(); wire.beat(ready=True); print('up', flush=True); time.sleep(60)\n"
    )
    with MqttPlant() as plant:
        command = [sys.executable, "-c", code, str(plant.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            os.kill(process.pid, signal.SIGKILL)
        until(lambda: (STATUS, "gone") in plant.heard)


def test_a_broker_that_is_away_is_named_with_its_settings() -> None:
    with pytest.raises(ChannelDown, match=r"127\.0\.0\.1:\d+ \(gate\.mqtt\.host"):
        channel(free_port()).open()


def test_a_broker_that_goes_away_is_noticed_and_used_when_it_is_back() -> None:
    with MqttPlant() as plant:
        wire = channel(plant.port)
        wire.open()
        wire.send(answer(0))
        plant.stop()
        with pytest.raises(ChannelDown):
            wire.send(answer(1))
        with pytest.raises(ChannelDown):
            wire.close()
            wire.open()
        plant.start()
        wire.open()
        wire.send(answer(1))
        wire.close()


def test_a_broker_that_does_not_let_us_in_says_so_and_names_the_settings() -> None:
    with MqttPlant(lets_in=False) as plant:
        wire = channel(plant.port)
        with pytest.raises(ChannelDown, match=r"let us in: .*gate\.mqtt\.username"):
            wire.open()
        wire.close()


@pytest.mark.parametrize("camera", ["line+1", "line#1"])
def test_a_topic_that_nothing_can_be_published_to_is_refused_at_the_start(camera: str) -> None:
    with pytest.raises(SettingsError, match=r"gate\.mqtt\.topic: .*\{lane\}"):
        MqttChannel(MqttSettings(host="mqtt"), {camera: 0})
    MqttChannel(MqttSettings(host="mqtt", topic="gate/{lane}"), {camera: 0})
