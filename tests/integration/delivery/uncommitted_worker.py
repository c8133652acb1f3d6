"""`stream-inspector worker` that stays between its sends and their commit."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from workers.cli import main
from workers.runtime.bus.kafka import delivery as kafka_delivery
from workers.runtime.bus.kafka.faults import BoundedProducer


class Lingering(BoundedProducer):
    """The transactional producer of the product, for ever before its positions."""

    def send_offsets_to_transaction(self, offsets: Mapping[Any, Any], group_metadata: Any) -> None:
        sys.stderr.write("sent, not committed\n")
        time.sleep(60)
        super().send_offsets_to_transaction(offsets, group_metadata)


if __name__ == "__main__":
    kafka_delivery.BoundedProducer = Lingering  # type: ignore[misc]
    main()
