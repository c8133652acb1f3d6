"""A blob store that answers in time or is given up: one that hangs must not hold a frame."""

import queue
import threading

from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.ports import BlobStore


class PunctualWriter:
    """Writes with a deadline. While an overdue write hangs, further ones fail at once."""

    def __init__(self, blobs: BlobStore, timeout_s: float):
        self._blobs, self._timeout_s = blobs, timeout_s
        self._lock = threading.Lock()
        self._overdue = 0

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL. Raises StoreUnavailable, or what the store raises."""
        if self._overdue:
            raise StoreUnavailable("the store still hangs on an earlier write")
        answer: queue.Queue[str | Exception] = queue.Queue(1)
        late = threading.Event()

        def work() -> None:
            try:
                answer.put(self._blobs.write(name, data))
            except Exception as error:
                answer.put(error)
            with self._lock:
                self._overdue -= late.is_set()

        threading.Thread(target=work, name="evidence", daemon=True).start()
        try:
            found = answer.get(timeout=self._timeout_s)
        except queue.Empty:
            self._give_up(answer, late)
            raise StoreUnavailable(
                f"the store did not answer within {self._timeout_s:g} s "
                "(setting evidence.timeout_s)"
            ) from None
        if isinstance(found, Exception):
            raise found
        return found

    def _give_up(self, answer: "queue.Queue[str | Exception]", late: threading.Event) -> None:
        with self._lock:
            if answer.empty():  # else it came at the last moment
                late.set()
                self._overdue += 1
