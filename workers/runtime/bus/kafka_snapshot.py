"""A topic read once from its beginning to its end, outside any group."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.runtime.bus.kafka_client import client_options, connect
from workers.runtime.bus.kafka_consumer import _record
from workers.runtime.bus.kafka_errors import translated
from workers.runtime.bus.ports import Record
from workers.runtime.errors import BusUnavailable
from workers.runtime.settings import KafkaSettings

_POLL_MS = 200
_QUIET_S = 1.0  # an open transaction keeps the last records back: do not wait for its end


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[Record]:
    """Every committed record that the topic holds now. A topic that does not exist holds none.

    Raises ServerUnreachable or BusUnavailable: a partial answer is never given as a whole one.
    """
    options = client_options(kafka, "stream-inspector-dlq") | {
        "group_id": None,
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": 50,
    }
    client = connect(kafka, lambda ms: KafkaConsumer(**options, bootstrap_timeout_ms=ms))
    try:
        with translated():
            partitions = sorted(client.partitions_for_topic(topic) or ())
            at = [TopicPartition(topic, index) for index in partitions]
            if not at:
                return
            client.assign(at)
            client.seek_to_beginning(*at)
            yield from _to_the_end(client, at, kafka.request_timeout_ms / 1000)
    finally:
        with contextlib.suppress(KafkaError):
            client.close()


def _to_the_end(client: Any, at: list[Any], patience_s: float) -> Iterator[Record]:
    ends = client.end_offsets(at)  # the embedded broker tells too little: the high water tells all
    heard = time.monotonic()
    while True:
        batches = client.poll(timeout_ms=_POLL_MS)
        for batch in batches.values():
            yield from map(_record, batch)
        quiet = time.monotonic() - heard
        if batches:
            heard = time.monotonic()
        elif all(client.position(tp) >= ends[tp] for tp in at):
            if quiet >= _QUIET_S or all(_at_high_water(client, tp) for tp in at):
                return
        elif quiet > patience_s:
            raise BusUnavailable(f"{at[0].topic} could not be read to its end in {quiet:.0f} s")


def _at_high_water(client: Any, tp: Any) -> bool:
    end = client.highwater(tp)
    return end is not None and client.position(tp) >= end
