"""The store is the truth; the cache may vanish, lie or be away."""

from typing import Any

import pytest

from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry import Registry, UnknownVersion
from workers.runtime.store.memory import MemoryBlobs, MemoryStore


class Stores:
    def __init__(self) -> None:
        self.blobs, self.cache = MemoryBlobs(), MemoryStore()
        self.registry = Registry(self.blobs, self.cache)

    def push(self, version: str, tensors: bytes = b"weights") -> None:
        self.registry.push(["bolts"], version, b"manifest of " + version.encode(), tensors)

    def activate(self, version: str) -> int:
        return self.registry.activate("bolts", version, by="anna", why="test")


@pytest.fixture
def stores() -> Stores:
    return Stores()


def test_activations_are_numbered_and_kept(stores: Stores) -> None:
    stores.push("v1")
    stores.push("v2")
    assert [stores.activate("v1"), stores.activate("v2"), stores.activate("v1")] == [1, 2, 3]
    assert [(a.number, a.version, a.by) for a in stores.registry.history("bolts")] == [
        (1, "v1", "anna"),
        (2, "v2", "anna"),
        (3, "v1", "anna"),
    ]
    assert stores.registry.active("bolts") == "v1"
    assert stores.registry.versions("bolts") == ["v1", "v2"]


def test_nothing_is_active_at_first(stores: Stores) -> None:
    assert stores.registry.active("bolts") is None


def test_only_a_pushed_version_can_be_activated(stores: Stores) -> None:
    stores.push("v1")
    with pytest.raises(UnknownVersion, match="pushed: v1"):
        stores.activate("v2")


def test_two_activations_at_once_take_two_numbers(stores: Stores) -> None:
    stores.push("v1")

    class Slow(MemoryBlobs):
        """Somebody else takes the number between our look and our write."""

        def create(self, name: str, data: bytes) -> bool:
            if name.endswith("00000001.json"):
                stores.activate("v1")
            return super().create(name, data)

    slow = Slow()
    slow._blobs = stores.blobs._blobs
    assert Registry(slow).activate("bolts", "v1", by="ben", why="race") == 2


def test_a_flushed_cache_costs_a_reload_and_is_filled_again(stores: Stores) -> None:
    stores.push("v1", b"w" * 100)
    stores.activate("v1")
    stores.cache.flush()
    assert stores.registry.active("bolts") == "v1"
    assert stores.registry.fetch("v1") == (b"manifest of v1", b"w" * 100)
    stores.blobs.available = False  # from the cache now
    assert stores.registry.active("bolts") == "v1"
    assert stores.registry.fetch("v1") == (b"manifest of v1", b"w" * 100)


def test_a_cache_that_is_away_is_done_without(stores: Stores) -> None:
    stores.cache.available = False
    stores.push("v1")
    stores.activate("v1")
    assert stores.registry.active("bolts") == "v1"
    assert stores.registry.fetch("v1")[1] == b"weights"


@pytest.mark.parametrize("value", [b"rubbish", b"{}", b'{"manifest": 1}'])
def test_a_broken_cache_index_is_not_believed(stores: Stores, value: bytes) -> None:
    stores.push("v1")
    stores.cache.put("stream-inspector:model:v1:index", value)
    assert stores.registry.fetch("v1")[1] == b"weights"


@pytest.mark.parametrize("part", ["manifest", "tensors"])
def test_a_changed_or_missing_chunk_is_not_believed(stores: Stores, part: str) -> None:
    stores.push("v1")
    key = f"stream-inspector:model:v1:{part}:0"
    stores.cache.put(key, b"weightz")
    assert stores.registry.fetch("v1") == (b"manifest of v1", b"weights")
    stores.cache.delete(key)
    assert stores.registry.fetch("v1") == (b"manifest of v1", b"weights")


def test_large_tensors_are_cached_in_chunks(stores: Stores) -> None:
    large = bytes(9 * 2**20)
    stores.push("v1", large)
    stores.blobs.available = False
    assert stores.registry.fetch("v1")[1] == large
    assert stores.cache.get("stream-inspector:model:v1:tensors:2") is not None


def test_a_version_that_nobody_pushed(stores: Stores) -> None:
    with pytest.raises(UnknownVersion, match="no version v9"):
        stores.registry.fetch("v9")


def test_both_stores_away(stores: Stores) -> None:
    stores.cache.available = stores.blobs.available = False
    with pytest.raises(StoreUnavailable):
        stores.registry.active("bolts")


def test_a_half_written_activation_is_read_again_later(stores: Stores) -> None:
    stores.blobs.write("categories/bolts/activations/00000001.json", b'{"number":')
    with pytest.raises(StoreUnavailable, match=r"00000001\.json"):
        stores.registry.active("bolts")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b"])
def test_names_that_would_leave_the_store(stores: Stores, name: str) -> None:
    calls: list[Any] = [
        lambda: stores.registry.push([name], "v1", b"", b""),
        lambda: stores.registry.push(["bolts"], name, b"", b""),
        lambda: stores.registry.fetch(name),
        lambda: stores.registry.versions(name),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="use letters"):
            call()


def test_an_activation_wakes_those_who_wait_for_changes(stores: Stores) -> None:
    stores.push("v1")
    changes = stores.registry.changes()
    assert not changes.wait(0)
    stores.activate("v1")
    assert changes.wait(0)
    assert not changes.wait(0)  # told once


def test_without_a_cache_changes_only_wait(stores: Stores) -> None:
    changes = Registry(stores.blobs).changes()
    stores.push("v1")
    stores.activate("v1")
    assert not changes.wait(0)
