"""A store that hangs costs one deadline, not one for each picture."""

import threading
import time

import pytest

from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.memory import MemoryBlobs
from workers.runtime.store.punctual import PunctualWriter


class Hanging(MemoryBlobs):
    """Writes hang until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.calls = 0

    def write(self, name: str, data: bytes) -> str:
        self.calls += 1
        self.released.wait(10)
        return super().write(name, data)


def test_a_write_in_time_is_a_write() -> None:
    blobs = MemoryBlobs()
    assert PunctualWriter(blobs, 5.0).write("a", b"x") == "memory://a"
    assert blobs.read("a") == b"x"


def test_what_the_store_raises_is_raised() -> None:
    blobs = MemoryBlobs()
    blobs.available = False
    with pytest.raises(StoreUnavailable, match="switched off"):
        PunctualWriter(blobs, 5.0).write("a", b"x")


def test_a_store_that_hangs_is_given_up_and_taken_up_again() -> None:
    blobs = Hanging()
    writer = PunctualWriter(blobs, 0.05)
    with pytest.raises(StoreUnavailable, match=r"evidence\.timeout_s"):
        writer.write("a", b"x")
    with pytest.raises(StoreUnavailable, match="still hangs"):
        writer.write("b", b"x")
    assert blobs.calls == 1
    blobs.released.set()
    deadline = time.monotonic() + 5
    while writer._overdue:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert writer.write("c", b"x") == "memory://c"
