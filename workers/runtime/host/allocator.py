"""What the C library does with memory that was freed."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = 32 * 2**20  # bytes: the most that glibc takes as a threshold for mappings
_KEPT = 128 * 2**20  # bytes free at an arena's end, beyond which they go back


def keep_freed_memory() -> None:
    """Large frames use the same memory again.

    By default glibc gives megabytes back as soon as they are free, and the kernel clears them for
    the next frame: a tenth of all that a worker does at 5 MB a frame. Nothing happens where the
    C library is another.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
