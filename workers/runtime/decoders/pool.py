"""A few decoder processes for the threads of one process."""

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

import structlog

from stream_inspector.errors import Undecodable
from stream_inspector.image.decode import Decoded
from workers.runtime.decoders.picture import Picture, Rules
from workers.runtime.decoders.process import Decoder, Died
from workers.runtime.errors import DecoderLost

_log = structlog.get_logger(__name__)

_ATTEMPTS = 2  # a process may die for a reason that is not the picture's
_STARTS = 3
_PAUSE_S = 1.0


class Decoders:
    """Decodes on up to `size` processes at once. Safe to call from several threads."""

    def __init__(self, size: int, rules: Rules):
        self.rules = rules
        self._all = [Decoder(rules) for _ in range(size)]
        self._idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
        self._closed = False
        for decoder in self._all:
            self._idle.put(decoder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start all processes now instead of when they are needed. Raises DecoderLost."""
        with ThreadPoolExecutor(len(self._all)) as at_once:
            list(at_once.map(self._start, self._all))

    def decode(self, picture: Picture) -> Decoded:
        """The picture's canvas. Raises FrameRejected, or DecoderLost."""
        with self._borrowed() as decoder:
            for attempt in range(1, _ATTEMPTS + 1):
                self._start(decoder)
                try:
                    return decoder.decode(picture)
                except Died as error:
                    _log.warning("a decoder process died", attempt=attempt, by=str(error))
                    how = str(error)
        raise Undecodable(
            f"the image of {len(picture.data)} bytes ends its decoder process: {how}, "
            f"{_ATTEMPTS} times"
        )

    @contextmanager
    def _borrowed(self) -> Iterator[Decoder]:
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)

    def _start(self, decoder: Decoder) -> None:
        for left in reversed(range(_STARTS)):
            if self._closed:
                raise DecoderLost("the decoders were closed")
            try:
                decoder.start()
                return
            except DecoderLost as error:
                if not left:
                    raise
                _log.warning("trying again to start a decoder process", reason=str(error))
                time.sleep(_PAUSE_S)

    def close(self) -> None:
        """End the processes. What is decoded now is given up."""
        self._closed = True
        for decoder in self._all:
            decoder.end()
