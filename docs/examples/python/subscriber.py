"""Prints each defect event once, as a line of JSON, and its pictures when they are made.

    pip install "confluent-kafka>=2.11,<3"
    KAFKA=127.0.0.1:9092 python subscriber.py

Settings: KAFKA (host:port, comma separated), TOPIC, PICTURES (the topic of explanations; empty:
none is read), GROUP.
"""

import hashlib
import json
import os
import signal
import sys
from collections import OrderedDict
from types import FrameType

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

DEFECT = "io.stream-inspector.defect.v1"  # another major version is another type
EXPLANATION = "io.stream-inspector.explanation.v1"
REMEMBERED = 10_000  # events


class Subscriber:
    """Reads until a signal comes."""

    def __init__(self) -> None:
        self.stopping = False
        self.passed_over = 0  # records that are no events
        self.seen: OrderedDict[bytes, None] = OrderedDict()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End after the event in hand."""
        self.stopping = True

    def run(self, consumer: Consumer) -> None:
        """Tell every event, then commit the position after it."""
        while not self.stopping:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                self.complain(message.error())
            else:
                self.tell(message)
                consumer.commit(message, asynchronous=True)

    def complain(self, error: KafkaError) -> None:
        """The client tries again by itself, unless it says that it cannot."""
        if error.fatal():
            raise KafkaException(error)
        sys.stderr.write(f"{error}\n")

    def tell(self, message: Message) -> None:
        """Print an event that is new; read on past a foreign record: it must not stop the line."""
        try:
            identity, told = read(message)
        except Exception as error:  # other people's bytes may be anything
            self.passed_over += 1
            where = f"{message.topic()} {message.partition()} at {message.offset()}"
            sys.stderr.write(f"{where}: passed over ({self.passed_over}): {error!r}"[:500] + "\n")
        else:
            if self.is_new(identity):
                sys.stdout.write(told + "\n")
                sys.stdout.flush()

    def is_new(self, identity: bytes) -> bool:
        """Whether it was not seen lately: the same event may be delivered again."""
        if identity in self.seen:
            return False
        self.seen[identity] = None
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        return True


def read(message: Message) -> tuple[bytes, str]:
    """What an event is known by, and what to print of it.

    A camera may use a frame's id again: the frame counts too. Raises anything for a record that is
    no event.
    """
    headers = dict(message.headers() or ())
    kind, event_id = ((headers.get(name) or b"").decode() for name in ("ce_type", "ce_id"))
    if kind not in SUMMARIES or not event_id:
        raise ValueError(f"type {kind or 'none'}, expected {' or '.join(SUMMARIES)}")
    event = json.loads(message.value())
    identity = hashlib.sha256(json.dumps([kind, event_id, event["frame"]]).encode()).digest()
    return identity, json.dumps(SUMMARIES[kind](event_id, event), allow_nan=False)


def defect(event_id: str, event: dict) -> dict:
    """What this subscriber wants to know of a verdict, which is out before there are pictures."""
    return {
        "id": event_id,
        "camera": event["frame"]["camera_id"],
        "sequence": event["frame"]["sequence"],
        "score": event["image_score"],
        "threshold": event["image_threshold"],
        "boxes": [region["box"] for region in event["regions"]],
    }


def explanation(event_id: str, event: dict) -> dict:
    """The pictures of that verdict: the same id and frame; null where there are none, and why."""
    return {
        "id": event_id,
        "camera": event["frame"]["camera_id"],
        "sequence": event["frame"]["sequence"],
        "state": event["state"],
        "reason": event["reason"],
        "picture": event["evidence"]["outline"] or event["evidence"]["frame"],
        "counterpart": event["evidence"]["counterpart"],
    }


SUMMARIES = {DEFECT: defect, EXPLANATION: explanation}


def main() -> None:
    """Subscribe, and leave the group in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("KAFKA", "127.0.0.1:9092"),
            "group.id": os.environ.get("GROUP", "defect-subscriber"),
            # Committed records only: events of an aborted transaction were never published.
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,  # committed when an event is told
        }
    )
    topics = os.environ.get("TOPIC", "defects"), os.environ.get("PICTURES", "explanations")
    consumer.subscribe([topic for topic in topics if topic])
    try:
        Subscriber().run(consumer)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
