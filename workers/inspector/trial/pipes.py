"""What worker and trial process say to each other on pipes: a line of JSON, then bytes."""

import json
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

_LINE_BYTES = 65_536
_DYING_S = 1.0


def say(pipe: IO[bytes], words: dict[str, Any], *parts: bytes) -> None:
    """Send words and the parts that come with them. Raises OSError when nobody listens."""
    line = json.dumps(words | {"parts": [len(part) for part in parts]})
    pipe.write(line.encode() + b"\n")
    for part in parts:
        pipe.write(part)
    pipe.flush()


def hear(pipe: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """What was said. Raises EOFError when the other side is gone."""
    line = pipe.readline(_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError
    words: dict[str, Any] = json.loads(line)
    return words, [_exactly(pipe, size) for size in words.pop("parts")]


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


class Child:
    """A process that answers each thing that it is told, or dies."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. Raises OSError."""
        self._process = subprocess.Popen(  # noqa: S603  (our own command)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the worker
        )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask(self, words: dict[str, Any], *parts: bytes, within_s: float) -> dict[str, Any]:
        """Its answer. Raises EOFError or OSError when it died of the question, or took too long."""
        told, answers = self._process.stdin, self._process.stdout
        if told is None or answers is None:
            raise EOFError
        timer = threading.Timer(within_s, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            say(told, words, *parts)
            answer, _ = hear(answers)
        finally:
            timer.cancel()
        return answer

    def kill(self) -> None:
        """End it where it stands. Any thread."""
        self._process.kill()

    def end(self) -> int:
        """Make sure that it is gone; returns how it ended."""
        with suppress(subprocess.TimeoutExpired):  # a dying process may still be busy with it
            self._process.wait(_DYING_S)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return code
