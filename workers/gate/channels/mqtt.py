"""Answers as MQTT messages: JSON, at least once, in order; the broker tells of a gate that died."""

from collections.abc import Mapping
from contextlib import suppress

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown
from workers.gate.channels.placing import placed
from workers.gate.settings import MqttSettings
from workers.runtime.settings.base import read_secret

_GONE = "gone"


class MqttChannel:
    """Publishes to one broker."""

    name = "mqtt"
    moves = False

    def __init__(self, settings: MqttSettings, lanes: Mapping[str, int]) -> None:
        """Raises SettingsError for a password or certificate that cannot be read."""
        self._settings, self._lanes = settings, lanes
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, reconnect_on_failure=False
        )
        self._client.connect_timeout = settings.timeout_s
        self._client.will_set(settings.status_topic, _GONE, qos=1, retain=True)
        if settings.username:
            password = read_secret(settings.password, settings.password_file, "gate.mqtt.password")
            self._client.username_pw_set(settings.username, password)
        if settings.use_tls:
            self._client.tls_set_context(settings.tls.context("gate.mqtt.tls"))

    def open(self) -> None:
        """Connect. Raises ChannelDown."""
        at = f"{self._settings.host}:{self._settings.port} (gate.mqtt.host, gate.mqtt.port)"
        try:
            self._client.connect(self._settings.host or "", self._settings.port, keepalive=5)
        except (OSError, ValueError) as error:
            raise ChannelDown(f"no MQTT broker at {at}: {error}") from None
        self._client.loop_start()

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
