"""Memory of large frames is used again: the kernel clears a page once, not for each frame."""

import platform
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library"),
]

PROGRAM = """
import resource, threading
from workers.runtime.host.allocator import keep_freed_memory

def frames():
    for _ in range(40):
        copies = [bytearray(5_000_000) for _ in range(3)]
        copies.clear()

keep_freed_memory() if {keep} else None
thread = threading.Thread(target=frames)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(*, keep: bool) -> int:
    command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_large_frames_take_their_pages_once() -> None:
    pages = 40 * 3 * 5_000_000 // 4096
    assert faults(keep=False) > pages / 2
    assert faults(keep=True) < pages / 4
