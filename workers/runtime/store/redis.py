"""The Redis (or Valkey) adapter: a cache and a switchboard, never the truth."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, cast

import redis
import structlog
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from workers.runtime.errors import (
    AccessDenied,
    ServerUnreachable,
    SettingsError,
    StoreUnavailable,
)
from workers.runtime.settings.base import read_secret
from workers.runtime.settings.process import RedisSettings, redact
from workers.runtime.store.ports import KeyValueStore, Notices

_log = structlog.get_logger(__name__)


def connect_store(settings: RedisSettings) -> KeyValueStore:
    """A store that answers. Retries until `redis.connect_timeout_s`.

    Raises ServerUnreachable, or at once AccessDenied when it answers and does not let us in.
    """
    store = RedisStore(settings)
    deadline = time.monotonic() + settings.connect_timeout_s
    pause = 0.2
    while True:
        try:
            store.ping()
            return store
        except StoreUnavailable as error:
            if refused := _refusal(error.__cause__, settings):
                where = redact(settings.url)
                raise AccessDenied(f"no access to Redis at {where}: {refused}") from error
            if time.monotonic() + pause >= deadline:
                raise ServerUnreachable(
                    f"no Redis answered at {redact(settings.url)} within "
                    f"{settings.connect_timeout_s:g} s (setting {_whereabouts(settings)}): {error}"
                ) from error
            _log.warning("redis away, trying again", address=redact(settings.url))
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def _refusal(cause: BaseException | None, settings: RedisSettings) -> str | None:
    """Why Redis does not let us in and the settings to look at; None when it is only away."""
    text = str(cause)
    if isinstance(cause, redis.AuthenticationError | NoPermissionError):
        return f"{text} (redis.username {settings.username or 'default'}, redis.password)"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not trusted: {text} (redis.tls.ca_file)"
    return None


def _whereabouts(settings: RedisSettings) -> str:
    """A server that wants a client certificate closes the connection without a word."""
    if settings.url.startswith("rediss://") and settings.tls.certificate_file is None:
        return "redis.url, or redis.tls.certificate_file if it asks for one"
    return "redis.url"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


def _identity(settings: RedisSettings) -> dict[str, Any]:
    """Who we are and whom we trust; what is not set here may stand in the URL."""
    password = read_secret(settings.password, settings.password_file, "redis.password")
    found: dict[str, Any] = {"username": settings.username, "password": password}
    if settings.url.startswith("rediss://"):
        settings.tls.context("redis.tls")  # a wrong file is refused here, with its setting
        tls = settings.tls
        found |= {
            "ssl_ca_certs": tls.ca_file and str(tls.ca_file),
            "ssl_certfile": tls.certificate_file and str(tls.certificate_file),
            "ssl_keyfile": tls.key_file and str(tls.key_file),
            "ssl_password": read_secret(
                tls.key_password, tls.key_password_file, "redis.tls.key_password"
            ),
            "ssl_check_hostname": tls.check_hostname,
        }
    elif settings.tls.given:
        raise SettingsError("redis.tls: redis.url uses no TLS: it must start with rediss://")
    return {name: value for name, value in found.items() if value is not None}


class RedisStore:
    """KeyValueStore port on redis-py, with bounded waits and two quick retries."""

    def __init__(self, settings: RedisSettings):
        try:
            self._client: Any = redis.Redis.from_url(
                settings.url,
                **_identity(settings),
                socket_timeout=settings.timeout_s,
                socket_connect_timeout=settings.timeout_s,
                retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
                health_check_interval=30,
            )
        except ValueError as error:
            raise SettingsError(f"redis.url: {error} (given: {redact(settings.url)})") from None

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        with _translated():
            return cast("bytes | None", self._client.get(key))

    def put(
        self, key: str, value: bytes, ttl_s: int | None = None, *, absent: bool = False
    ) -> None:
        """Store a value; with `absent` only where none is."""
        with _translated():
            self._client.set(key, value, ex=ttl_s, nx=absent)

    def delete(self, key: str) -> None:
        """Forget a value."""
        with _translated():
            self._client.delete(key)

    def increment(self, key: str, ttl_s: int | None = None) -> int:
        """Add one to a counter and return it; the counter expires `ttl_s` after the last call."""
        with _translated():
            pipe = self._client.pipeline()
            pipe.incr(key)
            if ttl_s is not None:
                pipe.expire(key, ttl_s)
            return int(pipe.execute()[0])

    def ping(self) -> None:
        """Raises StoreUnavailable when Redis does not answer."""
        with _translated():
            self._client.ping()

    def tell(self, channel: str) -> None:
        """Wake those who listen to a channel."""
        with _translated():
            self._client.publish(channel, b"")

    def listen(self, channel: str) -> Notices:
        """Hear what is told from now on."""
        return RedisNotices(self._client, channel)


class RedisNotices:
    """Notices through publish and subscribe. While Redis is away nothing is heard."""

    def __init__(self, client: Any, channel: str):
        self._channel, self._subscribed = channel, False
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        with contextlib.suppress(redis.RedisError, OSError):
            self._subscribe()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notice, at most so long; whether one came or may have been missed."""
        deadline = time.monotonic() + timeout_s
        try:
            if not self._subscribed:
                self._subscribe()
                return True  # whatever was told meanwhile is lost
            while (left := deadline - time.monotonic()) > 0:
                if self._pubsub.get_message(timeout=left) is not None:
                    return True
        except (redis.RedisError, OSError):
            self._subscribed = False
            time.sleep(max(0.0, deadline - time.monotonic()))
        return False

    def _subscribe(self) -> None:
        self._pubsub.subscribe(self._channel)
        self._subscribed = True

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(redis.RedisError, OSError):
            self._pubsub.close()
