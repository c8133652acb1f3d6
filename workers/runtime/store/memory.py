"""Stores inside this process, for tests and dry runs. They keep the same ports as the real ones."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Condition, Lock

from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.ports import Blob


class MemoryStore:
    """A key-value store in a dict. `available = False` makes every call raise."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lock = Lock()
        self._told, self._news = Counter[str](), Condition()
        self.available = True

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        self.ping()
        return self._values.get(key)

    def put(
        self,
        key: str,
        value: bytes,
        ttl_s: int | None = None,  # noqa: ARG002
        *,
        absent: bool = False,
    ) -> None:
        """Store a value; it never expires here."""
        self.ping()
        with self._lock:
            if not (absent and key in self._values):
                self._values[key] = value

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.ping()
        self._values.pop(key, None)

    def increment(self, key: str, ttl_s: int | None = None) -> int:  # noqa: ARG002
        """Add one to a counter and return it."""
        self.ping()
        with self._lock:
            value = int(self._values.get(key, b"0")) + 1
            self._values[key] = str(value).encode()
        return value

    def ping(self) -> None:
        """Raises StoreUnavailable when switched off."""
        if not self.available:
            raise StoreUnavailable("the in-memory store is switched off")

    def check(self) -> None:
        """The same: what answers here takes writes."""
        self.ping()

    def tell(self, channel: str) -> None:
        """Wake those who listen to a channel."""
        self.ping()
        with self._news:
            self._told[channel] += 1
            self._news.notify_all()

    def listen(self, channel: str) -> "MemoryNotices":
        """Hear what is told from now on."""
        return MemoryNotices(self._news, self._told, channel)

    def flush(self) -> None:
        """Forget everything, as a restarted Redis does."""
        self._values.clear()


class MemoryNotices:
    """Notices of one channel of a MemoryStore."""

    def __init__(self, news: Condition, told: Counter[str], channel: str):
        self._news, self._told, self._channel = news, told, channel
        self._heard = told[channel]

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notice, at most so long; whether one came."""
        with self._news:
            came = self._news.wait_for(lambda: self._told[self._channel] > self._heard, timeout_s)
            self._heard = self._told[self._channel]
        return came

    def close(self) -> None:
        """Nothing to give back."""


class Silence:
    """Notices of a store that is not there: they only wait."""

    def wait(self, timeout_s: float) -> bool:
        """Wait; nothing comes."""
        time.sleep(timeout_s)
        return False

    def close(self) -> None:
        """Nothing to give back."""


class MemoryBlobs:
    """A blob store in a dict. `available = False` makes every call raise."""

    exclusive = True

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._blobs: dict[str, bytes] = {}
        self._times: dict[str, float] = {}
        self._lock, self._clock = Lock(), clock
        self.available = True

    def read(self, name: str) -> bytes:
        """The blob. Raises FileNotFoundError."""
        self._check()
        try:
            return self._blobs[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def write(self, name: str, data: bytes) -> str:
        """Store a blob."""
        self._check()
        with self._lock:
            self._blobs[name], self._times[name] = data, self._clock()
        return f"memory://{name}"

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free."""
        self._check()
        with self._lock:
            if name in self._blobs:
                return False
            self._blobs[name], self._times[name] = data, self._clock()
        return True

    def delete(self, name: str) -> None:
        """Remove a blob."""
        self._check()
        self._blobs.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted."""
        self._check()
        return sorted(name for name in self._blobs if name.startswith(prefix))

    def listed(self, prefix: str = "") -> Iterator[Blob]:
        """The blobs under a prefix."""
        for name in self.names(prefix):
            if (data := self._blobs.get(name)) is not None:
                yield Blob(name, len(data), self._times[name])

    def supersede(self, name: str, before: float, instead: bytes | None) -> bool:
        """Remove or replace a blob that was not written since."""
        self._check()
        with self._lock:
            if name not in self._blobs or self._times[name] >= before:
                return False
            if instead is None:
                del self._blobs[name]
            else:
                self._blobs[name], self._times[name] = instead, self._clock()
        return True

    def tidy(self, before: float) -> int:  # noqa: ARG002
        """Nothing is ever half written."""
        return 0

    def signed(self, name: str, seconds: int) -> str | None:  # noqa: ARG002
        """No URLs here."""
        return None

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("the in-memory store is switched off")
