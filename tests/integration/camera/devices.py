"""Real devices on loopback, in processes of their own that can be killed: GigE Vision and RTSP."""

import fcntl
import shutil
import socket
import struct
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.workers.gate.plants import PATIENCE_S, free_port, until

_OTHERS_S = 600.0
_SYSTEM_PYTHON = "/usr/bin/python3"
_GSTREAMER = "import gi; gi.require_version('GstRtspServer', '1.0')"


def _knows_gstreamer() -> bool:
    if not Path(_SYSTEM_PYTHON).exists():
        return False
    asked = subprocess.run(
        [_SYSTEM_PYTHON, "-c", _GSTREAMER], capture_output=True, check=False, timeout=PATIENCE_S
    )
    return asked.returncode == 0


gige_device = pytest.mark.skipif(
    shutil.which("arv-fake-gv-camera-0.8") is None,
    reason="a GigE Vision device: apt-get install aravis-tools",
)
rtsp_device = pytest.mark.skipif(
    not _knows_gstreamer(),
    reason="an RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi "
    "gstreamer1.0-plugins-good",
)


class _Device:
    """A process that can be pulled out and plugged in again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _wait(self, said: IO[bytes]) -> None:
        """Until it serves."""

    def start(self) -> None:
        self._process = subprocess.Popen(self._command(), stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._wait(self._process.stdout)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._process = None

    def __enter__(self):  # type: ignore[no-untyped-def]
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


_GVCP = "127.0.0.1", 3956  # the port of the standard: a machine has one such device
_HEARTBEAT_TIMEOUT = 0x0938  # register, milliseconds
_PATIENT_MS = 600_000
_WRITE, _WRITTEN = 0x0082, 0x0083


class GigeCamera(_Device):
    """The fake device of aravis: GigE Vision 1 in every packet. Of 1000 it loses so many.

    It takes a program that does not report for 3 s for dead, and on a busy machine a living one
    may not: this one is told to wait longer.
    """

    def __init__(self, serial: str, *, lost: int = 0) -> None:
        super().__init__()
        self.id, self._serial, self._lost = f"Aravis-Fake-{serial}", serial, lost
        self._turn = (Path(tempfile.gettempdir()) / "stream-inspector-tests-gige").open("w")

    def __enter__(self):  # type: ignore[no-untyped-def]
        until(self._has_turn, _OTHERS_S)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__()
        self._turn.close()

    def _has_turn(self) -> bool:
        """Other runs of these tests on this machine have theirs."""
        with suppress(BlockingIOError):
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def _command(self) -> list[str]:
        asked = ["-i", _GVCP[0], "-s", self._serial, "-r", str(self._lost)]
        return ["arv-fake-gv-camera-0.8", *asked]

    def _wait(self, said: IO[bytes]) -> None:
        from workers.camera.devices.genicam.aravis import find

        until(_is_told_to_wait, PATIENCE_S)
        until(lambda: f"aravis:{self.id}" in {each.source for each in find()}, PATIENCE_S)


def _is_told_to_wait() -> bool:
    """Write the register by which it gives up who controls it; who does already, keeps it as is."""
    told = struct.pack(">BBHHHII", 0x42, 1, _WRITE, 8, 1, _HEARTBEAT_TIMEOUT, _PATIENT_MS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(1)
        wire.connect(_GVCP)
        with suppress(OSError):
            wire.send(told)
            return wire.recv(16)[2:4] == struct.pack(">H", _WRITTEN)
    return False


class RtspCamera(_Device):
    """GStreamer's RTSP server, in front of a picture that moves."""

    def __init__(self) -> None:
        super().__init__()
        self._port = free_port()
        self.url = f"rtsp://127.0.0.1:{self._port}/main"

    def _command(self) -> list[str]:
        program = Path(__file__).with_name("rtsp_server.py")
        return [_SYSTEM_PYTHON, str(program), str(self._port)]

    def _wait(self, said: IO[bytes]) -> None:
        assert said.readline() == b"up\n"
