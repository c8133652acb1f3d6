"""Batches: full or old enough, one version each, and nobody starves."""

from hypothesis import given
from hypothesis import strategies as st

from workers.inspector.pipeline.batch import Batcher

VERSIONS = {"bolts": "v1", "nuts": "v2", "screws": "v3"}


def test_a_batch_leaves_when_it_is_full() -> None:
    batcher: Batcher[int] = Batcher(3, 1.0)
    for index in range(4):
        batcher.add("bolts", index, 0.0)
    batch = batcher.take(0.0, VERSIONS)
    assert batch is not None
    assert (batch.version, batch.items) == ("v1", (0, 1, 2))
    assert batcher.take(0.0, VERSIONS) is None


def test_a_batch_leaves_when_its_oldest_frame_is_old_enough() -> None:
    batcher: Batcher[int] = Batcher(8, 0.5)
    batcher.add("bolts", 1, 10.0)
    assert batcher.take(10.4, VERSIONS) is None
    assert batcher.wait_s(10.4, VERSIONS) == 10.5 - 10.4
    batch = batcher.take(10.5, VERSIONS)
    assert batch is not None
    assert batch.items == (1,)
    assert batcher.wait_s(10.5, VERSIONS) is None


def test_categories_with_one_model_share_a_batch_oldest_first() -> None:
    batcher: Batcher[str] = Batcher(3, 1.0)
    batcher.add("nuts", "n0", 0.0)
    batcher.add("bolts", "b1", 0.1)
    batcher.add("nuts", "n2", 0.2)
    batch = batcher.take(0.2, dict.fromkeys(VERSIONS, "unified"))
    assert batch is not None
    assert batch.items == ("n0", "b1", "n2")


def test_a_category_without_a_model_waits() -> None:
    batcher: Batcher[int] = Batcher(1, 0.0)
    batcher.add("bolts", 1, 0.0)
    assert batcher.take(5.0, {}) is None
    assert batcher.wait_s(5.0, {}) is None  # nothing will be due: nobody spins
    assert batcher.waiting() == {"bolts": 0.0}
    assert len(batcher) == 1
    assert batcher.take(5.0, VERSIONS) is not None


def test_a_rare_category_beside_a_flood_leaves_within_its_age_and_two_batches() -> None:
    batcher: Batcher[str] = Batcher(4, 1.0)
    for index in range(400):  # a backlog that is overdue all the time
        batcher.add("bolts", f"flood {index}", 0.0)
    batcher.add("nuts", "rare", 0.5)
    now, batches = 1.5, []
    while "rare" not in batches:
        batch = batcher.take(now, VERSIONS)
        assert batch is not None
        batches += list(batch.items[:1])
        now += 0.1
    assert len(batches) <= 2


arrivals = st.lists(st.tuples(st.sampled_from(sorted(VERSIONS)), st.floats(0, 0.2)), max_size=60)


@given(arrivals, st.integers(1, 8))
def test_every_frame_leaves_once_in_the_order_of_its_category(
    given_arrivals: list[tuple[str, float]], size: int
) -> None:
    batcher: Batcher[tuple[str, int]] = Batcher(size, 0.3)
    now, left = 0.0, []
    for number, (category, pause) in enumerate(given_arrivals):
        now += pause
        batcher.add(category, (category, number), now)
        if batch := batcher.take(now, VERSIONS):
            left += list(batch.items)
            assert len(batch.items) <= size
            assert {VERSIONS[name] for name, _ in batch.items} == {batch.version}
    while batch := batcher.take(now + 1.0, VERSIONS):
        left += list(batch.items)
    for category in VERSIONS:
        mine = [number for name, number in left if name == category]
        assert mine == [n for n, (name, _) in enumerate(given_arrivals) if name == category]
