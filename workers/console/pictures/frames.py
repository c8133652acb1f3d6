"""Frames from their topic, as long as it keeps them: by the place that an outcome names."""

import hashlib
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from PIL import Image

from schemas.errors import SchemaError
from schemas.frame import RAW_GRAY8, RAW_RGB8, Frame, decode_frame
from workers.console.pictures.evidence import Picture
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.errors import BusUnavailable, WorkerError

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
}
_RAW = {RAW_GRAY8: "L", RAW_RGB8: "RGB"}
_MOST_BYTES = 16 * 2**20  # of a picture that is shown
_WAITING, _WAIT_S = 16, 1.0  # requests that wait for the broker: threads are left for pages
_AWAY_S = 5.0  # in which a broker that did not answer is not asked again

_GONE = "the frame is not kept any more"
_AWAY = "the broker does not answer"
_ODD = "no browser shows this format"
_BUSY = "many are asked for: load the page again"

Fetch = Callable[[Partition, int], Record | None]


class FramePictures:
    """Reads the topic of frames, and keeps the last ones. Any thread."""

    def __init__(self, topic: str, fetch: Fetch, most_bytes: int):
        self._topic, self._fetch, self._most = topic, fetch, most_bytes
        self._kept: OrderedDict[tuple[int, int], Picture] = OrderedDict()
        self._bytes = 0
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._waiting = threading.BoundedSemaphore(_WAITING)
        self._away_until_s = 0.0

    def read(
        self, topic: str, partition: int, offset: int, frame_id: str, content: str | None
    ) -> Picture | str:
        """The frame at a place, if it is the one that is meant; a text: why it is not shown."""
        if topic != self._topic or not 0 <= partition < 2**31:
            return _GONE
        key = (partition, offset)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        frame = self._read(partition, offset)
        if isinstance(frame, str):
            return frame
        if frame.frame_id != frame_id or not _is(frame, content):
            return _GONE
        picture = shown(frame)
        if picture is None:
            return _ODD
        self._keep(key, picture)
        return picture

    def _read(self, partition: int, offset: int) -> Frame | str:
        if not self._waiting.acquire(timeout=_WAIT_S):
            return _BUSY
        try:
            record = self._ask(Partition(self._topic, partition), offset)
            return _GONE if record is None else decode_frame(record.headers, record.value)
        except WorkerError:
            return _AWAY
        except SchemaError:
            return _GONE
        finally:
            self._waiting.release()

    def _ask(self, partition: Partition, offset: int) -> Record | None:
        """One at a time. Raises WorkerError, at once where the broker has just been away."""
        with self._asking:
            if time.monotonic() < self._away_until_s:
                raise BusUnavailable(_AWAY)
            try:
                return self._fetch(partition, offset)
            except WorkerError:
                self._away_until_s = time.monotonic() + _AWAY_S
                raise

    def _keep(self, key: tuple[int, int], picture: Picture) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = picture
                self._bytes += len(picture.data)
            while self._bytes > self._most and self._kept:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)


def _is(frame: Frame, content: str | None) -> bool:
    return content is None or hashlib.sha256(frame.data).hexdigest()[:16] == content


def shown(frame: Frame) -> Picture | None:
    """The frame as a browser shows it; None: it cannot. Nothing is decoded here."""
    if len(frame.data) > _MOST_BYTES:
        return None
    mode = _RAW.get(frame.content_type)
    if mode is not None:
        return _raw(frame, mode)
    for signature, content_type in _SIGNATURES.items():
        if frame.data.startswith(signature):
            return Picture(content_type, frame.data)
    return None


def _raw(frame: Frame, mode: str) -> Picture | None:
    width, height = frame.width or 0, frame.height or 0
    if len(frame.data) != width * height * len(mode):
        return None
    buffer = io.BytesIO()
    Image.frombytes(mode, (width, height), frame.data).save(buffer, "PNG", compress_level=1)
    return Picture("image/png", buffer.getvalue())
