"""The alarms topic."""

from collections.abc import Sequence

from schemas.alarm import Alarm
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.errors import MessageTooLarge, WorkerError


class TopicChannel:
    """Publishes."""

    name = "topic"
    digests = False
    at_a_time = 100

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    def send(self, alarms: Sequence[Alarm]) -> None:
        """Publish and wait for the broker."""
        try:
            self._producer.publish([Outgoing(self._topic, alarm.encode()) for alarm in alarms])
        except MessageTooLarge as error:
            raise Refused(f"topic {self._topic}: {error}") from error
        except WorkerError as error:
            raise DeliveryFailed(f"topic {self._topic}: {error}") from error
