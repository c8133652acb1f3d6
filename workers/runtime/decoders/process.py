"""One decoder process, seen from its parent."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stream_inspector.errors import Damaged, FrameRejected, TooLarge, TooSlow, Undecodable
from stream_inspector.image.decode import Decoded
from stream_inspector.image.formats.traits import Traits
from workers.runtime.decoders.picture import Picture, Rules
from workers.runtime.decoders.wire import receive, send
from workers.runtime.errors import DecoderLost

PATIENCE = 4  # times the processor time that a picture may take, by the clock
_ROOT = Path(__file__).parents[3]
_LAST_WORD_S = 0.2  # a process that is ending has a reason, which its exit code tells
_BUFFER_BYTES = 2**20
_START_S = 60.0  # a machine that is busy with other things
_REASONS = {each.reason: each for each in (Undecodable, Damaged, TooLarge, TooSlow)}
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")  # no secrets of ours


class Died(Exception):
    """The process ended by itself; says how."""


class Decoder:
    """Starts its process when it is asked, and again when that ended. For one thread at a time."""

    def __init__(self, rules: Rules):
        self._rules = rules
        self._process: subprocess.Popen[bytes] | None = None
        self._line = socket.socket()

    def decode(self, picture: Picture) -> Decoded:
        """Raises FrameRejected, Died, or DecoderLost when there can be no process."""
        process = self.start()
        self._line.settimeout(PATIENCE * self._rules.cpu_s)
        try:
            send(self._line, _request(picture), picture.data)
            head, body = receive(self._line)
        except TimeoutError:
            self.end()
            raise self._too_slow("by the clock", PATIENCE) from None
        except (OSError, EOFError):
            self.end()
            if process.returncode == -signal.SIGPROF:
                raise self._too_slow("of processor time") from None
            raise Died(_end_of(process.returncode)) from None
        if "error" in head:
            raise _REASONS.get(head["reason"], FrameRejected)(head["error"])
        image = np.frombuffer(body, np.uint8).reshape(*picture.view.canvas, 3)
        width, height = head["size"]
        return Decoded(image, (width, height), head["damage"], Traits(**head["traits"]))

    def start(self) -> "subprocess.Popen[bytes]":
        """The process, ready to decode. Raises DecoderLost."""
        if self._process is not None:
            return self._process
        self._line, theirs = _line()
        try:
            with theirs:
                self._process = _spawn(self._rules, theirs)
            self._line.settimeout(_START_S)
            receive(self._line)
        except (OSError, EOFError) as error:
            process = self._process
            self.end()
            why = str(error) or (_end_of(process.returncode) if process else "no answer")
            raise DecoderLost(f"a decoder process does not start: {why}") from error
        return self._process

    def end(self) -> None:
        """End the process, whatever it does; another thread that waits for it wakes up."""
        process, self._process = self._process, None
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_WORD_S)
            process.kill()
            process.wait()

    def _too_slow(self, measure: str, times: float = 1) -> TooSlow:
        return TooSlow(
            f"decoding took more than {times * self._rules.cpu_s:g} s {measure} "
            f"(setting images.decode_timeout_s: {self._rules.cpu_s:g})"
        )


def _line() -> tuple[socket.socket, socket.socket]:
    """Two ends with room for a canvas: otherwise the processes take turns several times."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return ends


def _spawn(rules: Rules, line: socket.socket) -> "subprocess.Popen[bytes]":
    """Not forked: the parent has threads. Of the environment it gets what Python needs."""
    plain = json.dumps({"limits": asdict(rules.limits), "cpu_s": rules.cpu_s})
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    paths = os.pathsep.join(path for path in (str(_ROOT), *sys.path) if path)
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", "workers.runtime.decoders.child", plain],
        stdin=line.fileno(),
        env={**kept, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        process_group=0,  # Ctrl-C is for the parent
    )


def _request(picture: Picture) -> dict[str, Any]:
    """Of the view only what decoding looks at: masks are long."""
    view = picture.view
    plain = {"tile": view.canvas, "region": view.region, "content": view.content, **view.reading}
    return {
        "kind": picture.content_type,
        "width": picture.width,
        "height": picture.height,
        "view": plain,
    }


def _end_of(code: int) -> str:
    if code < 0:
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"
