"""The Redis (or Valkey) adapter: a cache and a switchboard, never the truth."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import redis
import structlog
from redis.backoff import ExponentialBackoff
from redis.credentials import CredentialProvider
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
from workers.runtime.store.ports import MOST_BYTES, KeyValueStore, Notices

_log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")

_ALIVE = "stream-inspector:alive"  # written to see whether writes are taken
_ALIVE_TTL_S = 60
_NOTICES = 1000  # heard together; whoever floods the channel wakes us no more often for it
_MOVED = {  # what a server says that is not, or no longer, the one to talk to -> what it means
    "READONLY": "read-only: it is a replica, perhaps since a failover",
    "MASTERDOWN": "read-only: it is a replica that has lost its primary",
    "NOREPLICAS": "read-only: too few replicas follow it",
    "MISCONF": "read-only: it cannot save to its disk",
    "OOM": "read-only: its memory is full",
    "LOADING": "it is still loading its data",
    "CLUSTERDOWN": "its cluster is down",
    "NOAUTH": "it asks for a login",
    "WRONGPASS": "it refuses the login",
}
_WRONG_TYPE = "WRONGTYPE"
_CODE = re.compile(rf"\b({'|'.join(_MOVED)})\b")


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
def translated() -> Iterator[None]:
    """Errors of the client as StoreUnavailable."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        reason = _moved(error) or type(error).__name__
        raise StoreUnavailable(f"{reason}: {error}") from error


def _moved(error: BaseException) -> str | None:
    """What it means when this server answers, but another one (or another login) is needed."""
    code = getattr(error, "status_code", None) or ""
    found = _CODE.search(f"{code} {error}")
    return _MOVED[found[1]] if found else None


class _Login(CredentialProvider):
    """Who we are, read anew for each connection: a password's file may be replaced meanwhile."""

    def __init__(self, username: str | None, file: Path) -> None:
        self.username, self.file = username, file

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """User and password, or the password of the default user."""
        try:
            password = read_secret(None, self.file, "redis.password") or ""
        except SettingsError as error:  # no reason to end: it may be there for the next login
            raise redis.AuthenticationError(str(error)) from None
        return (self.username, password) if self.username else (password,)


def _identity(settings: RedisSettings) -> dict[str, Any]:
    """Who we are and whom we trust; what is not set here may stand in the URL."""
    password = read_secret(settings.password, settings.password_file, "redis.password")
    found: dict[str, Any] = {"username": settings.username, "password": password}
    if settings.password_file is not None:
        found["credential_provider"] = _Login(settings.username, settings.password_file)
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


def _pool(settings: RedisSettings) -> redis.ConnectionPool:
    """Connections as the settings say; what stands in the URL wins. Raises SettingsError."""
    options: dict[str, Any] = {
        **_identity(settings),
        "socket_timeout": settings.timeout_s,
        "socket_connect_timeout": settings.timeout_s,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
        "health_check_interval": 30,
    }
    try:
        options |= redis.connection.parse_url(settings.url)  # type: ignore[no-untyped-call]
        _one_login(options)
        pool = redis.ConnectionPool(**options)
        pool.make_connection()  # knows all the names in the URL
    except (ValueError, TypeError):  # their words may be a part of a password
        raise SettingsError(
            f"redis.url: {redact(settings.url)} cannot be read: it is redis://host:port/0 (or "
            "rediss://, unix://); write #, /, ?, @, % and brackets of a password as %23 and so on, "
            "or set redis.password_file"
        ) from None
    return pool


def _one_login(options: dict[str, Any]) -> None:
    """A password in the URL, or else the file that is read at each login: not both."""
    login = options.get("credential_provider")
    if login is None:
        return
    from_file = read_secret(None, login.file, "redis.password")
    if options["password"] != from_file:
        del options["credential_provider"]
        return
    login.username = options.pop("username", None)
    del options["password"]


class RedisStore:
    """KeyValueStore port on redis-py, with bounded waits and two quick retries.

    A server that takes no writes (after a failover it is a replica) is left: its connections are
    closed, and the name of `redis.url` is looked up again.
    """

    def __init__(self, settings: RedisSettings):
        self._client: Any = redis.Redis(connection_pool=_pool(settings))
        self._ranges = True  # whether our user may ask for the beginning of a value
        self._left = 0  # how often a server was left

    def get(self, key: str) -> bytes | None:
        """The value, or None. A value beyond MOST_BYTES is not ours: None."""
        try:
            found = self._ask(lambda: self._beginning(key))
        except StoreUnavailable as error:
            if _WRONG_TYPE in str(error.__cause__):  # a list, a hash: somebody else's
                return None
            raise
        return found if found and len(found) <= MOST_BYTES else None

    def _beginning(self, key: str) -> bytes | None:
        if self._ranges:
            try:
                return cast("bytes", self._client.getrange(key, 0, MOST_BYTES))
            except NoPermissionError:
                pass
        found = cast("bytes | None", self._client.get(key))
        if self._ranges:
            self._ranges = False
            _log.warning("values of any size are read: let our user of Redis run GETRANGE")
        return found

    def put(
        self, key: str, value: bytes, ttl_s: int | None = None, *, absent: bool = False
    ) -> None:
        """Store a value; with `absent` only where none is."""
        self._ask(lambda: self._client.set(key, value, ex=ttl_s, nx=absent))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self._ask(lambda: self._client.delete(key))

    def increment(self, key: str, ttl_s: int | None = None) -> int:
        """Add one to a counter and return it; the counter expires `ttl_s` after the last call."""

        def count() -> int:
            pipe = self._client.pipeline()
            pipe.incr(key)
            if ttl_s is not None:
                pipe.expire(key, ttl_s)
            return int(pipe.execute()[0])

        return self._ask(count)

    def ping(self) -> None:
        """Raises StoreUnavailable when Redis does not answer."""
        self._ask(self._client.ping)

    def check(self) -> None:
        """Raises StoreUnavailable when Redis does not answer, or takes no writes."""
        self.put(_ALIVE, b"1", _ALIVE_TTL_S)

    def tell(self, channel: str) -> None:
        """Wake those who listen to a channel."""
        self._ask(lambda: self._client.publish(channel, b""))

    def listen(self, channel: str) -> Notices:
        """Hear what is told from now on."""
        return RedisNotices(self._client, channel, lambda: self._left)

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Ask; a server that is not the one to talk to any more is left, and asked for once."""
        with translated():
            try:
                return call()
            except redis.RedisError as error:
                if _moved(error) is None:
                    raise
            self._left += 1
            self._client.connection_pool.disconnect(inuse_connections=False)
            return call()


class RedisNotices:
    """Notices through publish and subscribe. While Redis is away nothing is heard."""

    def __init__(self, client: Any, channel: str, left: Callable[[], int]):
        """`left` counts the servers that were left: then those here are to be left, too."""
        self._channel, self._subscribed = channel, False
        self._count, self._seen = left, left()
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        with contextlib.suppress(redis.RedisError, OSError):
            self._subscribe()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notice, at most so long; whether one came or may have been missed."""
        deadline = time.monotonic() + timeout_s
        try:
            self._follow()
            if not self._subscribed:
                self._subscribe()
                return True  # whatever was told meanwhile is lost
            while (left := deadline - time.monotonic()) > 0:
                if self._pubsub.get_message(timeout=left) is not None:
                    self._drain()
                    return True
        except (redis.RedisError, OSError):
            self._subscribed = False
            time.sleep(max(0.0, deadline - time.monotonic()))
        return False

    def _follow(self) -> None:
        left = self._count()
        if left != self._seen:
            self._seen, self._subscribed = left, False
            self._pubsub.reset()

    def _drain(self) -> None:
        """All that was told until now is one notice."""
        for _ in range(_NOTICES):
            if self._pubsub.get_message(timeout=0) is None:
                return

    def _subscribe(self) -> None:
        self._pubsub.subscribe(self._channel)
        self._subscribed = True

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(redis.RedisError, OSError):
            self._pubsub.close()
