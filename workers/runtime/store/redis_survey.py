"""What Redis says of itself. A few keys are written and taken away again."""

from dataclasses import dataclass

from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.redis import RedisStore, connect_store, translated

_PROBES = ("stream-inspector:doctor", "in-work:doctor", "attempts:doctor")  # as ours begin
_PROBE_TTL_S = 5


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The parts of INFO that matter to a cache of model state."""

    name: str  # redis, valkey, ...
    version: str
    writable: bool  # a replica is not
    used_bytes: int
    most_bytes: int  # 0: no limit
    policy: str  # what happens at the limit; noeviction: writes fail
    persistent: bool  # keeps a log, or has written a snapshot since its start
    saves: bool  # the last save went well


class RedisSurvey:
    """Asks one Redis. Methods raise WorkerError."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._store: RedisStore | None = None

    def facts(self) -> RedisFacts:
        """Connect and ask. Raises ServerUnreachable, AccessDenied, StoreUnavailable."""
        connect_store(self._settings)
        self._store = RedisStore(self._settings)
        with translated():
            info = self._store._client.info()
        return facts_of(info)

    def try_commands(self) -> None:
        """What the stage does: write, count, read, tell, forget. Raises StoreUnavailable."""
        store = self._store or RedisStore(self._settings)
        for key in _PROBES:
            store.put(key, b"1", ttl_s=_PROBE_TTL_S)
            store.increment(key, ttl_s=_PROBE_TTL_S)
            store.get(key)
            with translated():
                store._client.getrange(key, 0, 0)
            store.delete(key)
        store.tell(_PROBES[0])

    def time_s(self) -> float:
        """Its clock: seconds since 1970."""
        store = self._store or RedisStore(self._settings)
        with translated():
            seconds, micros = store._client.time()
        return float(seconds) + float(micros) / 1e6


def facts_of(info: dict[str, object]) -> RedisFacts:
    """The facts in an answer to INFO."""
    name = str(info.get("server_name") or "redis")
    version = info.get(f"{name}_version") or info.get("redis_version") or "unknown"
    snapshots = int(str(info.get("rdb_last_bgsave_time_sec", -1))) >= 0
    return RedisFacts(
        name=name,
        version=str(version),
        writable=info.get("role", "master") == "master",
        used_bytes=int(str(info.get("used_memory") or 0)),
        most_bytes=int(str(info.get("maxmemory") or 0)),
        policy=str(info.get("maxmemory_policy") or "unknown"),
        persistent=snapshots or bool(info.get("aof_enabled")),
        saves="err" not in (info.get("rdb_last_bgsave_status"), info.get("aof_last_write_status")),
    )
