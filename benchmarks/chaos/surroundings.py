"""What a stage stands on and can lose: a small disk that fills up, a wall clock that is set."""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "24m"


class Unavailable(Exception):
    """This machine has not what a fault needs."""


class Disk:
    """A small file system in memory; without the right to mount, a folder that never fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted = False
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Not a byte is left."""
        if not self.mounted:
            raise Unavailable("a full disk needs root, to mount a small one")
        with self._ballast.open("ab", buffering=0) as file:
            for size in (2**20, 4096, 1):
                self._pour(file, bytes(size))

    @staticmethod
    def _pour(file: object, block: bytes) -> None:
        try:
            while file.write(block):  # type: ignore[attr-defined]
                pass
        except OSError:
            return

    def free(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount it, and unmount it at the end."""
    folder.mkdir(parents=True)
    disk = Disk(folder)
    mount = shutil.which("mount")
    if mount is not None:
        options = ["-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
        disk.mounted = (
            subprocess.run([mount, *options], check=False, capture_output=True).returncode == 0
        )
    try:
        yield disk
    finally:
        disk.free()
        if disk.mounted:
            umount = shutil.which("umount") or "umount"
            subprocess.run([umount, "--lazy", str(folder)], check=False, capture_output=True)


class WallClock:
    """The wall clock of the stage's processes; their monotonic clocks go on undisturbed."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "clock", folder / "wall_clock.so"
        self.set(0)
        compiler = shutil.which("cc")
        self.there = False
        if compiler is not None:
            source = str(Path(__file__).with_name("wall_clock.c"))
            command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), source, "-ldl"]
            self.there = subprocess.run(command, check=False).returncode == 0
        clock = {"LD_PRELOAD": str(library), "STREAM_INSPECTOR_CLOCK": str(self._file)}
        self.environment = clock if self.there else {}  # of a process that is to see it

    def set(self, offset_s: int) -> None:
        """So many seconds off, from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", offset_s))
