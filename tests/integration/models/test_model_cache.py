"""The registry with a real Valkey beside it: copies that may vanish, and notices that arrive."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from safetensors.numpy import save

from stream_inspector.model.manifest import canonical, digest, version_of
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

pytestmark = pytest.mark.integration


@pytest.fixture
def valkey() -> Iterator[EmbeddedStore]:
    with EmbeddedStore() as server:
        yield server


def registry(valkey: EmbeddedStore, folder: Path, cache_bytes: int = 2**30) -> Registry:
    cache = connect_store(RedisSettings(url=valkey.url, timeout_s=1))
    return Registry(open_blobs(str(folder / "store")), cache, cache_bytes)


def test_a_large_version_travels_through_redis_and_survives_its_loss(
    valkey: EmbeddedStore, tmp_path: Path
) -> None:
    weights = {"w": np.arange(10_240_000, dtype=np.uint32).view(np.uint8)[:10_240_000]}  # 3 pieces
    told = {"sha256": digest(weights["w"].tobytes()), "dtype": "uint8", "shape": [10_240_000]}
    content = {"tensors": {"w": told}}
    version = version_of(content)  # Redis is believed because the name follows from the content
    manifest, tensors = canonical(content | {"version": version}), save(weights)
    registry(valkey, tmp_path).push(["bolts"], version, manifest, tensors)
    client = redis.Redis.from_url(valkey.url)
    assert len(client.keys(f"stream-inspector:model:{version}:tensors:*")) == 3
    assert all(0 < client.ttl(key) <= 7 * 24 * 3600 for key in client.keys("*"))
    (tmp_path / "store").rename(tmp_path / "away")
    assert registry(valkey, tmp_path).fetch(version) == (manifest, tensors)
    (tmp_path / "away").rename(tmp_path / "store")
    client.flushall()
    assert registry(valkey, tmp_path).fetch(version) == (manifest, tensors)
    assert len(client.keys(f"stream-inspector:model:{version}:*")) == 5  # it is there again
    valkey.stop()
    alone = Registry(open_blobs(str(tmp_path / "store")))
    assert alone.fetch(version) == (manifest, tensors)


def test_versions_give_way_within_the_bound(valkey: EmbeddedStore, tmp_path: Path) -> None:
    ours = registry(valkey, tmp_path, cache_bytes=3_000_000)
    for number in range(6):
        ours.push(["bolts"], f"v{number}", b"{}", bytes(1_000_000))
    used = sum(
        len(redis.Redis.from_url(valkey.url).get(key) or b"")
        for key in redis.Redis.from_url(valkey.url).keys("stream-inspector:model:*")
    )
    assert 1_000_000 <= used <= 3_000_000


def test_an_activation_is_heard_by_another_process_at_once(
    valkey: EmbeddedStore, tmp_path: Path
) -> None:
    theirs, ours = registry(valkey, tmp_path), registry(valkey, tmp_path)
    theirs.push(["bolts"], "v1", b"{}", b"1")
    theirs.push(["bolts"], "v2", b"{}", b"2")
    theirs.activate("bolts", "v1", by="anna", why="")
    assert ours.active("bolts") == "v1"
    changes = ours.changes()
    while changes.wait(0.05):
        pass
    threading.Timer(0.2, theirs.activate, ("bolts", "v2"), {"by": "ben", "why": ""}).start()
    start = time.monotonic()
    assert changes.wait(10)
    assert time.monotonic() - start < 5
    assert ours.active("bolts") == "v2"


def test_an_activation_without_redis_is_seen_when_the_pointer_has_expired(
    valkey: EmbeddedStore, tmp_path: Path
) -> None:
    ours = registry(valkey, tmp_path)
    for version in ("v1", "v2"):
        ours.push(["bolts"], version, b"{}", b"")
    ours.activate("bolts", "v1", by="anna", why="")
    Registry(open_blobs(str(tmp_path / "store"))).activate("bolts", "v2", by="ben", why="")
    assert ours.active("bolts") == "v1"  # the old pointer
    client = redis.Redis.from_url(valkey.url)
    assert 0 < client.ttl("stream-inspector:active:bolts") <= 60
    client.pexpire("stream-inspector:active:bolts", 1)
    time.sleep(0.05)
    assert ours.active("bolts") == "v2"
