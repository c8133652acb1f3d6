"""Publications are counted by what came of them."""

import pytest

from schemas.documents import samples
from workers.runtime.bus.delivery import AtLeastOnce
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.errors import BusUnavailable
from workers.runtime.settling.measured import Measured
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics

P = Partition("frames", 0)


def test_committed_and_aborted_are_told_apart() -> None:
    broker, metrics, committed = MemoryBroker(), InspectorMetrics(), []
    delivery = Measured(AtLeastOnce(broker.producer(), committed.append), metrics)
    message = Outgoing("outcomes", samples.OUTCOME.encode())
    delivery.settle([message], {P: 1}, delivery.generation())
    delivery.settle([message], {P: 2}, delivery.generation())
    broker.available = False
    with pytest.raises(BusUnavailable):
        delivery.settle([message], {P: 3}, None)
    value = metrics.registry.get_sample_value
    assert value("inspector_transactions_total", {"result": "committed"}) == 2
    assert value("inspector_transactions_total", {"result": "aborted"}) == 1
    assert value("inspector_transaction_seconds_count") == 3
    assert committed == [{P: 1}, {P: 2}]


def test_it_promises_what_the_delivery_promises() -> None:
    delivery = AtLeastOnce(MemoryBroker().producer(), lambda positions: None)
    measured = Measured(delivery, InspectorMetrics())
    assert measured.guarantee == delivery.guarantee
    assert measured.commits is delivery.commits
