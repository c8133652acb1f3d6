"""Where a reader begins when its group has no position: by its own memory, or by time."""

from collections.abc import Mapping
from typing import Any

import structlog
from kafka import errors

from workers.runtime.bus.ports import Start

_log = structlog.get_logger(__name__)


def seek_to_start(client: Any, starts: Mapping[Any, Start]) -> Mapping[Any, int]:
    """Go to the remembered offset or the first record of the time, whichever comes first.

    A topic that was made anew has newer records below the remembered offset. Where the broker
    does not find records by time, reading begins with the oldest record, or what is remembered.
    Returns where the partitions end, as far as the broker tells.
    """
    client.seek_to_beginning(*starts)
    found: Mapping[Any, Any] = {}
    ends: Mapping[Any, int] = {}
    try:
        found = client.offsets_for_times({tp: start.since_ms for tp, start in starts.items()})
        ends = client.end_offsets(list(starts))
    except errors.KafkaError as error:
        _log.warning("records are not found by time", reason=str(error))
    for tp, start in starts.items():
        if start.offset is not None and start.offset > ends.get(tp, start.offset):
            continue  # the topic was made anew: all of it is news
        later = found.get(tp)
        by_time = later.offset if later is not None and later.offset >= 0 else ends.get(tp)
        offsets = [each for each in (start.offset, by_time) if each is not None]
        if offsets:
            client.seek(tp, min(offsets))
    return ends
