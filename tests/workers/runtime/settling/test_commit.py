"""Commits survive a group that moves, and a broker that is away."""

from collections.abc import Iterator

import pytest

from workers.runtime.bus.ports import Partition, Positions
from workers.runtime.errors import BusUnavailable, Fatal, MembershipLost, WorkerError
from workers.runtime.settling.commit import Committer
from workers.runtime.settling.flow import Leases, PendingCommits

P, Q = Partition("frames", 0), Partition("frames", 1)


class Group:
    """A consumer whose commits fail as they are told to."""

    def __init__(self, *errors: WorkerError | None):
        self.errors: Iterator[WorkerError | None] = iter(errors)
        self.committed: dict[Partition, int] = {}

    def commit(self, positions: Positions) -> None:
        error = next(self.errors, None)
        if error is not None:
            raise error
        self.committed |= positions


class Nothing:
    """A publisher with nothing in work."""

    def in_work(self, partitions: object = None) -> int:
        return 0


def committer(*owned: Partition) -> tuple[Committer, PendingCommits, Leases]:
    pending, leases = PendingCommits(), Leases()
    leases.open(owned, lambda opened: None)
    return Committer(pending, leases, Nothing(), 0.0), pending, leases  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [MembershipLost("rebalancing"), BusUnavailable("away")])
def test_a_commit_that_fails_is_tried_again(error: WorkerError) -> None:
    commits, pending, _ = committer(P)
    group = Group(error)
    pending.put({P: 5})
    commits.commit(group, now=True)  # type: ignore[arg-type]
    assert (group.committed, commits.done()) == ({}, False)
    commits.commit(group, now=True)  # type: ignore[arg-type]
    assert (group.committed, commits.done()) == ({P: 5}, True)


def test_what_was_taken_away_in_the_rebalance_is_not_committed_later() -> None:
    commits, pending, leases = committer(P, Q)
    group = Group(MembershipLost("rebalancing"))
    pending.put({P: 5, Q: 7})
    original = group.commit

    def taken_away(positions: Positions) -> None:
        leases.close([P], 0.0)
        original(positions)

    group.commit = taken_away  # type: ignore[method-assign]
    commits.commit(group, now=True)  # type: ignore[arg-type]
    commits.commit(group, now=True)  # type: ignore[arg-type]
    assert group.committed == {Q: 7}


def test_a_refusal_for_good_ends_the_process() -> None:
    commits, pending, _ = committer(P)
    pending.put({P: 5})
    with pytest.raises(Fatal):
        commits.commit(Group(Fatal("denied")), now=True)  # type: ignore[arg-type]
