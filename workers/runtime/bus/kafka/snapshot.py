"""A topic read once from its beginning to its end, outside any group."""

import contextlib
from collections.abc import Iterator

from workers.runtime.bus.kafka.reader import KafkaReader
from workers.runtime.bus.ports import Record
from workers.runtime.settings.process import KafkaSettings

_POLL_S = 0.2


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[Record]:
    """Every committed record that the topic holds now. A topic that does not exist holds none.

    Raises ServerUnreachable or BusUnavailable: a partial answer is never given as a whole one.
    """
    with contextlib.closing(KafkaReader(kafka, topic, "stream-inspector-dlq")) as reader:
        while reader.partitions:
            records = reader.poll(_POLL_S)
            yield from records
            if not records and reader.at_end():
                return
