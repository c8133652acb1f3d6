"""The memory of a decode stays under what its header says; measured in a process of its own."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from core.image import nasty

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

REFUSED = {
    "png with too many texts": "text",
    "apng": "holds 2 pictures",
    "tiff of pages": "holds 2 pictures",
}
LOOSE = 3.5, 24 * 2**20  # the bound is at most so many times the peak, and so many bytes
MEASURE = """
import base64, io, json, os, sys, warnings
import PIL.Image as Pil
from stream_inspector.errors import FrameRejected
from stream_inspector.image.formats import limits
from stream_inspector.image.decode import ENCODED, decode
from stream_inspector.image.view.canvas import View

warnings.simplefilter("ignore")
LIMITS, VIEW = limits.DecodeLimits(10**9, 10**9, 10**6, 10**6, 10**12), View((256, 256))
bounds = []
real = limits.decode_bytes
limits.decode_bytes = lambda *given: bounds.append(real(*given)) or bounds[-1]

def memory(kind):
    rows = open("/proc/self/status").read().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith(kind))

def measure(data):
    bounds.clear()
    open("/proc/self/clear_refs", "w").write("5")  # forget the peak so far
    before = memory("VmRSS")
    try:
        decode(data, "image/png", VIEW, LIMITS)
        refused = None
    except FrameRejected as error:
        refused = str(error)
    return {"peak": memory("VmHWM") - before, "bound": bounds[-1] if bounds else 0,
            "refused": refused}

for kind in ENCODED.values():  # plugins are imported by the first of their kind
    stream = io.BytesIO()
    Pil.new("RGB", (8, 8)).save(stream, kind)
    measure(stream.getvalue())
for line in sys.stdin:
    if os.fork() == 0:  # each from the same start: what was freed may stay with a process
        print(json.dumps(measure(base64.b64decode(line))), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def measuring() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()


def measure(process: "subprocess.Popen[str]", data: bytes) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(base64.b64encode(data).decode() + "\n")
    process.stdin.flush()
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


@pytest.mark.parametrize("name", nasty.PICTURES)
def test_a_decode_takes_no_more_than_its_header_says(
    measuring: "subprocess.Popen[str]", name: str
) -> None:
    found = measure(measuring, nasty.PICTURES[name]())
    if found["refused"]:
        assert REFUSED[name] in found["refused"]
        assert found["peak"] < 24 * 2**20
        return
    times, more = LOOSE
    assert found["peak"] <= found["bound"] <= times * found["peak"] + more
