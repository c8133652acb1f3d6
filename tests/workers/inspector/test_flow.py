"""Bytes in flight, leases and pending commits."""

from workers.inspector.flow import InFlight, Leases, PendingCommits
from workers.runtime.bus.ports import Partition

P, Q = Partition("frames", 0), Partition("frames", 1)


def test_reading_pauses_at_the_limit_and_resumes_at_half() -> None:
    in_flight = InFlight(100)
    in_flight.add(99)
    assert not in_flight.full
    in_flight.add(1)
    assert in_flight.full
    in_flight.free(49)
    assert in_flight.full
    in_flight.free(1)
    assert not in_flight.full
    assert in_flight.bytes == 50


def test_a_lease_is_announced_before_it_can_be_seen() -> None:
    leases, seen = Leases(), []
    leases.open([P], lambda opened: seen.append((opened[P], leases.of(P))))
    assert seen == [(leases.of(P), None)]


def test_a_new_assignment_is_a_new_lease() -> None:
    leases = Leases()
    leases.open([P, Q], lambda opened: None)
    first = leases.of(P)
    leases.close([P], until=10.0)
    assert leases.of(P) is None
    leases.open([P], lambda opened: None)
    assert leases.of(P) not in (None, first, leases.of(Q))


def test_work_counts_until_its_lease_has_left() -> None:
    leases = Leases()
    leases.open([P], lambda opened: None)
    lease = leases.of(P)
    assert lease is not None
    assert leases.alive(P, lease, now=0.0)
    assert not leases.alive(P, lease + 1, now=0.0)
    leases.close([P], until=10.0)
    assert leases.alive(P, lease, now=9.9)
    assert not leases.alive(P, lease, now=10.0)


def test_positions_only_move_forward() -> None:
    commits = PendingCommits()
    commits.put({P: 5})
    commits.put({P: 3, Q: 1})
    assert commits.peek([P]) == {P: 5}
    commits.forget([Q])
    assert commits.take() == {P: 5}
    assert commits.take() == {}
