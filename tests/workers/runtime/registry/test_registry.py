"""The store is the truth; the cache may vanish, lie or be away."""

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from stream_inspector.model.manifest import canonical, digest, version_of
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.registry import (
    CorruptVersion,
    Registry,
    Superseded,
    UnknownVersion,
)
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


def content(seed: int, size: int = 100) -> tuple[str, bytes, bytes]:
    """Version, manifest and tensors that prove each other."""
    weights = {"w": np.full(size, seed, np.uint8)}
    sha256, shape = digest(weights["w"].tobytes()), [size]
    manifest = {"tensors": {"w": {"sha256": sha256, "dtype": "uint8", "shape": shape}}}
    version = version_of(manifest)
    return version, canonical(manifest | {"version": version}), save(weights)


def test_a_flushed_cache_costs_a_reload_and_is_filled_again(stores: Stores) -> None:
    version, *files = content(1)
    stores.registry.push(["bolts"], version, *files)
    stores.activate(version)
    stores.cache.flush()
    assert stores.registry.active("bolts") == version
    assert stores.registry.fetch(version) == tuple(files)
    stores.blobs.available = False  # from the cache now
    assert stores.registry.active("bolts") == version
    assert stores.registry.fetch(version) == tuple(files)


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
    version, *files = content(1, 9 * 2**20)
    stores.registry.push(["bolts"], version, *files)
    stores.blobs.available = False
    assert stores.registry.fetch(version) == tuple(files)
    assert stores.cache.get(f"stream-inspector:model:{version}:tensors:2") is not None


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


def test_an_activation_after_a_look_that_is_out_of_date_changes_nothing(stores: Stores) -> None:
    stores.push("v1")
    stores.push("v2")
    stores.activate("v1")
    with pytest.raises(Superseded, match=r"anna made version v1 active .*--expect 1"):
        stores.registry.activate("bolts", "v2", by="ben", why="", expect=0)
    assert [entry.version for entry in stores.registry.history("bolts")] == ["v1"]
    assert stores.registry.activate("bolts", "v2", by="ben", why="", expect=1) == 2
    stores.registry.push(["nuts"], "v1", b"manifest of v1", b"weights")
    with pytest.raises(Superseded, match="nothing is active"):
        stores.registry.activate("nuts", "v1", by="ben", why="", expect=3)


def test_our_own_record_is_recognised_when_a_client_wrote_it_twice(stores: Stores) -> None:
    """S3 clients repeat a write whose answer was lost; the second one finds the name taken."""

    class Twice(MemoryBlobs):
        def create(self, name: str, data: bytes) -> bool:
            super().create(name, data)
            return super().create(name, data)

    registry = Registry(Twice())
    registry.push(["bolts"], "v1", b"", b"")
    assert registry.activate("bolts", "v1", by="anna", why="", expect=0) == 1
    assert len(registry.history("bolts")) == 1


@pytest.mark.parametrize("part", ["manifest.json", "tensors.safetensors"])
def test_bytes_of_the_store_that_changed_are_refused(stores: Stores, part: str) -> None:
    stores.push("v1")
    stores.cache.flush()
    stores.blobs.write(f"models/v1/{part}", b"weightz")
    with pytest.raises(CorruptVersion, match="v1 in the model store are not those"):
        stores.registry.fetch("v1")
    stores.push("v1")  # repairs it
    stores.cache.flush()
    assert stores.registry.fetch("v1")[1] == b"weights"


def test_pushing_again_does_not_disturb_those_who_read(stores: Stores) -> None:
    written: list[str] = []

    class Watched(MemoryBlobs):
        def write(self, name: str, data: bytes) -> str:
            written.append(name)
            return super().write(name, data)

    registry = Registry(Watched())
    for _ in range(2):
        registry.push(["bolts"], "v1", b"manifest", b"weights")
    assert written.count("models/v1/tensors.safetensors") == 1
    assert written.count("models/v1/digests.json") == 2  # it is young again


def test_a_version_never_changes(stores: Stores) -> None:
    stores.push("v1", b"weights")
    with pytest.raises(CorruptVersion, match="another content"):
        stores.push("v1", b"others")
    stores.cache.flush()
    assert stores.registry.fetch("v1")[1] == b"weights"


def test_a_manifest_that_names_another_version_is_not_believed(stores: Stores) -> None:
    ours, theirs = content(1), content(2)
    for each in (ours, theirs):
        stores.registry.push(["bolts"], *each)
    for key, value in list(stores.cache._values.items()):
        if f":{theirs[0]}:" in key:
            stores.cache.put(key.replace(theirs[0], ours[0]), value)
    assert stores.registry.fetch(ours[0]) == ours[1:]
    stores.registry.push(["bolts"], "v3", b'{"version": "v2"}', b"two")
    with pytest.raises(CorruptVersion):
        Registry(stores.blobs).fetch("v3")


def test_a_slow_reader_does_not_undo_what_an_activation_announced(stores: Stores) -> None:
    stores.push("v1")
    stores.push("v2")
    stores.activate("v1")
    stores.cache.flush()

    class Slow(MemoryStore):
        """An activation comes between our look into the store and our note of it."""

        def put(self, key: str, *words: Any, absent: bool = False, **more: Any) -> None:
            if absent:
                stores.activate("v2")
            super().put(key, *words, absent=absent, **more)

    slow = Slow()
    slow._values = stores.cache._values
    Registry(stores.blobs, slow).active("bolts")
    assert stores.registry.active("bolts") == "v2"


def test_the_older_of_two_activations_does_not_have_the_last_word(stores: Stores) -> None:
    stores.push("v1")
    stores.push("v2")

    class Late(MemoryStore):
        """Another operator activates v2 between our activation and our announcement."""

        def put(self, key: str, value: bytes, *words: Any, **more: Any) -> None:
            if "active" in key and value == b"v1" and len(stores.registry.history("bolts")) == 1:
                stores.activate("v2")
            super().put(key, value, *words, **more)

    late = Late()
    late._values = stores.cache._values
    Registry(stores.blobs, late).activate("bolts", "v1", by="ben", why="")
    assert stores.registry.active("bolts") == "v2"


def test_the_cache_is_bounded_and_the_longest_unused_version_goes_first(stores: Stores) -> None:
    models = [content(seed, 10_000) for seed in range(4)]
    registry = Registry(stores.blobs, stores.cache, cache_bytes=25_000)
    for each in models[:2]:
        registry.push(["bolts"], *each)
    registry.fetch(models[0][0])
    registry.push(["bolts"], *models[2])

    def cached() -> set[str]:
        return {key.split(":")[2] for key in stores.cache._values if ":model:" in key}

    assert cached() == {models[0][0], models[2][0]}
    large = content(9, 25_001)
    registry.push(["bolts"], *large)  # alone beyond the limit
    assert large[0] not in cached()
    assert registry.fetch(models[1][0]) == models[1][1:]  # from the store, into the cache again
    assert models[1][0] in cached()


def test_a_version_that_is_being_removed_cannot_be_activated_or_pushed(stores: Stores) -> None:
    stores.push("v1")
    stores.blobs.write("models/v1/collecting.json", b'{"by": "carl", "at": "today"}')
    for attempt in (lambda: stores.activate("v1"), lambda: stores.push("v1")):
        with pytest.raises(Superseded, match="removed since today by carl"):
            attempt()
    assert not stores.registry.history("bolts")
    assert not stores.blobs.names("models/v1/claims/")
