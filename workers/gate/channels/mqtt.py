"""Answers as MQTT messages: JSON, at least once, in order; the broker tells of a gate that died."""

import queue
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown
from workers.gate.channels.placing import placed
from workers.gate.settings import MqttSettings
from workers.runtime.errors import SettingsError
from workers.runtime.settings.base import read_secret

_GONE = "gone"
_OF_FILTERS = "+#\0"


class MqttChannel:
    """Publishes to one broker."""

    name = "mqtt"
    moves = False

    def __init__(self, settings: MqttSettings, lanes: Mapping[str, int]) -> None:
        """Raises SettingsError for a topic that cannot be, a secret that cannot be read."""
        self._settings, self._lanes = settings, lanes
        _check(settings.status_topic, "gate.mqtt.status_topic")
        for camera in lanes:
            _check(placed(settings.topic, camera, lanes), "gate.mqtt.topic")
        self._client = self._made()

    def open(self) -> None:
        """Connect, and be let in. Raises ChannelDown."""
        settings = self._settings
        at = f"{settings.host}:{settings.port}"
        said: queue.Queue[Any] = queue.Queue()
        self._client = self._made()  # a new one: what the old one did not send is ours to repeat
        self._client.on_connect = self._client.on_disconnect = lambda *told: said.put(told[3])
        try:
            self._client.connect(settings.host or "", settings.port, keepalive=5)
            self._client.loop_start()
            reason = said.get(timeout=settings.timeout_s)
        except (OSError, ValueError) as error:
            where = "gate.mqtt.host, gate.mqtt.port"
            raise ChannelDown(f"no MQTT broker at {at} ({where}): {error}") from None
        except queue.Empty:
            raise ChannelDown(f"{at} does not answer within {settings.timeout_s} s") from None
        if reason.is_failure:
            raise ChannelDown(
                f"the MQTT broker at {at} does not let us in: {reason} "
                "(gate.mqtt.username, gate.mqtt.password, gate.mqtt.client_id)"
            )

    def send(self, answer: Answer) -> None:
        """Publish, and wait until the broker has it. Raises ChannelDown."""
        topic = placed(self._settings.topic, answer.camera, self._lanes)
        self._publish(topic, answer.text(), retain=False)

    def beat(self, *, ready: bool) -> None:
        """Say how it stands. Raises ChannelDown."""
        said = "ready" if ready else "not-ready"
        self._publish(self._settings.status_topic, said, retain=True)

    def close(self) -> None:
        """Say that we are gone, and disconnect."""
        with suppress(ChannelDown):
            if self._client.is_connected():
                self._publish(self._settings.status_topic, _GONE, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _made(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, reconnect_on_failure=False
        )
        client.connect_timeout = settings.timeout_s
        client.will_set(settings.status_topic, _GONE, qos=1, retain=True)
        if settings.username:
            password = read_secret(settings.password, settings.password_file, "gate.mqtt.password")
            client.username_pw_set(settings.username, password)
        if settings.use_tls:
            client.tls_set_context(settings.tls.context("gate.mqtt.tls"))
        return client

    def _publish(self, topic: str, text: str, *, retain: bool) -> None:
        message = self._client.publish(topic, text, qos=1, retain=retain)
        try:
            message.wait_for_publish(self._settings.timeout_s)
        except (RuntimeError, ValueError) as error:
            raise ChannelDown(f"MQTT: {error}") from None
        if not message.is_published():
            raise ChannelDown(
                f"the MQTT broker does not answer within {self._settings.timeout_s} s"
            )


def _check(topic: str, setting: str) -> None:
    """Raises SettingsError."""
    if set(topic) & set(_OF_FILTERS):
        raise SettingsError(
            f"{setting}: {topic!r}: nothing can be published to a topic with + or #; "
            "{lane} stands for a camera whose name has one"
        )
