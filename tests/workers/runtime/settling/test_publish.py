"""Publication: repeated while the broker is away, made smaller when it must be."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.envelope import WireMessage
from workers.inspector.counting import counted
from workers.runtime.bus.ports import Outgoing, Partition, Positions, Record
from workers.runtime.errors import BusUnavailable, MembershipLost, MessageTooLarge, SettingsError
from workers.runtime.settling.flow import InFlight, Leases
from workers.runtime.settling.publish import Assigned, Delivered, Finished, Publisher, Withdrawn
from workers.runtime.settling.results import Result, Ticket
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics

P = Partition("frames", 0)


class Delivery:
    """Records what is settled; raises what it is told to first."""

    guarantee = "test"
    commits = True

    def __init__(self, *errors: Exception, limit: int = 10**6):
        self.errors, self.limit, self.refused = list(errors), limit, 0
        self.settled: list[tuple[list[bytes], dict[Partition, int]]] = []

    def generation(self) -> int:
        return 7

    def settle(
        self, messages: Iterable[Outgoing], positions: Positions, generation: object | None
    ) -> None:
        assert generation == 7
        values = [message.message.value for message in messages]
        if self.errors:
            raise self.errors.pop(0)
        if max(map(len, values)) > self.limit:
            self.refused += 1
            raise MessageTooLarge("too large")
        self.settled.append((values, dict(positions)))

    def close(self) -> None:
        """Nothing to close."""


def ticket(offset: int) -> Ticket:
    record = Record(P, offset, b"k", b"v", (), 0)
    return Ticket(record, 1, datetime.now(UTC), 10)


def outgoing(value: bytes) -> Outgoing:
    return Outgoing("outcomes", WireMessage(b"k", value, ()))


def result(value: bytes = b"x", small: bytes | None = None) -> Result:
    smaller = None if small is None else lambda: result(small)
    return Result((outgoing(value),), "pass", "bolts", smaller=smaller)


@contextmanager
def running(
    delivery: Delivery, in_flight: InFlight | None = None, leases: Leases | None = None
) -> Iterator[Publisher]:
    leases = leases or Leases()
    publisher = Publisher(leases, in_flight or InFlight(100), counted(InspectorMetrics()))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            publisher.run(delivery)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    leases.open([P], lambda opened: publisher.put(Assigned(opened)))
    yield publisher
    publisher.stop()
    thread.join(5)
    if errors:
        raise errors[0]


def test_what_is_finished_is_published_and_its_bytes_are_freed() -> None:
    delivery, in_flight = Delivery(), InFlight(100)
    in_flight.add(P, 20)
    with running(delivery, in_flight) as publisher:
        publisher.put(Delivered((ticket(0), ticket(1))))
        publisher.put(Finished(ticket(0), result(b"a")))
        publisher.put(Finished(ticket(1), result(b"b")))
    assert [value for values, _ in delivery.settled for value in values] == [b"a", b"b"]
    assert delivery.settled[-1][1] == {P: 2}
    assert in_flight.bytes == 0


@pytest.mark.slow
def test_it_repeats_while_the_broker_is_away() -> None:
    delivery = Delivery(BusUnavailable("away"), BusUnavailable("still away"))
    with running(delivery) as publisher:
        publisher.put(Delivered((ticket(0),)))
        publisher.put(Finished(ticket(0), result(b"a")))
    assert delivery.settled == [([b"a"], {P: 1})]


def test_a_rebalance_repeats_what_is_still_ours() -> None:
    delivery = Delivery(MembershipLost("a new generation"))
    with running(delivery) as publisher:
        publisher.put(Delivered((ticket(0),)))
        publisher.put(Finished(ticket(0), result(b"a")))
    assert delivery.settled == [([b"a"], {P: 1})]


def test_partitions_that_moved_are_left_to_their_new_owner() -> None:
    leases, in_flight = Leases(), InFlight(100)

    class Moves(Delivery):
        def generation(self) -> int:
            leases.close([P], time.monotonic())
            return 7

    delivery = Moves()
    in_flight.add(P, 10)
    with running(delivery, in_flight, leases) as publisher:
        publisher.put(Delivered((ticket(0),)))
        publisher.put(Finished(ticket(0), result(b"a")))
    assert delivery.settled == []
    assert in_flight.bytes == 0


def test_only_the_dead_letter_that_is_too_large_loses_its_bytes() -> None:
    delivery = Delivery(limit=10_000)
    with running(delivery) as publisher:
        publisher.put(Delivered((ticket(0), ticket(1))))
        publisher.put(Finished(ticket(1), result(b"y" * 50, small=b"small y")))
        publisher.put(Finished(ticket(0), result(b"z" * 50_000, small=b"small z")))
    assert [v for values, _ in delivery.settled for v in values] == [b"small z", b"y" * 50]


def test_what_was_refused_once_is_cut_before_it_is_sent_again() -> None:
    delivery = Delivery(limit=10_000)
    with running(delivery) as publisher:
        publisher.put(Delivered(tuple(ticket(n) for n in range(40))))
        for n in reversed(range(40)):  # the first one last: all leave together
            publisher.put(Finished(ticket(n), result(b"z" * (50_000 + n), small=b"small")))
    assert [v for values, _ in delivery.settled for v in values] == [b"small"] * 40
    assert delivery.refused < 5


def test_it_is_cut_in_steps_down_to_what_fits() -> None:
    delivery = Delivery(limit=3_000)
    steps = result(b"a" * 90_000)
    steps = replace(steps, smaller=lambda: result(b"b" * 9_000, small=b"c" * 900))
    with running(delivery) as publisher:
        publisher.put(Delivered((ticket(0),)))
        publisher.put(Finished(ticket(0), steps))
    assert delivery.settled == [([b"c" * 900], {P: 1})]


def test_an_outcome_that_is_too_large_ends_the_process() -> None:
    with (
        pytest.raises(SettingsError, match=r"max\.message\.bytes"),
        running(Delivery(limit=1)) as p,
    ):
        p.put(Delivered((ticket(0),)))
        p.put(Finished(ticket(0), result(b"zz")))


def test_lost_partitions_publish_nothing_more_and_free_their_bytes() -> None:
    delivery, in_flight = Delivery(), InFlight(100)
    in_flight.add(P, 10)
    with running(delivery, in_flight) as publisher:
        publisher.put(Delivered((ticket(0),)))
        publisher.put(Withdrawn(frozenset({P}), 0.0))
        publisher.put(Delivered(()))
        while publisher.in_work():
            pass
        publisher.put(Finished(ticket(0), result(b"late")))
    assert delivery.settled == []
    assert in_flight.bytes == 0
