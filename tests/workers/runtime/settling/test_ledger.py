"""Any order of completion: published in order, each once, positions contiguous."""

from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.bus.ports import Partition
from workers.runtime.settling.ledger import Ledger, Run

P, Q = Partition("frames", 0), Partition("frames", 1)


def ledger(*offsets: int, partition: Partition = P) -> Ledger[str]:
    found: Ledger[str] = Ledger()
    found.open(partition, 1)
    for offset in offsets:
        assert found.deliver(partition, 1, offset, 10)
    return found


def test_a_run_waits_for_the_records_before_it() -> None:
    book = ledger(0, 1, 2)
    book.finish(P, 1, 1, "b")
    book.finish(P, 1, 2, "c")
    assert book.take(10) == []
    book.finish(P, 1, 0, "a")
    assert book.take(10) == [Run(P, 1, ("a", "b", "c"), 3, 30)]


def test_gaps_in_the_offsets_do_not_hold_a_run_up() -> None:
    book = ledger(3, 7)  # between them markers or compacted records
    book.finish(P, 1, 3, "a")
    book.finish(P, 1, 7, "b")
    assert book.take(10) == [Run(P, 1, ("a", "b"), 8, 20)]


def test_the_first_outcome_wins() -> None:
    book = ledger(0)
    assert book.finish(P, 1, 0, "first")
    assert not book.finish(P, 1, 0, "late")
    assert book.take(10) == [Run(P, 1, ("first",), 1, 10)]
    assert not book.finish(P, 1, 0, "much later")


def test_one_partition_does_not_hold_up_another() -> None:
    book = ledger(0)
    book.open(Q, 2)
    book.deliver(Q, 2, 5, 10)
    book.finish(Q, 2, 5, "q")
    assert book.take(10) == [Run(Q, 2, ("q",), 6, 10)]


def test_work_of_an_earlier_lease_is_dropped() -> None:
    book = ledger(0, 1)
    assert book.open(P, 2) == 20
    assert not book.finish(P, 1, 0, "old")
    assert not book.deliver(P, 1, 2, 10)
    assert book.deliver(P, 2, 0, 10)


def test_dropped_partitions_free_their_bytes_and_take_nothing_more() -> None:
    book = ledger(0, 1)
    assert (book.drop(P), book.drop(Q)) == (20, 0)
    assert not book.deliver(P, 1, 2, 10)
    assert book.in_work() == 0


def test_a_run_is_limited_and_goes_on() -> None:
    book = ledger(*range(5))
    for offset in range(5):
        book.finish(P, 1, offset, str(offset))
    assert book.take(3) == [Run(P, 1, ("0", "1", "2"), 3, 30)]
    assert book.take(3) == [Run(P, 1, ("3", "4"), 5, 20)]


@given(st.data())
def test_any_order_of_completion(data: st.DataObject) -> None:
    offsets = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1, max_size=30)))
    order = data.draw(st.permutations(offsets))
    limit = data.draw(st.integers(1, 5))
    book, published, last = ledger(*offsets), [], 0
    for done, offset in enumerate(order, 1):
        book.finish(P, 1, offset, str(offset))
        for run in book.take(limit):
            published += [int(result) for result in run.results]
            assert len(run.results) <= limit
            assert run.position == published[-1] + 1
            assert published[-1] + 1 > last
            last = published[-1] + 1
        finished = set(order[:done])
        assert set(published) <= finished
    while runs := book.take(limit):
        published += [int(result) for run in runs for result in run.results]
    assert published == offsets
    assert book.in_work() == 0
