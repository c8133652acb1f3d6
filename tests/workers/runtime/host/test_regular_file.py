"""Files that would hang their reader are refused by what they are."""

import os
import socket
from pathlib import Path

import pytest

from workers.runtime.host import regular_file
from workers.runtime.host.regular_file import read_regular


def read(path: Path) -> bytes:
    return read_regular(path, 100, "a.limit")


def test_a_regular_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"x" * 100)
    (tmp_path / "2").symlink_to("1")
    assert read(tmp_path / "1") == read(tmp_path / "2") == b"x" * 100


@pytest.mark.timeout(20)
def test_what_is_none_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    names = {"pipe": "a named pipe", "zero": "a device", "folder": "a folder", "socket": "a socket"}
    for name, kind in names.items():
        with pytest.raises(OSError, match=f"is {kind}, no regular file"):
            read(tmp_path / name)
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path / "loop")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone")


def test_a_file_that_is_too_long_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"x" * 101)
    with pytest.raises(OSError, match=r"has 101 bytes; the limit is 100 \(setting a\.limit\)"):
        read(tmp_path / "1")


@pytest.mark.timeout(20)
def test_a_file_that_becomes_a_pipe_or_grows_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "1").write_bytes(b"x" * 101)
    checks = iter((False, True, False, False))
    real = regular_file._check

    def late(*given: object) -> None:
        if next(checks):
            real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(regular_file, "_check", late)
    with pytest.raises(OSError, match="a named pipe"):
        read(tmp_path / "pipe")
    with pytest.raises(OSError, match="the limit is 100"):
        read(tmp_path / "1")
