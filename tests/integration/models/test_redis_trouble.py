"""A real Valkey that fails over, changes its password, comes late, or is written to by an enemy."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from safetensors.numpy import save
from structlog.testing import capture_logs

from stream_inspector.model.manifest import canonical, digest, version_of
from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.models.switchboard import TRUST_S, Switchboard
from workers.inspector.run import _cache, _problem
from workers.runtime.bus.ports import Partition
from workers.runtime.errors import AccessDenied, StoreUnavailable
from workers.runtime.registry.registry import Registry
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import MOST_BYTES
from workers.runtime.store.redis import RedisStore, connect_store

pytestmark = pytest.mark.integration

ACTIVE = "stream-inspector:active:bolts"


@pytest.fixture
def valkey() -> Iterator[EmbeddedStore]:
    with EmbeddedStore() as server:
        yield server


@pytest.fixture
def other() -> Iterator[EmbeddedStore]:
    with EmbeddedStore() as server:
        yield server


class ServerAt(EmbeddedStore):
    """At an address that was announced before."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._at = port

    def _command(self, port: int, folder: Path) -> list[str]:
        self.port = self._at
        return super()._command(self._at, folder)


def settings(server: EmbeddedStore, **more: object) -> RedisSettings:
    given = {"url": server.url, "timeout_s": 1, "connect_timeout_s": 1} | more
    return RedisSettings.model_validate(given)


def client(server: EmbeddedStore) -> redis.Redis:
    return redis.Redis(port=server.port)


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def demote(server: EmbeddedStore, primary: EmbeddedStore) -> None:
    """It follows another one from now on, as the old primary does after a failover."""
    client(server).execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
    until(lambda: client(server).info("replication")["master_link_status"] == "up")


# -- failover -----------------------------------------------------------------------------------


def test_a_server_that_became_a_replica_is_told_and_its_successor_found(
    valkey: EmbeddedStore, other: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(settings(valkey))
    crashes = CrashLog(store, "inspectors")
    notices = store.listen("stream-inspector:changes")
    assert _problem(store) is None
    demote(valkey, other)
    assert str(_problem(store)).startswith("read-only: it is a replica")
    store.ping()  # it answers all the same
    with capture_logs() as logs:
        crashes.open(Partition("frames", 0))
    assert ["would go unnoticed" in each["event"] for each in logs] == [True]
    with pytest.raises(StoreUnavailable, match="read-only"):
        store.increment("attempts:x", 5)
    # the name now leads to the new primary
    kwargs = store._client.connection_pool.connection_kwargs
    monkeypatch.setitem(kwargs, "port", other.port)
    for connection in store._client.connection_pool._available_connections:
        connection.port = other.port
    assert _problem(store) is None
    store.put("in-work:x", b"mark")  # at the first try
    assert client(other).get("in-work:x") == b"mark"
    notices.close()


def test_the_first_write_after_a_failover_is_not_lost(
    valkey: EmbeddedStore, other: EmbeddedStore
) -> None:
    """The connection is old, the server behind its address is new."""
    store = RedisStore(settings(valkey))
    store.put("x", b"1")
    demote(valkey, other)
    with pytest.raises(StoreUnavailable):
        store.put("x", b"2")
    client(valkey).execute_command("REPLICAOF", "NO", "ONE")
    store.put("x", b"2")
    assert store.get("x") == b"2"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"maxmemory": "1", "maxmemory-policy": "noeviction"}, "read-only: its memory is full"),
        ({"min-replicas-to-write": "3"}, "read-only: too few replicas"),
        ({"requirepass": "hush-hush"}, "asks for a login"),
    ],
)
def test_a_server_that_takes_no_writes_is_told(
    valkey: EmbeddedStore, config: dict[str, str], words: str
) -> None:
    store = RedisStore(settings(valkey))
    assert _problem(store) is None
    admin = client(valkey)
    for name, value in config.items():
        admin.config_set(name, value)
    if "requirepass" in config:
        admin.execute_command("AUTH", "hush-hush")
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    problem = str(_problem(store))
    assert words in problem or "Authentication required" in problem
    assert "hush-hush" not in problem


# -- logins -------------------------------------------------------------------------------------


def test_a_rotated_password_file_is_read_at_the_next_login(
    valkey: EmbeddedStore, tmp_path: Path
) -> None:
    admin, file = client(valkey), tmp_path / "password"
    rights = ("~*", "&*", "+@all")
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">first-one", *rights)
    admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">admin-1", *rights)
    file.write_text("first-one\n")
    ours = settings(valkey, username="worker", password_file=file)
    store = connect_store(ours)
    notices = store.listen("changes")
    admin.execute_command("AUTH", "admin-1")
    admin.execute_command("ACL", "SETUSER", "worker", "resetpass", ">second-one")
    admin.execute_command("CLIENT", "KILL", "USER", "worker")
    with pytest.raises(StoreUnavailable, match="refuses the login") as refused:
        store.put("x", b"1")
    assert "first-one" not in str(refused.value)
    file.unlink()
    with pytest.raises(StoreUnavailable, match=r"redis\.password_file: .* cannot be read"):
        store.put("x", b"1")
    file.write_text("second-one\n")
    store.put("x", b"1")
    until(lambda: notices.wait(0.2))  # it listens again, too
    with pytest.raises(AccessDenied):
        connect_store(settings(valkey, username="worker", password="first-one"))
    named = settings(valkey, password_file=file)
    url = valkey.url.replace("redis://", "redis://worker@")
    connect_store(named.model_copy(update={"url": url})).ping()


def test_a_worker_that_started_without_redis_uses_it_when_it_comes(tmp_path: Path) -> None:
    with EmbeddedStore() as gone:
        ours = settings(gone, connect_timeout_s=0.3)
        port = gone.port
    cache = _cache(ours, required=False)
    registry = Registry(open_blobs(str(tmp_path)), cache)
    registry.push(["bolts"], "v1", b"{}", b"")
    registry.activate("bolts", "v1", "anna", "")
    changes = registry.changes()
    assert registry.active("bolts") == "v1"
    with ServerAt(port) as late:
        until(lambda: changes.wait(0.2))
        registry.activate("bolts", "v1", "anna", "")
        assert client(late).get(ACTIVE) == b"v1"
        theirs = Registry(open_blobs(str(tmp_path)), RedisStore(ours))
        threading.Timer(0.2, theirs.activate, ("bolts", "v1", "ben", "")).start()
        until(lambda: changes.wait(0.5))


# -- whoever may write --------------------------------------------------------------------------


def content(seed: int, size: int = 1000) -> tuple[str, bytes, bytes]:
    """Version, manifest and tensors that prove each other."""
    weights = {"w": np.full(size, seed, np.uint8)}
    told = {"sha256": digest(weights["w"].tobytes()), "dtype": "uint8", "shape": [size]}
    manifest = {"tensors": {"w": told}}
    version = version_of(manifest)
    return version, canonical(manifest | {"version": version}), save(weights)


@pytest.fixture
def enemy(valkey: EmbeddedStore) -> redis.Redis:
    """May write our keys, and nothing else."""
    rights = (">p", "~stream-inspector:*", "&*", "+@all", "-@admin", "-@dangerous")
    client(valkey).execute_command("ACL", "SETUSER", "enemy", "on", *rights)
    return redis.Redis(port=valkey.port, username="enemy", password="p")


@pytest.fixture
def registry(valkey: EmbeddedStore, tmp_path: Path) -> Registry:
    made = Registry(open_blobs(str(tmp_path)), RedisStore(settings(valkey)), 100 * 2**20)
    for seed in (1, 2):
        version, manifest, tensors = content(seed)
        made.push(["bolts"], version, manifest, tensors)
        made.activate("bolts", version, "anna", "")
    return made


def test_an_old_version_in_the_pointer_loses_against_the_store(
    enemy: redis.Redis, registry: Registry
) -> None:
    old, new = content(1)[0], content(2)[0]
    board = Switchboard(registry, ["bolts"])
    enemy.set(ACTIVE, old)  # for ever
    board.look("bolts", 0.0)  # the first one
    assert board.active == {"bolts": new}
    enemy.set(ACTIVE, new)
    enemy.persist(ACTIVE)
    Registry(registry.blobs).activate("bolts", old, "ben", "without Redis")
    board.look("bolts", TRUST_S - 1)
    board.look("bolts", TRUST_S)
    assert board.active == {"bolts": old}
    board.look("bolts", TRUST_S + 1)  # the lie is gone: what is found now has an end
    assert 0 < enemy.ttl(ACTIVE) <= 60


def spoil(enemy: redis.Redis, version: str, manifest: bytes, tensors: bytes) -> None:
    """Other content, under an index that fits it."""
    key = f"stream-inspector:model:{version}"
    parts = {"manifest": manifest, "tensors": tensors}
    for part, data in parts.items():
        enemy.set(f"{key}:{part}:0", data)
    index = {part: {"chunks": 1, "sha256": digest(data)} for part, data in parts.items()}
    enemy.set(f"{key}:index", json.dumps(index))


def test_another_content_under_a_fitting_index_costs_a_reload(
    enemy: redis.Redis, registry: Registry
) -> None:
    version, manifest, tensors = content(2)
    stranger = content(7)
    reshaped = save({"w": np.full((10, 100), 2, np.uint8)})  # the same bytes
    cases = [
        stranger[1:],
        (manifest, stranger[2]),
        (stranger[1], tensors),
        (manifest, reshaped),
        (manifest, tensors[:-1]),
        (b"", b""),
        (b"[" * 100_000, tensors),
        (manifest.replace(b"uint8", b"int64"), tensors),
    ]
    for spoiled in cases:
        spoil(enemy, version, *spoiled)
        assert registry.fetch(version) == (manifest, tensors)
        assert enemy.get(f"stream-inspector:model:{version}:manifest:0") == manifest  # repaired


@pytest.mark.parametrize(
    "index",
    [
        b'{"manifest": {"chunks": 1000000000}, "tensors": {"chunks": 1000000000}}',
        b'{"manifest": {"chunks": -1}, "tensors": {"chunks": -1}}',
        b'{"manifest": {"chunks": 1e999}, "tensors": {"chunks": 1}}',
        b'{"manifest": {"chunks": true}, "tensors": {"chunks": true}}',
        b'{"manifest": "x", "tensors": []}',
        b"[" * 100_000,
        b"9" * 10_000,
        b"\xff",
    ],
)
def test_an_index_that_says_anything_costs_a_reload(
    enemy: redis.Redis, registry: Registry, index: bytes
) -> None:
    version, manifest, tensors = content(2)
    enemy.set(f"stream-inspector:model:{version}:index", index)
    start = time.monotonic()
    assert registry.fetch(version) == (manifest, tensors)
    registry.cache.drop(version)
    assert time.monotonic() - start < 20


def test_values_of_any_type_and_size_cost_a_reload(enemy: redis.Redis, registry: Registry) -> None:
    version, manifest, tensors = content(2)
    keys = [ACTIVE, "stream-inspector:models", "stream-inspector:alive"]
    keys += [f"stream-inspector:model:{version}:{part}" for part in ("index", "tensors:0")]
    makers: list[Callable[[str], object]] = [
        lambda key: enemy.rpush(key, "x"),
        lambda key: enemy.hset(key, "a", "b"),
        lambda key: enemy.sadd(key, "x"),
        lambda key: enemy.zadd(key, {"x": 1}),
        lambda key: enemy.xadd(key, {"a": "b"}),
        lambda key: enemy.set(key, b"x" * (MOST_BYTES + 1)),
        lambda key: enemy.set(key, b""),
        lambda key: enemy.set(key, b"[[null, -1], 3, {}]"),
        lambda key: enemy.pexpire(key, -5),
    ]
    for make in makers:
        for key in keys:
            enemy.delete(key)
            make(key)
        assert registry.fetch(version) == (manifest, tensors)
        assert registry.active("bolts") in {version, "x"}
        board = Switchboard(registry, ["bolts"])
        board.look("bolts", 0.0)
        assert board.active == {"bolts": version}
        assert registry.activate("bolts", version, "anna", "") > 0
        assert registry.mirrored("bolts") == version
        assert _problem(RedisStore(settings_of(registry))) is None


def settings_of(registry: Registry) -> RedisSettings:
    store = registry.cache._store
    assert isinstance(store, RedisStore)
    port = store._client.connection_pool.connection_kwargs["port"]
    return RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_s=1)


def test_keys_that_vanish_half_way_cost_a_reload(enemy: redis.Redis, tmp_path: Path) -> None:
    port = enemy.connection_pool.connection_kwargs["port"]
    store = RedisStore(RedisSettings(url=f"redis://127.0.0.1:{port}/0"))
    ours = Registry(open_blobs(str(tmp_path / "large")), store)
    version, manifest, tensors = content(3, 9 * 2**20)
    ours.push(["bolts"], version, manifest, tensors)
    for number in range(3):
        enemy.delete(f"stream-inspector:model:{version}:tensors:{number}")
        assert ours.fetch(version) == (manifest, tensors)
    get = store.get

    def vanishing(key: str) -> bytes | None:
        if key.endswith(":tensors:1"):
            enemy.delete(key)
        return get(key)

    store.get = vanishing  # type: ignore[method-assign]
    assert ours.fetch(version) == (manifest, tensors)


def test_a_book_of_lies_does_not_hold_up_a_push(enemy: redis.Redis, registry: Registry) -> None:
    lies = [
        [["x" * 16, 10**12]] * 200_000,
        [["v", 10**12]] * 900,
        [["v", -(10**12)]] * 900,
        [[None, 1], ["v"], "v", 5],
    ]
    for lie in lies:
        enemy.set("stream-inspector:models", json.dumps(lie)[:MOST_BYTES])
        start = time.monotonic()
        registry.push(["bolts"], *content(5))
        assert time.monotonic() - start < 20
        assert registry.fetch(content(5)[0]) == content(5)[1:]


def test_a_user_without_the_right_to_read_a_part_of_a_value_still_works(
    valkey: EmbeddedStore,
) -> None:
    rights = ("nopass", "~*", "&*", "+@all", "-getrange")
    client(valkey).execute_command("ACL", "SETUSER", "older", "on", *rights)
    store = RedisStore(settings(valkey, username="older", password="any"))
    store.put("x", b"1")
    with capture_logs() as logs:
        assert [store.get("x"), store.get("x"), store.get("none")] == [b"1", b"1", None]
    assert ["GETRANGE" in each["event"] for each in logs] == [True]


def test_a_mark_of_another_type_is_no_mark_and_gives_way(valkey: EmbeddedStore) -> None:
    enemy = redis.Redis.from_url(valkey.url)
    key = "in-work:inspectors:frames:0"
    for fill in (lambda: enemy.rpush(key, "x"), lambda: enemy.hset(key, "a", "b")):
        enemy.delete(key)
        fill()
        store = connect_store(settings(valkey))
        assert store.get(key) is None
        marks = CrashLog(store, "inspectors")
        with capture_logs() as logs:
            assert marks.open(Partition("frames", 0)) is None
        assert [entry["event"] for entry in logs] == []
        found = CrashLog(store, "inspectors").open(Partition("frames", 0))
        assert found is not None  # what the first one left behind is seen
