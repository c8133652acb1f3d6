"""A topic read once from its beginning to its end, outside any group."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime

from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.bus.ports import Gap, Record
from workers.runtime.settings.process import KafkaSettings
from workers.runtime.watchdog import Pulse, Watchdog

_CLIENT = "stream-inspector-dlq"
_POLL_S = 0.2


def read_topic(
    kafka: KafkaSettings,
    topic: str,
    tell: Callable[[Gap], None] | None = None,
    since: datetime | None = None,
) -> Iterator[Record]:
    """Every committed record that the topic holds now. A topic that does not exist holds none.

    `since`: those that the broker has had since then.
    `tell` hears of records that cannot be unpacked. A client that hangs ends the process with 75.
    Raises ServerUnreachable or BusUnavailable: a partial answer is never given as a whole one.
    """
    pulse = Pulse()
    with (
        contextlib.closing(KafkaReader(kafka, topic, _CLIENT, since, pulse)) as reader,
        Watchdog(pulse, kafka.hung_after_s),
    ):
        while reader.partitions:
            records = reader.poll(_POLL_S)
            for gap in reader.gaps():
                if tell is not None:
                    tell(gap)
            yield from records
            if reader.at_end():
                return
