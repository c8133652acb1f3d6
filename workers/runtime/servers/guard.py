"""Runs one server and makes sure that it does not outlive us.

`python guard.py [--grace SECONDS] COMMAND ...` with a pipe as standard input: when the pipe closes
(its owner stopped, or was killed), the server gets SIGTERM, and SIGKILL after the grace time. On
Linux the kernel kills it too when the guard itself is killed. Only the standard library.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

_DEFAULT_GRACE_S = 3.0
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Linux: have the kernel kill this process when the guard is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop_when_orphaned(server: "subprocess.Popen[bytes]", grace_s: float) -> None:
    while os.read(0, 1024):
        pass
    server.terminate()
    try:
        server.wait(grace_s)
    except subprocess.TimeoutExpired:
        server.kill()


def main(command: list[str]) -> int:
    """Run the command until it ends or the pipe closes. Returns its exit code."""
    grace_s = _DEFAULT_GRACE_S
    if command[:1] == ["--grace"]:
        grace_s, command = float(command[1]), command[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the owner decides when servers stop
    server = subprocess.Popen(  # noqa: S603  (the command comes from process.py)
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  (no other thread exists yet)
    )
    threading.Thread(target=_stop_when_orphaned, args=(server, grace_s), daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
