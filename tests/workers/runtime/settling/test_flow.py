"""Bytes in flight, leases and pending commits."""

from workers.runtime.bus.ports import Partition
from workers.runtime.settling.flow import InFlight, Leases, PendingCommits

P, Q = Partition("frames", 0), Partition("frames", 1)


def test_a_partition_may_hold_what_is_still_free_and_resumes_at_half_of_that() -> None:
    in_flight = InFlight(100)
    in_flight.add(P, 49)
    assert in_flight.full([P, Q]) == set()
    in_flight.add(P, 1)
    assert in_flight.full([P, Q]) == {P}  # Q may be read on
    in_flight.free(P, 16)
    assert in_flight.full([P, Q]) == {P}  # 34 held, 66 free
    in_flight.free(P, 1)
    assert in_flight.full([P, Q]) == set()
    assert in_flight.bytes == 33


def test_all_partitions_together_stay_below_the_limit() -> None:
    in_flight = InFlight(100)
    for _ in range(200):
        for partition in {P, Q} - in_flight.full([P, Q]):
            in_flight.add(partition, 1)
    assert 60 <= in_flight.bytes <= 68
    in_flight.add(P, 40)  # what was fetched before the pause
    assert in_flight.full([P, Q]) == {P, Q}


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
