"""Who goes first where processes share a machine's processors."""

import os
from contextlib import suppress
from pathlib import Path

_OWN_GROUP = Path("/proc/self/autogroup")


def give_way(niceness: int) -> None:
    """Let others go first: this process and what it starts. 0: as any other."""
    if niceness == 0:
        return
    os.nice(niceness)
    # Linux may weigh sessions against each other; niceness then counts inside a session only,
    # and that of the session is a file.
    with suppress(OSError):
        _OWN_GROUP.write_text(str(niceness))
