"""A file is there whole or not at all, and the error names it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workers.offline.run import run_guarded
from workers.runtime.host.whole_file import write_whole
from workers.runtime.settings.process import LogSettings


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that takes no more, for files of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_stood_there_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    file = tmp_path / "look" / ("x" * 251 + ".png")
    write_whole(file, b"before")
    with pytest.raises(OSError, match=r"File too large.*xxx\.png"), files_of_at_most(100):
        write_whole(file, bytes(1000))
    assert file.read_bytes() == b"before"
    assert list(file.parent.iterdir()) == [file]


def test_a_link_is_followed_and_a_device_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", "gr\udcfc\n")
    assert (tmp_path / "file").read_text() == "gr\\udcfc\n"
    assert (tmp_path / "link").is_symlink()
    write_whole(Path("/dev/null"), b"x")
    assert Path("/dev/null").is_char_device()


def test_a_command_on_a_full_disk_ends_with_a_clear_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = LogSettings()
    assert run_guarded("inspect", log, lambda _: write_whole(Path("/dev/full"), b"x")) == 74
    said = capfd.readouterr().err
    assert "/dev/full: No space left on device; what was written before stays" in said
    assert "Traceback" not in said
