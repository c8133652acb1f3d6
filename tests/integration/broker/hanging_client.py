"""`stream-inspector ...` whose Kafka client stops coming back once the file $HANG_WHEN exists.

$HANG_HOW: `python`, where the client's own loops are, or `native`: in a library, where no signal
handler of Python runs. Neither takes the processor from other tests. $HANG_THREAD: only in the
thread of that name.
"""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from workers.cli import main


def hang() -> None:
    if os.environ["HANG_HOW"] == "native":
        signal.sigwait({signal.SIGURG})  # nobody sends it
    while True:
        time.sleep(0.05)


def hanging(call: Any) -> Any:
    def hangs(*args: Any, **options: Any) -> Any:
        here = threading.current_thread().name
        if Path(os.environ["HANG_WHEN"]).exists() and os.environ.get("HANG_THREAD", here) == here:
            hang()
        return call(*args, **options)

    return hangs


if __name__ == "__main__":
    KafkaConsumer.poll = hanging(KafkaConsumer.poll)
    KafkaProducer.flush = hanging(KafkaProducer.flush)
    main()
