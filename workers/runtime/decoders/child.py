"""The process that decodes: one picture after another, until nobody asks any more.

It has no connection but the one to its parent, and little to lose: the kernel ends it when a
picture takes more processor time than it may, and refuses it more memory than a picture may have.
Nothing heavy is imported here, so that a new one is there in a fraction of a second.
"""

import json
import os
import resource
import signal
import socket
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import PIL.Image as Pil

from stream_inspector.errors import FrameRejected
from stream_inspector.image.formats.limits import DecodeLimits
from stream_inspector.image.view.canvas import View
from workers.runtime.decoders.picture import Picture
from workers.runtime.decoders.wire import receive, send

_SLACK_BYTES = 32 * 2**20  # the data itself, twice, and what the allocator keeps


def main() -> None:
    """Answer until the line is closed. The arguments are `Rules` as JSON."""
    rules = json.loads(sys.argv[1])
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # the parent finishes what is in work
    warnings.simplefilter("ignore")  # of texts and tags; what is lost is told
    Pil.MAX_IMAGE_PIXELS = None  # we have a limit of our own
    limits = DecodeLimits(**rules["limits"])
    _bound_memory(limits)
    line = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    send(line, {"ready": True})
    with suppress(EOFError, OSError):
        while True:
            _answer(line, limits, rules["cpu_s"])


def _bound_memory(limits: DecodeLimits) -> None:
    """Private memory, not addresses: libraries reserve more of those than they use."""
    with suppress(OSError, StopIteration):  # no /proc, no such limit: the formula alone counts
        status = Path("/proc/self/status").read_text().splitlines()
        held = next(int(row.split()[1]) * 1024 for row in status if row.startswith("VmData"))
        bound = held + limits.max_memory + 2 * limits.max_bytes + _SLACK_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        Path("/proc/self/oom_score_adj").write_text("1000")  # rather this one than its parent


def _answer(line: socket.socket, limits: DecodeLimits, cpu_s: float) -> None:
    request, data = receive(line)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)  # ends the process, also inside a codec
    head, pixels = _decoded(_picture(bytes(data), **request), limits)
    signal.setitimer(signal.ITIMER_PROF, 0)
    send(line, head, pixels)


def _picture(data: bytes, kind: str, view: Any, width: int | None, height: int | None) -> Picture:
    return Picture(data, kind, _view(json.dumps(view)), width, height)


@lru_cache(maxsize=256)  # a view computes what it shows once
def _view(text: str) -> View:
    return View.from_dict(json.loads(text))


def _decoded(picture: Picture, limits: DecodeLimits) -> tuple[dict[str, Any], memoryview]:
    try:
        found = picture.decoded(limits)
    except FrameRejected as error:
        return {"reason": error.reason, "error": str(error)}, memoryview(b"")
    except Exception as error:  # an image may break a codec in any way; the next frame is fine
        text = f"the image breaks its decoder: {type(error).__name__}: {error}"
        return {"reason": FrameRejected.reason, "error": text}, memoryview(b"")
    head = {"size": found.original_size, "damage": found.damage, "traits": asdict(found.traits)}
    return head, found.image.data.cast("B")


if __name__ == "__main__":
    main()
